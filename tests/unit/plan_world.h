/* SPDX-License-Identifier: GPL-2.0-only */
/* plan_world.h: a plan with a clock of its own, for the tests of agent/daemon/plan.h. */
#ifndef SOCKHOP_PLAN_WORLD_H
#define SOCKHOP_PLAN_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/types.h>
#include "agent/daemon/pass.h"
#include "agent/daemon/plan.h"
#include "bpf/hop.h"

#define MS     PLAN_MS
#define SECOND (1000 * MS)
#define START  (1000000 * MS)
#define COST   (5 * MS) /* of a pass */

/* A plan, and the time. `how` and `result` are those of the next pass. */
struct world {
	struct plan p;
	unsigned long long now;
	struct plan_pass how;
	struct pass pass;
	struct plan_result result;
	bool left; /* it leaves namespaces on the list */
};

static inline int new_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->now = START;
	w->pass.cost = COST;
	w->result.pass = &w->pass;
	*state = w;
	return 0;
}

static inline int end_world(void **state)
{
	struct world *w = *state;

	plan_free(&w->p);
	free(w);
	return 0;
}

static inline bool event(struct world *w, enum hop_event_type type, __u32 netns, __u32 why)
{
	const struct hop_event e = {.type = type, .why = why, .netns = netns, .peer_netns = netns};
	bool more = plan_event(&w->p, w->now, &e);

	plan_took_events(&w->p, w->now);
	return more;
}

/* Sleeps until something is due, and returns that. */
static inline enum plan_job sleep_until_due(struct world *w)
{
	int ms = plan_timeout_ms(&w->p, w->now);

	assert_true(ms >= 0);
	assert_true(!ms == (plan_job(&w->p, w->now) != PLAN_NOTHING));
	w->now += ms * MS;
	return plan_job(&w->p, w->now);
}

/* The pass that is due. `more` is what its ends want (PASS_*). */
static inline void pass(struct world *w, int more)
{
	assert_int_equal(plan_job(&w->p, w->now), PLAN_PASS);
	plan_pass_begins(&w->p, w->now, &w->how);
	w->pass.more = more;
	w->result.vetted = w->how.vet && !w->result.failed;
	w->now += w->pass.cost;
	if (!w->left)
		netns_list_clear(&w->p.dirty);
	plan_pass_over(&w->p, w->now, &w->how, &w->result);
}

/* Sleeps until a pass is due, runs it, and returns how long the sleep was. */
static inline unsigned long long next_pass(struct world *w, int more)
{
	unsigned long long before = w->now;
	unsigned long long slept;

	assert_int_equal(sleep_until_due(w), PLAN_PASS);
	slept = w->now - before;
	pass(w, more);
	return slept;
}

/* The sleep is in whole milliseconds, and one more. */
#define assert_about(got, want) assert_in_range(got, (want), (want) + 2 * MS)

#define TEST(f) cmocka_unit_test_setup_teardown(f, new_world, end_world)

#endif
