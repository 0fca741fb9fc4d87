// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <cap-ng.h>

#include "sandbox.h"
#include "agent/lib/util.h"

int sandbox_detach(const char *name, int parent, const int *fd, size_t n)
{
	int above = 2, null;
	sigset_t none;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		return -ESRCH;
	prctl(PR_SET_NAME, name);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < n; i++)
		if (fd[i] > above)
			above = fd[i];
	/* first out of the way of each other */
	for (size_t i = 0; i < n; i++)
		if (dup2(fd[i], above + 1 + i) < 0)
			return -errno;
	for (size_t i = 0; i < n; i++)
		dup2(above + 1 + i, i);
	if (syscall(SYS_close_range, (unsigned int)n, ~0u, 0u))
		return -errno;
	/* where messages would go, so that none gets into a file that is opened later */
	null = n <= 2 ? open("/dev/null", O_RDWR) : -1;
	while (null >= 0 && null < 2)
		null = dup(null);
	return chdir("/") ? -errno : 0;
}

bool sandbox_has_capability(unsigned int cap)
{
	return !capng_get_caps_process() && capng_have_capability(CAPNG_PERMITTED, cap);
}

int sandbox_keep_capabilities(const unsigned int *cap, size_t n)
{
	capng_select_t sets = CAPNG_SELECT_CAPS;

	if (capng_get_caps_process())
		return -EINVAL;
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		sets = CAPNG_SELECT_ALL;
	for (unsigned int c = 0; c <= CAP_LAST_CAP; c++) {
		bool keep = false;

		for (size_t i = 0; i < n; i++)
			keep |= cap[i] == c && capng_have_capability(CAPNG_PERMITTED, c);
		if (!keep)
			capng_update(CAPNG_DROP,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE |
					     CAPNG_BOUNDING_SET | CAPNG_AMBIENT,
				     c);
	}
	return capng_apply(sets) ? -EPERM : 0;
}

/* So much at most. */
static int limit(int resource, rlim_t value)
{
	struct rlimit r;

	if (getrlimit(resource, &r))
		return -errno;
	if (r.rlim_max > value)
		r.rlim_max = value;
	r.rlim_cur = r.rlim_max;
	return setrlimit(resource, &r) ? -errno : 0;
}

/* What reading a descriptor, parsing in memory, answering and ending takes. */
static const int allowed[] = {
	SCMP_SYS(read),	      SCMP_SYS(pread64),     SCMP_SYS(lseek),	     SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(fcntl),	     SCMP_SYS(recvmsg),	     SCMP_SYS(sendto),
	SCMP_SYS(close),      SCMP_SYS(munmap),	     SCMP_SYS(brk),	     SCMP_SYS(madvise),
	SCMP_SYS(setitimer),  SCMP_SYS(exit_group),  SCMP_SYS(rt_sigreturn), SCMP_SYS(clock_gettime),
	SCMP_SYS(getrandom),  SCMP_SYS(futex), /* malloc() */
#ifdef __SANITIZE_ADDRESS__
	SCMP_SYS(prctl),      SCMP_SYS(getpid),	     SCMP_SYS(gettid),	     SCMP_SYS(sched_yield),
	SCMP_SYS(write),      SCMP_SYS(sigaltstack),
#endif
};

static int allow_memory(scmp_filter_ctx f)
{
	/* anonymous memory only, and none that could be executed */
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
				 SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));

	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mremap), 0);
	return r;
}

static int filter_calls(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = f ? allow_memory(f) : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && !r; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!r)
		r = seccomp_load(f); /* sets no_new_privs */
	seccomp_release(f);
	return r;
}

int sandbox_enter(void)
{
	int r = sandbox_keep_capabilities(NULL, 0);

	if (!r && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		r = -errno;
	prctl(PR_SET_DUMPABLE, 0);
#ifndef __SANITIZE_ADDRESS__ /* its shadow is terabytes of address space */
	r = r ?: limit(RLIMIT_AS, SANDBOX_MEMORY);
#endif
	r = r ?: limit(RLIMIT_FSIZE, 0);
	r = r ?: limit(RLIMIT_CORE, 0);
	r = r ?: limit(RLIMIT_NPROC, 0);
	r = r ?: limit(RLIMIT_NOFILE, 4); /* standard streams, and the one that is received */
	return r ?: filter_calls();
}
