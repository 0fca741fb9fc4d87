/* SPDX-License-Identifier: GPL-2.0-only */
/* pair.h: what the two ends of a connection do together, and why not. */
#ifndef SOCKHOP_VIEW_PAIR_H
#define SOCKHOP_VIEW_PAIR_H

#include <linux/types.h>
#include "bpf/hop.h"

struct reason;

/* A connection; b is NULL when the other end is not known. */
struct pair {
	const struct hop_show *a, *b;
};

/*
 * HOPPING: both ends are members, and more messages hop than stay; STAYING: members, but the TCP path takes
 * most; PLAIN: not even a candidate.
 */
enum pair_state { PAIR_HOPPING, PAIR_STAYING, PAIR_LEAVING, PAIR_CANDIDATE, PAIR_PLAIN };

enum pair_state pair_state_of(const struct pair *p);
/* "hopping", ... */
const char *pair_state_name(enum pair_state state);

/* Why a pair in this state does not hop, or not more. NULL: nothing to explain. */
const struct reason *pair_reason(const struct pair *p, enum pair_state state);

#endif
