/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pass.h: passes over the sockets of network namespaces, as the agent and detach run them.
 */
#ifndef SOCKHOP_PASS_H
#define SOCKHOP_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <linux/types.h>

struct instance;

/* A set of network namespaces by inode number, in no order, each once. */
struct netns_list {
	__u32 *inum;
	size_t n, room;
};

int netns_list_add(struct netns_list *l, __u32 inum); /* 0 or -ENOMEM */
/*
 * Add the namespace of a process and return a descriptor of it, which the caller closes: -EEXIST if it was in
 * the list already, -ENOMEM, or the -errno of a process that has gone.
 */
int netns_list_open(struct netns_list *l, pid_t pid);
void netns_list_clear(struct netns_list *l); /* forget the entries, keep the memory */
void netns_list_free(struct netns_list *l);
/* Add the namespace of every registered end. */
int netns_list_all(struct netns_list *l, const struct instance *in);

/*
 * One hop_visit pass over each namespace of the list. Returns -errno or a set of PASS_*: whether ends want
 * another pass soon, because they could not join (a queue was not empty) or leave (a redirect was in flight),
 * or later, because they are held back for a while. *ns (may be NULL) is the CPU time that it took.
 * Namespaces where nobody wants another pass soon, or where nobody is any more, are taken off the list: each
 * costs a walk over the whole hash table.
 */
enum { PASS_JOINS = 1 << 0, PASS_LEAVES = 1 << 1, PASS_HELD = 1 << 2 };
int pass_visit(struct instance *in, struct netns_list *l, unsigned long long *ns);

/*
 * Let every member leave (config.draining is set, or their cgroups are leaving) until none is left that must,
 * or timeout_ms is over. Returns the number of members left, or -errno.
 */
int drain(struct instance *in, unsigned int timeout_ms);
/* The number of members (entries of the sockhash) whose cgroup is leaving, or all if `all`. */
int members_left(const struct instance *in, bool all);

#endif
