/* SPDX-License-Identifier: GPL-2.0-only */
/* pause.h: all messages of an instance take TCP for a while; bpf/pause.h is the other half. */
#ifndef SOCKHOP_INSTANCE_PAUSE_H
#define SOCKHOP_INSTANCE_PAUSE_H

struct instance;

/*
 * After this returns no message hops, for so many seconds; 0: they may again. It replaces a pause that is in
 * effect (design.md, I49). `in` is open for writing; no lock is needed, and no agent.
 */
void instance_pause(struct instance *in, unsigned int seconds);

/* Seconds that a pause lasts still, rounded up; 0: there is none. */
unsigned int instance_paused(const struct instance *in);

#endif
