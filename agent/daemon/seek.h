/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * seek.h: in which network namespace may the peer be that an end looks for (HOP_END_SEEK in bpf/abi.h)?
 */
#ifndef SOCKHOP_DAEMON_SEEK_H
#define SOCKHOP_DAEMON_SEEK_H

struct instance;
struct netns_list;

/*
 * Add to `l` each network namespace of a process in an attached cgroup that has the address which one of the
 * seeking ends sends to. (Not where that address is translated on the way.) 0 or -errno.
 */
int seek_namespaces(const struct instance *in, struct netns_list *l);

#endif
