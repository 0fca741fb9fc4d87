/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cgroup.h: what sockhop has to know about cgroup v2: where it is mounted, which cgroup an operator means,
 * how to make, enter and remove one, who lives in it, and which sockops programs it has.
 *
 * All functions return 0 or -errno unless they say otherwise, and leave their out-parameters untouched on
 * failure. Paths are absolute, canonical and NUL-terminated; -ENAMETOOLONG when one does not fit its buffer
 * (PATH_MAX always fits). None of them prints.
 *
 * It knows nothing of instances or connections. It may call agent/lib; every other room may call it.
 */
#ifndef SOCKHOP_CGROUP_H
#define SOCKHOP_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <linux/bpf.h>
#include <linux/types.h>

/* One cgroup2 mount: where it is, and which cgroup is its top as seen from our cgroup namespace. */
struct cgroup_mountpoint {
	char point[PATH_MAX];
	char root[PATH_MAX]; /* "/", "/a/b" (a bind mount), or "/.." (mounted outside our cgroup namespace) */
};

/*
 * The cgroup2 mount in a mountinfo file (proc(5), /proc/PID/mountinfo) that shows most: the first with root
 * "/", else the first. Mounts that usable() (may be NULL) turns down are left out. -ENOENT if there is none.
 * For tests; everything else wants cgroup_mount().
 */
int cgroup_mountinfo_pick(FILE *mountinfo, bool (*usable)(const char *point), struct cgroup_mountpoint *out);

/* The cgroup2 mount of this process, hidden ones left out; unified, hybrid, anywhere. -ENOENT if none. */
int cgroup_mountpoint_get(struct cgroup_mountpoint *out);

/* The same, just the mount point. */
int cgroup_mount(char *buf, size_t size);

/*
 * The cgroup that an operator's argument names: a path that exists (absolute, or relative to the working
 * directory), else a path below the cgroup2 mount ("/a/b" and "a/b" alike, as in /proc/PID/cgroup).
 * -ENOENT: neither exists. -ENOTDIR: it is a file. -EINVAL: it exists, but not on a cgroup2 file system, or
 * the argument is empty.
 */
int cgroup_resolve(const char *arg, char *path, size_t size);

/*
 * The path that an argument names where no such cgroup exists, because it was removed: below the cgroup2
 * mount, by the words alone.
 */
int cgroup_resolve_gone(const char *arg, char *path, size_t size);

/*
 * The kernel's id of a cgroup, what bpf_get_current_cgroup_id() returns: the 64-bit kernfs node id, which is
 * also the file handle and, on 64-bit kernels, the inode number (fs/kernfs/mount.c, kernfs_encode_fh(),
 * since Linux 5.5). Never reused while the machine is up. -EINVAL: not on cgroup2.
 */
int cgroup_id(const char *path, __u64 *id);

/*
 * The path of the cgroup with this id, below cgroup_mount(). -ENOENT: it is gone, or outside that mount.
 * Opens it by its handle (CAP_DAC_READ_SEARCH), else walks the tree.
 */
int cgroup_path_by_id(__u64 id, char *path, size_t size);

/*
 * This process's own cgroup. With a mount from outside our cgroup namespace the kernel does not say where
 * below it we are; then the tree is searched. -ENOENT: no cgroup2 mount shows it.
 */
int cgroup_self(char *path, size_t size);

/* Makes the cgroup NAME in PARENT. -EEXIST; -EINVAL: not a plain file name; -EACCES; -EAGAIN: a limit. */
int cgroup_create(const char *parent, const char *name, char *path, size_t size);

/*
 * Removes a cgroup once its last process has left, which it waits for up to timeout_ms (0: not at all,
 * negative: for ever) on the events of cgroup.events. -EBUSY: still populated. -ENOTEMPTY: nobody is in it,
 * but it has child cgroups. -ENOENT: no such cgroup.
 */
int cgroup_remove(const char *path, int timeout_ms);

/*
 * Moves a process (0: this one) into the cgroup. -ESRCH: no such process. -EBUSY: the cgroup has controllers
 * in cgroup.subtree_control, so it may hold no processes. -EOPNOTSUPP: it is part of a threaded subtree.
 */
int cgroup_enter(const char *path, pid_t pid);

/*
 * Where `sockhop run` should make its child cgroup: our own cgroup, else the nearest ancestor, up to the top
 * of the mount, in which a child can be made and entered; each is tried for real, with a short-lived process
 * and cgroup. A child cgroup never breaks the rule against internal processes: our own cgroup holds us, so it
 * has no domain controllers enabled for its children. A systemd unit without Delegate= may be tidied
 * by systemd, yet only once it is empty. On failure: the error of our own cgroup, e.g. -EACCES.
 */
int cgroup_parent_for_run(char *path, size_t size);

/*
 * Calls fn(path, arg) for a cgroup and all its descendants, parents first; a non-zero return of fn ends the
 * walk and is returned. Cgroups that vanish meanwhile are left out. fn must not keep `path`.
 */
int cgroup_walk(const char *path, int (*fn)(const char *path, void *arg), void *arg);

/*
 * Calls fn(pid, arg) for all processes of the cgroup and its descendants; a non-zero return of fn ends it and
 * is returned. A snapshot only: they fork and move meanwhile, and one that moves may be seen twice, as may
 * one of a threaded subtree. Processes outside our pid namespace are left out.
 */
int cgroup_each_pid(const char *path, int (*fn)(pid_t pid, void *arg), void *arg);

/* True when `path` is `ancestor` or below it, by the names alone: both canonical. */
bool cgroup_is_below(const char *path, const char *ancestor);

/*
 * The ids of the sockops programs attached to this cgroup, or (effective) all that run for its sockets,
 * inherited ones too, in the order in which they run. *count: room in ids, then how many there are. -ENOSPC:
 * ids was too small, *count says how many there are. -EPERM: needs CAP_NET_ADMIN.
 */
int cgroup_sockops_progs(const char *path, bool effective, __u32 *ids, __u32 *count);

/*
 * 1 if a program of this attach type (BPF_CGROUP_SOCK_OPS, BPF_CGROUP_SETSOCKOPT, ...) that somebody attached
 * without BPF_F_ALLOW_MULTI stands in the way: BPF_LINK_CREATE on this cgroup, which implies that flag, will
 * fail with -EPERM; `where` (may be NULL) names the cgroup with that program. 0 if not. The rules
 * (kernel/bpf/cgroup.c, hierarchy_allows_attach() and __cgroup_bpf_attach()): programs on the cgroup itself
 * must have been attached with that flag; above it the nearest cgroup with a program decides, and
 * BPF_F_ALLOW_OVERRIDE serves there too (our program then replaces that one for this subtree). Cgroups above
 * the mount cannot be asked.
 */
int cgroup_hook_exclusive(const char *path, enum bpf_attach_type type, char *where, size_t size);

#endif
