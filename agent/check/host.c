// SPDX-License-Identifier: GPL-2.0-only
/* host.c: kernel settings, mounts, capabilities, and programs of others on our path. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <cap-ng.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <bpf/bpf.h>

#include "check.h"
#include "agent/daemon/privileges.h"
#include "agent/daemon/spawn.h"
#include "agent/instance/folder.h"
#include "agent/instance/foreign.h"
#include "agent/instance/instance.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

static void check_btf(struct checks *c)
{
	const char *path = "/sys/kernel/btf/vmlinux";

	if (!faccessat(AT_FDCWD, path, R_OK, AT_EACCESS))
		check_line(c, CHECK_OK, "kernel BTF", NULL, "%s", path);
	else
		check_line(c, check_state_of(-errno, CHECK_MISSING), "kernel BTF",
			   "use a kernel with CONFIG_DEBUG_INFO_BTF=y; all large distributions ship one",
			   "%s: %s", path, strerror(errno));
}

static void check_jit(struct checks *c)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
	int on = -1;

	if (f && fscanf(f, "%d", &on) != 1)
		on = -1;
	if (on > 0)
		check_line(c, CHECK_OK, "BPF JIT", NULL, "on");
	else
		check_line(c, CHECK_WARN, "BPF JIT",
			   "sysctl net.core.bpf_jit_enable=1; without it hops gain nothing", "%s",
			   on ? "cannot be read" : "off");
}

static bool kernel_has_cgroup2(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/filesystems", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "\tcgroup2\n"))
			return true;
	return false;
}

static void check_cgroup2(struct checks *c)
{
	char path[PATH_MAX];
	int err = cgroup_mount(path, sizeof(path));

	if (!err)
		check_line(c, CHECK_OK, "cgroup2", NULL, "mounted at %s", path);
	else if (kernel_has_cgroup2())
		check_line(c, CHECK_FAILED, "cgroup2",
			   "mount it: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none "
			   "/sys/fs/cgroup/unified",
			   "not mounted");
	else
		check_line(c, CHECK_MISSING, "cgroup2",
			   "use a kernel with CONFIG_CGROUPS=y and CONFIG_CGROUP_BPF=y",
			   "not in this kernel");
}

/* Can a bpffs be mounted where we want it? Tried in a mount namespace that ends with the child. */
static int try_bpffs(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"))
			_exit(errno < 256 ? errno : EIO);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* A bpffs is there: may others put something in our way? */
static void check_folder(struct checks *c)
{
	_cleanup_close_ int root = folder_root(false);
	struct stat st;

	if (root == -FOLDER_STRANGE)
		check_line(c, CHECK_FAILED, "bpffs", FOLDER_STRANGE_TEXT,
			   "mounted at " FOLDER_BPFFS ", with a folder " FOLDER_NAME
			   " that cannot be trusted");
	else if (!stat(FOLDER_BPFFS, &st) && st.st_mode & (S_IWGRP | S_IWOTH))
		check_line(c, CHECK_WARN, "bpffs", "chmod 0700 " FOLDER_BPFFS ", or mount it with mode=0700",
			   "mounted at " FOLDER_BPFFS ", and others may write to it (mode %o)",
			   st.st_mode & 07777);
	else
		check_line(c, CHECK_OK, "bpffs", NULL, "mounted at " FOLDER_BPFFS);
}

static void check_bpffs(struct checks *c)
{
	char path[PATH_MAX];
	int err = instance_root(path, sizeof(path));

	/* by what we may do, not by who we are: access() ignores capabilities */
	if (!err && faccessat(AT_FDCWD, "/sys/fs/bpf", W_OK | X_OK, AT_EACCESS)) {
		check_line(c, CHECK_DENIED, "bpffs",
			   "run as root, or mount a bpffs there that you own, or give CAP_DAC_OVERRIDE",
			   "mounted at /sys/fs/bpf, not writable: %s", strerror(errno));
		return;
	}
	if (!err) {
		check_folder(c);
		return;
	}
	err = try_bpffs();
	if (!err)
		check_line(c, CHECK_OK, "bpffs", NULL, "not mounted; `sockhop attach` does it");
	else
		check_line(c, check_state_of(err, CHECK_FAILED), "bpffs",
			   "mount it: mount -t bpf bpf /sys/fs/bpf",
			   "not mounted at /sys/fs/bpf, and cannot be: %s", strerror(-err));
}

/* Those that an agent keeps: it drops all others. */
static void check_caps(struct checks *c)
{
	bool known = !capng_get_caps_process();

	for (const struct privilege *p = privileges; p->name; p++) {
		char fix[160];

		if (known && capng_have_capability(CAPNG_EFFECTIVE, p->cap)) {
			check_line(c, CHECK_OK, p->name, NULL, "granted: %s", p->what);
			continue;
		}
		if (!p->needed && !p->without)
			continue;
		snprintf(fix, sizeof(fix),
			 p->needed ? "run as root, or with %s (uid 0 is not needed)" : "give %s, or %s",
			 p->name, p->without);
		check_line(c, p->needed ? CHECK_DENIED : CHECK_WARN, p->name, fix, "missing: %s", p->what);
	}
}

/* bpf/ksock.h tells sleeping readers by the address of this function. */
static void check_kallsyms(struct checks *c)
{
	const char *fix = "sysctl kernel.kptr_restrict=1 (or 0) and CAP_SYSLOG; without it detach waits for "
			  "readers that sleep in a call on a member";
	_cleanup_fclose_ FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], type, name[256];
	unsigned long long addr = 0;
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%llx %c %255s", &addr, &type, name) == 3 &&
			!strcmp(name, "woken_wake_function");
	if (found && addr)
		check_line(c, CHECK_OK, "kallsyms", NULL, "shows woken_wake_function()");
	else
		check_line(c, CHECK_WARN, "kallsyms", fix, "%s",
			   found ? "hides addresses" : "does not list woken_wake_function()");
}

