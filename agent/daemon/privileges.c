// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "privileges.h"
#include "agent/lib/util.h"
#include "agent/program/sandbox.h"

#define CAP(name_) .cap = CAP_##name_, .name = "CAP_" #name_

const struct privilege privileges[] = {
	{CAP(BPF), .what = "make maps and programs", .needed = true},
	{CAP(NET_ADMIN), .what = "attach programs to cgroups and sockhashes", .needed = true},
	{CAP(PERFMON), .what = "iterators and tracepoints, read other sockets", .needed = true},
	{CAP(SYS_ADMIN), .what = "enter network namespaces, mount a bpffs, try things out", .needed = true},
	{CAP(SYS_PTRACE), .what = "examine the programs of other users",
	 .without = "their sockets stay on TCP"},
	{CAP(DAC_READ_SEARCH), .what = "read the files of their programs",
	 .without = "sockets of programs that only their users may read stay on TCP"},
	{CAP(CHECKPOINT_RESTORE), .what = "read files that they have mapped and that have no name any more",
	 .without = "sockets of programs that were updated since they started stay on TCP"},
	{CAP(DAC_OVERRIDE), .what = "pin programs in a folder of another user"},
	{0},
};

static int keep_capabilities(void)
{
	unsigned int cap[ARRAY_SIZE(privileges)];
	size_t n = 0;

	while (privileges[n].name) {
		cap[n] = privileges[n].cap;
		n++;
	}
	return sandbox_keep_capabilities(cap, n);
}

/* What no part of an agent or of its children does. */
static const int denied[] = {
	/* programs */
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(process_vm_writev),
	/* users and owners */
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(chown),
	SCMP_SYS(fchown),
	SCMP_SYS(lchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	/* what is mounted, and namespaces; setns(2) has a rule of its own */
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(open_tree),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(unshare),
	SCMP_SYS(quotactl),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	/* the machine */
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(acct),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(syslog),
	/* keys, and ways to do something unseen */
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(perf_event_open),
#ifndef __SANITIZE_ADDRESS__ /* it looks for leaks by it */
	SCMP_SYS(ptrace),
#endif
};

/* New namespaces by clone(2). The arguments of clone3(2) are in memory, where no filter can look: without it
 * the C library takes clone(2). */
static int deny_namespaces(scmp_filter_ctx f)
{
	static const unsigned int flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
					     CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
	int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t i = 0; i < ARRAY_SIZE(flags) && !r; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
	return r;
}

/* Calls that are denied with some arguments only. */
static int deny_some(scmp_filter_ctx f)
{
	int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setns), 1,
				 SCMP_A1(SCMP_CMP_NE, CLONE_NEWNET));
#ifndef __SANITIZE_ADDRESS__
	static const int maps[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(pkey_mprotect)};

	for (size_t i = 0; i < ARRAY_SIZE(maps) && !r; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), maps[i], 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
#endif
	return r;
}

static int filter_calls(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? deny_some(f) ?: deny_namespaces(f) : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(denied) && !r; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	if (!r)
		r = seccomp_load(f); /* sets no_new_privs */
	seccomp_release(f);
	return r;
}

int privileges_drop(void)
{
	return keep_capabilities() ?: filter_calls();
}
