/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * create.h: make an instance (load, attach to its maps, pin), attach it to cgroups, take it apart.
 *
 * An instance is built in a staging folder and renamed into place, so that it exists as a whole or not at
 * all.
 */
#ifndef SOCKHOP_INSTANCE_CREATE_H
#define SOCKHOP_INSTANCE_CREATE_H

#include <sys/types.h>

#include "instance.h"
#include "agent/probe/probe.h"

#define DEFAULT_MAX_CONNECTIONS 65536
#define DEFAULT_IDLE_TIMEOUT	300 /* seconds */
#define DEFAULT_HEARTBEAT	15  /* seconds */

struct load_options {
	unsigned int max_connections;	 /* 0: the default */
	unsigned int idle_s;		 /* a pair silent for so long leaves, 0: never */
	const struct hop_policy *policy; /* NULL: empty */
	unsigned int heartbeat_s; /* one message of each direction takes TCP so often, 0: none has to */
};

/* Mount a bpffs at /sys/fs/bpf unless one is there. 0 or -errno. */
int bpffs_mount(void);

/*
 * Make the instance NAME and leave it pinned, attached to no cgroup yet. -EEXIST if it exists; -EOPNOTSUPP if
 * the kernel cannot run it at all. Messages about what failed are printed here, since only this knows.
 */
int instance_create(const char *name, const struct load_options *options);

/*
 * Attach the open instance to the cgroup at `path` (absolute, resolved) and let older connections in it
 * become candidates; not those of the network namespaces that are added to `blocked` (may be NULL).
 * -EALREADY: it is attached there or to an ancestor already. One that is leaving stays. flags: HOP_CG_OWNED.
 */
struct netns_list;
int instance_attach(struct instance *in, const char *path, __u32 flags, struct netns_list *blocked);

/* Has this cgroup been removed? Another one may have its path by now; nothing is attached to that. */
bool instance_cgroup_gone(__u64 id, const struct hop_cgroup *cg);

/* Do sockops programs of others, another instance's included, run for sockets of an attached cgroup? */
bool instance_shares_sockops(const struct instance *in);

/* Mark a cgroup as leaving (its members leave in the next passes), or remove its link and entry. */
int instance_mark_leaving(struct instance *in, __u64 cgroup_id);
int instance_unattach(struct instance *in, __u64 cgroup_id);

/* The attached cgroups: fn(id, cgroup, arg) for each, until it returns non-zero. */
int instance_each_cgroup(const struct instance *in, int (*fn)(__u64 id, const struct hop_cgroup *, void *),
			 void *arg);

/* Unpin everything of an instance: without members nothing of it is left afterwards. */
int instance_remove(const char *name);

/* Move the pins of a drained-but-not-empty instance aside: NAME-draining-N. Its new name is written to `to`.
 */
int instance_set_aside(const char *name, char *to, size_t size);

/* A lock that serialises everything that creates or removes instances: an fd, or -errno. Close to unlock. */
int instances_lock(void);

/*
 * The process that makes an instance does so in a folder NAME-new-PID: the pid of a folder that is called so,
 * or 0. No instance may have such a name.
 */
pid_t instance_stage_pid(const char *name);

/*
 * Remove the folders of such processes that are no more (killed in the middle of an attach): nothing of them
 * was ever attached. Under instances_lock(), which a living one holds, also where its pid means nothing here.
 */
void instances_sweep(void);

/* The same, and the folder of all instances if it is empty; unless somebody makes an instance at this moment.
 */
void instances_tidy(void);

#endif
