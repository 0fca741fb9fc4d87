/* SPDX-License-Identifier: GPL-2.0-only */
/* pause.h: messages of an instance, or of some cgroups, take TCP for a while; bpf/pause.h is the other half.
 */
#ifndef SOCKHOP_INSTANCE_PAUSE_H
#define SOCKHOP_INSTANCE_PAUSE_H

#include <stddef.h>
#include <linux/types.h>

struct instance;
struct hop_pause;

/*
 * After this returns no message hops, for so many seconds; 0: they may again, those of single cgroups, too.
 * It replaces a pause of the whole instance that is in effect (design.md, I49). `in` is open for writing; no
 * lock is needed, and no agent.
 */
void instance_pause(struct instance *in, unsigned int seconds);

/*
 * The same for the ends in n cgroups, by their ids, and below them. It replaces the pauses of these cgroups.
 * -ENOSPC: HOP_PAUSES cgroups at most are paused at a time; then nothing has changed. Under the instance
 * lock.
 */
int instance_pause_some(struct instance *in, const __u64 *cgroup, size_t n, unsigned int seconds);

/* Seconds that a pause of the whole instance lasts still, rounded up; 0: there is none. */
unsigned int instance_paused(const struct instance *in);

/* The same for one of the HOP_PAUSES places of cgroups; *cgroup: which one. */
unsigned int instance_paused_one(const struct instance *in, unsigned int place, __u64 *cgroup);

#endif
