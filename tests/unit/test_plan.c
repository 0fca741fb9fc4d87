// SPDX-License-Identifier: GPL-2.0-only
/* When the agent runs passes, and which: for new connections, for leaves, in floods of events. */
#include "plan_world.h"

static void nothing_to_do_is_slept_through(void **state)
{
	struct world *w = *state;

	assert_int_equal(plan_timeout_ms(&w->p, w->now), -1);
	assert_int_equal(plan_job(&w->p, w->now), PLAN_NOTHING);
	event(w, HOP_EV_POKE, 1, 0);
	assert_int_equal(plan_timeout_ms(&w->p, w->now), -1);
}

static void the_start_looks_at_everything(void **state)
{
	struct world *w = *state;

	plan_all(&w->p, w->now);
	assert_about(next_pass(w, 0), PLAN_COALESCE);
	assert_true(w->how.all && w->how.vet && w->how.seek && !w->how.fresh);
	assert_int_equal(plan_timeout_ms(&w->p, w->now), -1);
	event(w, HOP_EV_LEAVE, 7, HOP_WHY_IDLE);
	next_pass(w, 0);
	assert_false(w->how.all || w->how.vet || w->how.seek || w->how.put_off);
}

static void new_connections_share_a_pass_without_members(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_PAIRED, 7, 0);
	w->now += PLAN_COALESCE / 2;
	event(w, HOP_EV_PAIRED, 8, 0);
	event(w, HOP_EV_PAIRED, 7, 0);
	assert_int_equal(w->p.dirty.n, 2);
	assert_about(next_pass(w, 0), PLAN_COALESCE / 2);
	assert_true(w->how.fresh && w->how.vet);
	assert_false(w->how.all || w->how.seek || w->how.put_off);
	assert_int_equal(plan_timeout_ms(&w->p, w->now), -1);
}

static void a_seeker_has_its_peer_sought(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_SEEK, 7, 0);
	assert_about(next_pass(w, PASS_JOINS), PLAN_COALESCE);
	assert_true(w->how.seek && w->how.fresh);
	next_pass(w, 0);
	assert_false(w->how.seek);
	assert_true(w->how.vet); /* who was found may be waiting for that */
}

/* A new one spends savings, one that could not join waits for its share. */
static void the_pace_is_that_of_the_bucket(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_PAIRED, 7, 0);
	next_pass(w, PASS_JOINS);
	assert_about(sleep_until_due(w) == PLAN_PASS ? w->now - w->p.budget.ended : 0, BUDGET_SHARE * COST);
	pass(w, 0);
	event(w, HOP_EV_PAIRED, 7, 0);
	assert_about(next_pass(w, 0), BUDGET_NEW_SHARE * COST);
}

static void a_crowd_does_not_wait_for_the_share(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_PAIRED, 7, 0);
	next_pass(w, 0);
	w->p.budget.paid = w->now + 2 * BUDGET_SAVED; /* no savings */
	event(w, HOP_EV_PAIRED, 7, 0);
	assert_about(w->p.due - w->now, BUDGET_SHARE * COST);
	for (int i = 1; i < PLAN_CROWD; i++)
		event(w, HOP_EV_PAIRED, 7, 0);
	assert_about(next_pass(w, 0), BUDGET_CROWD_SHARE * COST);
}

static void those_who_just_joined_are_a_crowd_as_well(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_PAIRED, 7, 0);
	w->result.joined = 2 * PLAN_CROWD;
	next_pass(w, PASS_JOINS);
	assert_about(next_pass(w, 0), BUDGET_CROWD_SHARE * COST);
}

/* The cost of examinations counts; passes for joins alone take from the bucket. */
static void all_of_a_pass_is_paid_for(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_PAIRED, 7, 0);
	w->result.prepare_cost = 2 * COST;
	next_pass(w, PASS_JOINS);
	assert_int_equal(w->p.budget.paid, w->now + BUDGET_SHARE * 3 * COST);
	assert_about(next_pass(w, 0), BUDGET_SHARE * 3 * COST);
	w->p.budget.paid = 0;
	event(w, HOP_EV_LEAVE, 7, HOP_WHY_IDLE);
	next_pass(w, 0);
	assert_int_equal(w->p.budget.paid, 0);
}

