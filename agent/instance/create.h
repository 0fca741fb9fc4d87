/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * create.h: make an instance (load, attach to its maps, pin), and take it apart.
 *
 * An instance is built in a staging folder and renamed into place, so that it exists as a whole or not at all
 * (design.md, I25).
 */
#ifndef SOCKHOP_INSTANCE_CREATE_H
#define SOCKHOP_INSTANCE_CREATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "instance.h"
#include "agent/probe/probe.h"

#define DEFAULT_MAX_CONNECTIONS 65536
#define DEFAULT_IDLE_TIMEOUT	300 /* seconds */
#define DEFAULT_HEARTBEAT	15  /* seconds */

struct load_options {
	unsigned int max_connections;	 /* 0: the default */
	unsigned int idle_s;		 /* a pair that is silent this long leaves; 0: never */
	const struct hop_policy *policy; /* NULL: empty */
	unsigned int heartbeat_s;	 /* seconds between messages of a direction that take TCP; 0: never */
	bool observe;			 /* judge all, and let nobody join */
};

/* Mount a bpffs at /sys/fs/bpf unless one is there. 0 or -errno. */
int bpffs_mount(void);

/*
 * Make the instance NAME and leave it pinned, attached to no cgroup yet. -EEXIST if it exists; -EOPNOTSUPP if
 * the kernel cannot run it at all. The report (may be NULL) says what failed.
 */
struct report;
int instance_create(const char *name, const struct load_options *options, struct report *r);

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
 * Remove the folders of such processes that no longer exist (killed in the middle of an attach): nothing of
 * them was ever attached. Under instances_lock(), which a living one holds, also where its pid means nothing
 * here.
 */
void instances_sweep(void);

/*
 * The same, and the folder of all instances if it is empty; unless another process makes an instance at this
 * moment.
 */
void instances_tidy(void);

#endif
