/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pace.h: how early the next pass for joins may run, so that passes stay cheap for the host. A pass walks the
 * kernel's whole hash table of TCP sockets under their locks: 3 ms with few, 40 ms and more beside 20 000.
 *
 * On average passes for joins get 1/PACE_SHARE of one CPU. What an agent has not used of that it may spend on
 * connections that have just proven chatty, up to the share of PACE_SAVED: so one that comes now and then
 * joins at once beside thousands of others, and only a steady flow of them waits. Those that could not join
 * do not spend savings: what is in their way passes with time.
 *
 * All times are in ns of CLOCK_MONOTONIC (now_ns()), costs in ns of CPU time.
 */
#ifndef SOCKHOP_PACE_H
#define SOCKHOP_PACE_H

#include <stdbool.h>

#define PACE_SHARE	 60		/* of one CPU: 1/60 */
#define PACE_CROWD_SHARE 10		/* where very many wait, and waiting costs more than passes */
#define PACE_NEW_SHARE	 4		/* for a moment, from savings */
#define PACE_SAVED	 30000000000ull /* time whose share can be saved: 0.5 s of CPU time */

/* Zeroed: nothing spent so far, all of PACE_SAVED there. */
struct pace {
	unsigned long long ended, cost; /* the last pass: when it was over, what it cost */
	unsigned long long paid; /* when all that was spent on joins is paid for, at 1/PACE_SHARE of a CPU */
};

enum pace_reason {
	PACE_AGAIN, /* somebody could not join in the last pass, or is to be looked at again */
	PACE_NEW,   /* connections that no pass has seen yet */
	PACE_CROWD, /* as many as the agent calls a crowd */
};

/* A pass is over that cost so much. joins: it was for joins alone, no review, and nobody was leaving. */
void pace_spend(struct pace *p, unsigned long long now, unsigned long long cost, bool joins);
/* The earliest time for the next pass. NEW is never later than AGAIN. */
unsigned long long pace_not_before(const struct pace *p, enum pace_reason reason);

#endif