/* Ends that could not join or leave in a namespace that is blocked by now, and what there was no time for. */
static void another_pass_follows_for_what_is_left(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_PAIRED, 7, 0);
	next_pass(w, PASS_JOINS);
	w->p.leave_passes = PLAN_LEAVE_URGENT;
	next_pass(w, PASS_LEAVES);
	w->left = true;
	netns_list_add(&w->p.dirty, 8);
	assert_about(next_pass(w, 0), BUDGET_SHARE * COST);
	w->left = false;
	assert_about(next_pass(w, 0), BUDGET_SHARE * COST);
	assert_int_equal(plan_timeout_ms(&w->p, w->now), -1);
}

/* Connections one after the other for ten minutes cost what the bucket holds and a sixtieth of a CPU. */
static void a_steady_flow_costs_its_share(void **state)
{
	unsigned long long spent = 0;
	struct world *w = *state;

	while (w->now < START + 600 * SECOND) {
		event(w, HOP_EV_PAIRED, 7, 0);
		next_pass(w, 0);
		spent += COST;
	}
	assert_in_range(spent, 600 * SECOND / BUDGET_SHARE,
			(600 * SECOND + BUDGET_SAVED) / BUDGET_SHARE + COST);
}

static void young_connections_wait_for_nothing(void **state)
{
	struct world *w = *state;

	w->p.young = true;
	event(w, HOP_EV_PAIRED, 7, 0);
	assert_int_equal(next_pass(w, PASS_JOINS), 0);
	assert_int_equal(next_pass(w, 0), 0);
}

/* Three at once, then a quarter of a CPU and at least 10 ms apart, then as joins. */
static void a_leave_is_urgent_for_twenty_passes(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_LEAVE, 7, HOP_WHY_IDLE);
	assert_about(next_pass(w, PASS_LEAVES), PLAN_LEAVE_DELAY);
	assert_false(w->how.fresh || w->how.vet || w->how.all);
	for (unsigned int i = 1; i < PLAN_LEAVE_AT_ONCE; i++)
		assert_int_equal(next_pass(w, PASS_LEAVES), 0);
	assert_in_range(next_pass(w, PASS_LEAVES), PLAN_LEAVE_SHARE * COST,
			PLAN_LEAVE_SHARE * COST + PLAN_LEAVE_SPREAD);
	w->pass.cost = MS;
	next_pass(w, PASS_LEAVES);
	assert_in_range(next_pass(w, PASS_LEAVES), PLAN_LEAVE_SPREAD, 2 * PLAN_LEAVE_SPREAD);
	while (w->p.leave_passes < PLAN_LEAVE_URGENT)
		next_pass(w, PASS_LEAVES);
	assert_about(next_pass(w, PASS_LEAVES), BUDGET_SHARE * MS);
	assert_false(w->how.fresh);
	next_pass(w, 0);
	assert_int_equal(plan_timeout_ms(&w->p, w->now), -1);
}

/* setsockopt() in a loop on a member that cannot leave, for ten seconds. */
static void who_always_leaves_does_not_drive_the_passes(void **state)
{
	struct world *w = *state;
	unsigned int passes = 0;

	for (; w->now < START + 10 * SECOND; w->now += MS) {
		event(w, HOP_EV_LEAVE, 7, HOP_WHY_LOWAT);
		if (plan_job(&w->p, w->now) == PLAN_PASS) {
			pass(w, PASS_LEAVES);
			passes++;
		}
	}
	/* urgent again each PLAN_LEAVE_AGAIN; the others are paced like joins */
	assert_in_range(passes, 5 * PLAN_LEAVE_URGENT,
			5 * (PLAN_LEAVE_URGENT + 2 * SECOND / (BUDGET_SHARE * COST)));
}

static void the_examination_waits_for_a_leave_but_not_longer(void **state)
{
	struct world *w = *state;
	unsigned long long from = w->now;
	bool vetted = false;

	event(w, HOP_EV_PAIRED, 7, 0);
	event(w, HOP_EV_LEAVE, 7, HOP_WHY_IDLE);
	while (!vetted) {
		next_pass(w, PASS_LEAVES);
		vetted = w->how.vet;
		assert_true(w->how.put_off == !vetted);
	}
	assert_in_range(w->now - from, PLAN_VET_PATIENCE, PLAN_VET_PATIENCE + 50 * MS);
}

