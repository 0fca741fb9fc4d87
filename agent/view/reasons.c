// SPDX-License-Identifier: GPL-2.0-only
#include <assert.h>
#include <linux/types.h>

#include "reasons.h"
#include "agent/lib/util.h"
#include "bpf/end.h"
#include "bpf/hop.h"

#define X(name, text, help) [HOP_STAY_##name] = {text, help},
static const struct reason stays[] = {HOP_STAYS(X)};
#undef X
#define X(name, text, help) [HOP_WHY_##name] = {text, help},
static const struct reason whys[] = {HOP_WHYS(X)};
#undef X
#define X(name, text, help) [HOP_##name] = {text, help},
static const struct reason states[] = {HOP_STATES(X)};
#undef X

static_assert(ARRAY_SIZE(stays) == HOP_STAY_COUNT, "every stay has its words");
static_assert(ARRAY_SIZE(whys) == HOP_WHY_COUNT, "every why-not has its words");
static_assert(ARRAY_SIZE(states) == HOP_STATE_COUNT && HOP_STATE_COUNT <= 32, "every state has its words");
static_assert(HOP_CNT_WAITED < HOP_CNT_STAY, "plain counters do not run into the stays");
static_assert(HOP_CNT_STAY + HOP_STAY_COUNT <= HOP_CNT_WHY, "stay counters do not run into the why-nots");
static_assert(HOP_CNT_WHY + HOP_WHY_COUNT <= HOP_CNT_COUNT, "why-not counters fit");

/* A number that a newer kernel side may have written. */
static const struct reason unknown = {"unknown", "this sockhop does not know the reason"};

const struct reason *reason_stay(unsigned int stay)
{
	return stay < ARRAY_SIZE(stays) ? &stays[stay] : &unknown;
}

const struct reason *reason_why(unsigned int why)
{
	return why < ARRAY_SIZE(whys) ? &whys[why] : &unknown;
}

const struct reason *reason_state(unsigned int state)
{
	return state < ARRAY_SIZE(states) ? &states[state] : &unknown;
}