/* The agent examines programs by the kernel's own process numbers. */
static void check_pidns(struct checks *c)
{
	if (agent_names_processes())
		check_line(c, CHECK_OK, "pid namespace", NULL,
			   "the initial one: the agent can name processes");
	else
		check_line(c, CHECK_FAILED, "pid namespace", "run the agent elsewhere: " AGENT_WHERE,
			   "not the initial one, or /proc shows another: the agent would examine the wrong "
			   "processes");
}

/* "hop_sockops (id 12), other (id 17)" */
static void name_progs(char *buf, size_t size, const __u32 *ids, __u32 n)
{
	size_t at = 0;

	buf[0] = 0;
	for (__u32 i = 0; i < n && at < size; i++) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);
		_cleanup_close_ int fd = bpf_prog_get_fd_by_id(ids[i]);

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
			info.name[0] = 0;
		at += snprintf(buf + at, size - at, "%s%s (id %u)", i ? ", " : "",
			       info.name[0] ? info.name : "?", ids[i]);
	}
}

static void check_others(struct checks *c)
{
	const char *name = "other sockops";
	char path[PATH_MAX], where[PATH_MAX], list[512], fix[PATH_MAX + 160];
	__u32 ids[64], n = ARRAY_SIZE(ids);
	int err = cgroup_self(path, sizeof(path));

	if (!err)
		err = cgroup_sockops_progs(path, true, ids, &n);
	if (err) {
		check_line(c, err == -EPERM ? CHECK_SKIPPED : CHECK_WARN, name, NULL, "cannot be asked: %s",
			   strerror(-err));
		return;
	}
	if (cgroup_hook_exclusive(path, BPF_CGROUP_SOCK_OPS, where, sizeof(where)) == 1) {
		snprintf(fix, sizeof(fix),
			 "have it attached with BPF_F_ALLOW_MULTI (`bpftool cgroup show %s`), or use cgroups "
			 "elsewhere",
			 where);
		check_line(c, CHECK_FAILED, name, fix, "%s is held exclusively", where);
		return;
	}
	name_progs(list, sizeof(list), ids, n);
	check_line(c, CHECK_OK, name, NULL, n ? "they may remain: %s" : "none on the path of %s",
		   n ? list : path);
}

/* What holds sockets before us. */
static void check_sockmaps(struct checks *c)
{
	_cleanup_free_ struct foreign_map *map = NULL;
	size_t n = 0, at = 0;
	char list[768] = "";
	int err = foreign_sockmaps(&map, &n);

	if (err) {
		check_line(c, CHECK_SKIPPED, "other sockmaps", NULL, "cannot be asked: %s", strerror(-err));
		return;
	}
	for (size_t i = 0; i < n && at < sizeof(list); i++)
		at += snprintf(list + at, sizeof(list) - at, "%s%.16s (id %u)%s%s%s%s", i ? "; " : "",
			       map[i].name[0] ? map[i].name : "?", map[i].id, map[i].progs[0] ? " of " : "",
			       map[i].progs, map[i].pin[0] ? ", " : "", map[i].pin);
	if (n)
		check_line(c, CHECK_WARN, "other sockmaps",
			   "sockets in them never join (reason other-sockmap): stop what made them, or "
			   "attach to "
			   "cgroups elsewhere",
			   "%zu on this host: %s", n, list);
	else
		check_line(c, CHECK_OK, "other sockmaps", NULL, "none on this host");
}

void check_host(struct checks *c)
{
	check_caps(c);
	check_btf(c);
	check_jit(c);
	check_kallsyms(c);
	check_cgroup2(c);
	check_bpffs(c);
	check_pidns(c);
	check_others(c);
	check_sockmaps(c);
}
