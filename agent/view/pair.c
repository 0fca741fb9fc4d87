// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <stddef.h>

#include "pair.h"
#include "reasons.h"
#include "bpf/end.h"

static const char *const state_names[] = {
	[PAIR_HOPPING] = "hopping",	[PAIR_STAYING] = "staying", [PAIR_LEAVING] = "leaving",
	[PAIR_CANDIDATE] = "candidate", [PAIR_PLAIN] = "plain",
};

const char *pair_state_name(enum pair_state state)
{
	return state_names[state];
}

enum pair_state pair_state_of(const struct pair *p)
{
	const struct hop_show *a = p->a, *b = p->b;
	unsigned int x = a->state, y = b ? b->state : HOP_NEW;

	if (!hop_registered(x) && !hop_registered(y))
		return PAIR_PLAIN;
	if (x == HOP_LEAVING || y == HOP_LEAVING || (x == HOP_LEFT && y == HOP_MEMBER) ||
	    (x == HOP_MEMBER && y == HOP_LEFT))
		return PAIR_LEAVING;
	if (!hop_in(x) || !hop_in(y))
		return PAIR_CANDIDATE;
	if (!a->hops && !b->hops)
		return PAIR_STAYING;
	return a->hops + b->hops >= a->stays + b->stays ? PAIR_HOPPING : PAIR_STAYING;
}

/* The end whose why-not says most: not the one that points at the other, or has not seen it yet. */
static unsigned int pair_why(const struct pair *p)
{
	unsigned int a = p->a->why, b = p->b ? p->b->why : HOP_WHY_NONE;

	bool vague = a == HOP_WHY_PEER || a == HOP_WHY_PEER_OUTSIDE;

	return a == HOP_WHY_NONE || (vague && b != HOP_WHY_NONE) ? b : a;
}

const struct reason *pair_reason(const struct pair *p, enum pair_state state)
{
	unsigned int why = pair_why(p);

	if (state == PAIR_HOPPING)
		return NULL;
	if (state == PAIR_STAYING) {
		/* the busier end's last stay; before the first message, the peer has not read */
		const struct hop_show *end = p->b->stays > p->a->stays ? p->b : p->a;

		return reason_stay(end->stays ? end->last_stay : HOP_STAY_NOT_READ);
	}
	if (why == HOP_WHY_NONE && state == PAIR_CANDIDATE)
		why = p->b ? HOP_WHY_WAITING : HOP_WHY_PEER_OUTSIDE;
	return why == HOP_WHY_NONE ? NULL : reason_why(why);
}
