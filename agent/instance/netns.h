/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netns.h: network namespaces: sets of them, those of the processes of attached cgroups, and how to get into
 * one that is known by its inode number.
 */
#ifndef SOCKHOP_INSTANCE_NETNS_H
#define SOCKHOP_INSTANCE_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct instance;

/* A set of network namespaces by inode number, each once, in the order in which they were added. */
struct netns_list {
	__u32 *inum;
	size_t n, room;
};

int netns_list_add(struct netns_list *l, __u32 inum); /* 0 or -ENOMEM */
bool netns_listed(const struct netns_list *l, __u32 inum);
void netns_list_clear(struct netns_list *l); /* forget the entries, keep the memory */
void netns_list_free(struct netns_list *l);
/* Add the namespace of every registered end. 0 or -errno. */
int netns_list_all(struct netns_list *l, const struct instance *in);

/*
 * What is done with a namespace; fd belongs to the caller. A non-zero return ends the walk and is returned.
 */
typedef int netns_fn(int fd, __u32 inum, void *arg);

/*
 * Call fn for each network namespace of a process in the cgroup at `path`, or (NULL) in an attached cgroup,
 * once. What is in `seen` is left out; what was found is added to it (NULL: a set of its own). A cgroup that
 * is gone has no processes. 0, what fn returned, or -errno.
 */
int netns_each(const struct instance *in, const char *path, struct netns_list *seen, netns_fn *fn, void *arg);

/*
 * Call fn for each network namespace that a process is in, or that iproute2 named; otherwise as netns_each().
 */
int netns_each_of_host(netns_fn *fn, void *arg);

/*
 * An fd of the network namespace with this inode number, found among the processes of the attached cgroups,
 * our own, /run/netns, and all processes; -ENOENT when no process is in it any more. The caller closes it.
 */
int netns_open(const struct instance *in, __u32 inum);

/* The name that iproute2 gave it (a file below /run/netns), or "". */
void netns_name(__u32 inum, char *buf, size_t size);

#endif
