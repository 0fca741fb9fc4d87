/* SPDX-License-Identifier: GPL-2.0-only */
/* attach.h: an instance and the cgroups whose connections may hop. */
#ifndef SOCKHOP_INSTANCE_ATTACH_H
#define SOCKHOP_INSTANCE_ATTACH_H

#include "instance.h"

struct netns_list;

/*
 * Attach the open instance to the cgroup at `path` (absolute, resolved) and let older connections in it
 * become candidates; not those of the network namespaces that are added to `blocked` (may be NULL).
 * -EALREADY: it is attached there or to an ancestor already. One that is leaving stays. flags: HOP_CG_OWNED,
 * or HOP_CG_SELECTED. Entries of cgroups that had this path and were removed are retired: instance_tidy()
 * ends them.
 */
int instance_attach(struct instance *in, const char *path, __u32 flags, struct netns_list *blocked);

/* The same for the cgroup that is at a followed path now, whether or not an ancestor is attached, too. */
int instance_attach_again(struct instance *in, const char *path);

/* The same for a cgroup that a configuration selects, found by the agent. -EALREADY as instance_attach(). */
int instance_attach_found(struct instance *in, const char *path);

/*
 * Drop what is left of a cgroup that was removed: its links, and its entry if its path is not waited for.
 * Sockets may outlive their cgroup, in a process that moved or until their FIN is answered, and need their
 * callbacks until they close: the links are kept until the kernel lets go of them. 1: something was dropped,
 * 0: there is nothing, -EBUSY: there are such sockets, so try again later; another -errno.
 */
int instance_tidy(struct instance *in, __u64 cgroup_id, enum cgroup_state state);

/* Mark a cgroup as leaving (its members leave in the next passes), or remove its link and entry. */
int instance_mark_leaving(struct instance *in, __u64 cgroup_id);
int instance_unattach(struct instance *in, __u64 cgroup_id);

/* Do sockops programs of others, another instance's included, run for sockets of an attached cgroup? */
bool instance_shares_sockops(const struct instance *in);

#endif
