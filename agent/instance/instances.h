/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * instances.h: the pins of all instances as folders of bpffs: their lock, their names, and what a killed
 * attach has left.
 */
#ifndef SOCKHOP_INSTANCE_INSTANCES_H
#define SOCKHOP_INSTANCE_INSTANCES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Mount a bpffs at /sys/fs/bpf unless one is there. 0 or -errno. */
int bpffs_mount(void);

/*
 * Does what is pinned outlive us? Not if a bpffs is yet to be mounted, and the mount namespace is not that of
 * the first process, or cannot be told: the bpffs would end with it, and so would what members have unread.
 */
bool bpffs_lasts(void);

/* Unpin everything of an instance: without members nothing of it is left afterwards. */
int instance_remove(const char *name);

/*
 * Move the pins of a drained-but-not-empty instance aside: NAME-draining-N. Its new name is written to `to`.
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
