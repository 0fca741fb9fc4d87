/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trouble.h: temporary failures (no memory, no descriptors): how long to wait before the next try, and
 * whether it is time to report again (design.md, I44). All times are in ns of CLOCK_MONOTONIC (now_ns()).
 */
#ifndef SOCKHOP_DAEMON_TROUBLE_H
#define SOCKHOP_DAEMON_TROUBLE_H

#include <stdbool.h>

#define TROUBLE_WAIT	  1000000000ull /* after the first failure; then twice as long each time */
#define TROUBLE_WAIT_MAX  60000000000ull
#define TROUBLE_SAY_EVERY 60000000000ull

/* Zeroed: all is well. */
struct trouble {
	unsigned int row;	 /* failures in a row */
	unsigned long long said; /* when it was last reported, 0: never */
	unsigned int silent;	 /* failures since */
};

/* It failed (again). Returns how long to wait; *say: report it now, with `silent` failures that were not. */
unsigned long long trouble_note(struct trouble *t, unsigned long long now, bool *say, unsigned int *silent);
/* It works. */
void trouble_over(struct trouble *t);

#endif