static void what_was_put_off_is_done_when_nobody_leaves_any_more(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_PAIRED, 7, 0);
	event(w, HOP_EV_LEAVE, 7, HOP_WHY_IDLE);
	next_pass(w, 0);
	assert_true(w->how.put_off);
	next_pass(w, 0);
	assert_true(w->how.vet && w->how.all && w->how.seek && !w->how.put_off);
}

static void whose_program_turned_it_blocking_is_found_out(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_LEAVE, 7, HOP_WHY_BLOCKING);
	assert_int_equal(w->p.vet_by, w->now + PLAN_VET_PATIENCE);
}

static void a_changed_policy_waits_for_nobody(void **state)
{
	struct world *w = *state;

	w->pass.cost = 500 * MS;
	event(w, HOP_EV_PAIRED, 7, 0);
	next_pass(w, PASS_JOINS);
	plan_changed(&w->p, w->now);
	assert_about(next_pass(w, 0), PLAN_LEAVE_DELAY);
	assert_true(w->how.vet && w->how.all && !w->how.fresh && !w->how.put_off);
}

/* Answers of examiners that are not there yet. */
static void answers_that_are_due_are_fetched(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_PAIRED, 7, 0);
	w->result.look_again = true;
	next_pass(w, 0);
	w->result.look_again = false;
	next_pass(w, 0);
	assert_true(w->how.vet && w->how.all && !w->how.seek);
	assert_int_equal(plan_timeout_ms(&w->p, w->now), -1);
}

static void a_flood_of_programs_costs_its_share(void **state)
{
	unsigned long long spent = 0;
	struct world *w = *state;

	for (; w->now < START + 60 * SECOND; w->now += MS / 10) {
		event(w, HOP_EV_EXEC, 7, 0);
		if (plan_job(&w->p, w->now) != PLAN_PASS)
			continue;
		pass(w, 0);
		assert_true(w->how.vet && w->how.all && !w->how.fresh);
		spent += COST;
	}
	assert_true(spent <= 60 * SECOND / BUDGET_SHARE + COST);
}

/* It takes so many events and then does what is due; a look at everything follows, as some may have been
 * lost. */
static void a_flood_does_not_keep_it_from_what_is_due(void **state)
{
	const struct hop_event e = {.type = HOP_EV_LEAVE, .why = HOP_WHY_LOWAT, .netns = 7, .peer_netns = 7};
	struct world *w = *state;

	for (unsigned int i = 1; i < PLAN_EVENTS; i++)
		assert_true(plan_event(&w->p, w->now, &e));
	plan_took_events(&w->p, w->now);
	assert_int_equal(w->p.review, 0);
	for (unsigned int i = 1; i < PLAN_EVENTS; i++)
		assert_true(plan_event(&w->p, w->now, &e));
	assert_false(plan_event(&w->p, w->now, &e));
	plan_took_events(&w->p, w->now);
	next_pass(w, 0);
	assert_int_equal(sleep_until_due(w), PLAN_REVIEW);
	assert_about(w->now - START, PLAN_PAUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_to_do_is_slept_through),
		TEST(the_start_looks_at_everything),
		TEST(new_connections_share_a_pass_without_members),
		TEST(a_seeker_has_its_peer_sought),
		TEST(the_pace_is_that_of_the_bucket),
		TEST(a_crowd_does_not_wait_for_the_share),
		TEST(those_who_just_joined_are_a_crowd_as_well),
		TEST(all_of_a_pass_is_paid_for),
		TEST(another_pass_follows_for_what_is_left),
		TEST(a_steady_flow_costs_its_share),
		TEST(young_connections_wait_for_nothing),
		TEST(a_leave_is_urgent_for_twenty_passes),
		TEST(who_always_leaves_does_not_drive_the_passes),
		TEST(the_examination_waits_for_a_leave_but_not_longer),
		TEST(what_was_put_off_is_done_when_nobody_leaves_any_more),
		TEST(whose_program_turned_it_blocking_is_found_out),
		TEST(a_changed_policy_waits_for_nobody),
		TEST(answers_that_are_due_are_fetched),
		TEST(a_flood_of_programs_costs_its_share),
		TEST(a_flood_does_not_keep_it_from_what_is_due),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
