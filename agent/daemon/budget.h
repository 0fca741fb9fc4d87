/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * budget.h: how early the next pass for joins may run, so that passes stay cheap for the host. A pass walks
 * the kernel's whole hash table of TCP sockets under their locks: 3 ms with few, 40 ms and more beside 20
 * 000.
 *
 * On average passes for joins get 1/BUDGET_SHARE of one CPU. What an agent has not used of that it may spend
 * on connections that have just proven chatty, up to the share of BUDGET_SAVED: so one that comes now and
 * then joins at once beside thousands of others, and only a steady flow of them waits. Those that could not
 * join do not spend savings: what is in their way goes away with time.
 *
 * All times are in ns of CLOCK_MONOTONIC (now_ns()), costs in ns of CPU time.
 */
#ifndef SOCKHOP_DAEMON_BUDGET_H
#define SOCKHOP_DAEMON_BUDGET_H

#include <stdbool.h>

#define BUDGET_SHARE	   60		  /* of one CPU: 1/60 */
#define BUDGET_CROWD_SHARE 10		  /* where very many wait, and waiting costs more than passes */
#define BUDGET_NEW_SHARE   4		  /* for a moment, from savings */
#define BUDGET_SAVED	   30000000000ull /* time whose share can be saved: 0.5 s of CPU time */

/* Zeroed: nothing spent so far, all of BUDGET_SAVED there. */
struct budget {
	unsigned long long ended, cost; /* the last pass: when it was over, what it cost */
	unsigned long long
		paid; /* when all that was spent on joins is paid for, at 1/BUDGET_SHARE of a CPU */
};

enum budget_reason {
	BUDGET_AGAIN, /* an end could not join in the last pass, or must be checked again */
	BUDGET_NEW,   /* connections that no pass has seen yet */
	BUDGET_CROWD, /* as many as the agent calls a crowd */
};

/* A pass has ended, at this cost. joins: it was for joins alone, no review, and no end was leaving. */
void budget_spend(struct budget *p, unsigned long long now, unsigned long long cost, bool joins);
/* The earliest time for the next pass. NEW is never later than AGAIN. */
unsigned long long budget_not_before(const struct budget *p, enum budget_reason reason);

#endif
