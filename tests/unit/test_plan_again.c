// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the agent looks at everything again: reviews, ends that are held back, failures, blocked namespaces.
 */
#include "plan_world.h"

static void review(struct world *w, unsigned long long hops, unsigned long long lost)
{
	const struct plan_review r = {.hops = hops, .lost = lost, .any_members = w->result.any_members};

	assert_int_equal(plan_job(&w->p, w->now), PLAN_REVIEW);
	plan_reviewed(&w->p, w->now, &r);
}

/* Two have joined. */
static void join(struct world *w)
{
	event(w, HOP_EV_PAIRED, 7, 0);
	w->result.any_members = true;
	next_pass(w, 0);
	assert_int_equal(w->p.review, w->now + PLAN_REVIEW_NS);
}

static void members_are_reviewed_while_they_hop(void **state)
{
	struct world *w = *state;

	join(w);
	assert_int_equal(sleep_until_due(w), PLAN_REVIEW);
	review(w, 100, 0);
	next_pass(w, 0);
	assert_true(w->how.all && w->how.vet && !w->how.fresh);
	assert_int_equal(sleep_until_due(w), PLAN_REVIEW);
	review(w, 100, 0); /* nothing hopped */
	assert_int_equal(plan_job(&w->p, w->now), PLAN_NOTHING);
	assert_int_equal(w->p.due, 0);
	assert_int_equal(sleep_until_due(w), PLAN_REVIEW);
	review(w, 100, 1); /* an event was lost */
	next_pass(w, 0);
	w->result.any_members = false;
	assert_int_equal(sleep_until_due(w), PLAN_REVIEW);
	review(w, 100, 1);
	assert_int_equal(plan_timeout_ms(&w->p, w->now), -1); /* nobody is a member */
}

static void the_sweep_may_look_again_without_members(void **state)
{
	const struct plan_review r = {.again = true};
	struct world *w = *state;

	plan_reviewed(&w->p, w->now, &r);
	assert_int_equal(w->p.review, w->now + PLAN_REVIEW_NS);
	assert_int_equal(w->p.due, 0);
}

/* Pairs that are silent for so long leave, which a pass finds: also when nothing hops. */
static void silence_is_looked_at_as_often_as_it_may_last(void **state)
{
	static const bool looks[] = {true, false, true, false, true};
	struct world *w = *state;

	w->p.idle_ns = 10 * SECOND;
	w->result.any_members = true;
	for (size_t i = 0; i < sizeof(looks); i++) {
		w->p.review = w->now;
		review(w, 100, 0);
		assert_int_equal(w->p.review, w->now + w->p.idle_ns);
		assert_int_equal(!!w->p.due, looks[i]);
		if (looks[i])
			next_pass(w, 0);
		w->now += 6 * SECOND;
	}
}

static void who_is_held_back_is_looked_at_when_that_is_over(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_PAIRED, 7, 0);
	w->pass.held_until = w->now + 5 * SECOND;
	next_pass(w, PASS_HELD);
	assert_int_equal(sleep_until_due(w), PLAN_REVIEW);
	assert_about(w->now, START + 5 * SECOND);
	review(w, 0, 0);
	w->result.any_members = true;
	next_pass(w, 0);
	assert_true(w->how.all && w->how.seek);
	sleep_until_due(w);
	review(w, 0, 0);
	assert_int_equal(w->p.due, 0); /* it was told of nobody */
}

static void a_long_hold_does_not_put_off_the_review(void **state)
{
	struct world *w = *state;

	event(w, HOP_EV_PAIRED, 7, 0);
	w->pass.held_until = w->now + 1000 * SECOND;
	next_pass(w, PASS_HELD);
	assert_int_equal(w->p.review, w->now + PLAN_REVIEW_NS);
}

static void holds_that_end_one_after_the_other_cost_a_look_a_second(void **state)
{
	struct world *w = *state;
	unsigned int reviews = 0;

	event(w, HOP_EV_PAIRED, 7, 0);
	while (w->now < START + 60 * SECOND) {
		w->pass.held_until = w->now + MS;
		if (sleep_until_due(w) == PLAN_PASS) {
			pass(w, PASS_HELD);
			continue;
		}
		review(w, 0, 0);
		reviews++;
	}
	assert_in_range(reviews, 40, 60);
}

/*
 * A failure of the whole pass: it is tried again after 1, 2, 4 s and so on, and no event brings it earlier.
 */
static void a_failed_pass_is_tried_again_later_each_time(void **state)
{
	struct world *w = *state;
	unsigned int silent;

	event(w, HOP_EV_PAIRED, 7, 0);
	sleep_until_due(w);
	w->pass.err = -12;
	w->pass.whole = w->result.failed = true;
	for (unsigned long long wait = SECOND; wait <= 64 * SECOND; wait *= 2) {
		unsigned long long from = w->now, longest = wait < 60 * SECOND ? wait : 60 * SECOND;

		plan_failed(&w->p, w->now, &silent);
		pass(w, 0);
		event(w, HOP_EV_LEAVE, 7, HOP_WHY_IDLE);
		while (sleep_until_due(w) == PLAN_REVIEW)
			review(w, 0, 0);
		assert_int_equal(plan_job(&w->p, w->now), PLAN_RETRY);
		assert_about(w->now - from, longest);
		plan_retried(&w->p, w->now);
		sleep_until_due(w);
		assert_int_equal(plan_job(&w->p, w->now), PLAN_PASS);
	}
	w->pass.err = 0;
	w->pass.whole = w->result.failed = false;
	pass(w, 0);
	assert_true(w->how.all && w->how.seek && w->how.vet && !w->how.fresh);
	plan_failed(&w->p, w->now, &silent);
	assert_int_equal(w->p.retry, w->now + SECOND); /* it worked in between */
}

/* What was not visited is on the list, and a pass would be due at once: but that one would fail as well. */
static void what_a_failed_pass_left_waits_with_it(void **state)
{
	struct world *w = *state;
	unsigned int silent;

	event(w, HOP_EV_PAIRED, 7, 0);
	sleep_until_due(w);
	w->pass.err = -12;
	w->pass.whole = w->result.failed = true;
	plan_failed(&w->p, w->now, &silent);
	pass(w, PASS_JOINS);
	assert_int_equal(sleep_until_due(w), PLAN_RETRY);
}

static void one_namespace_that_fails_does_not_hold_up_the_others(void **state)
{
	struct world *w = *state;
	unsigned int silent;

	event(w, HOP_EV_PAIRED, 7, 0);
	sleep_until_due(w);
	w->pass.err = -12;
	w->result.failed = true;
	plan_failed(&w->p, w->now, &silent);
	pass(w, 0);
	assert_int_equal(w->p.review, w->now + PLAN_REVIEW_NS);
	event(w, HOP_EV_LEAVE, 7, HOP_WHY_IDLE);
	assert_about(next_pass(w, 0), PLAN_LEAVE_DELAY);
}

static void programs_that_could_not_be_examined_are_due_still(void **state)
{
	struct world *w = *state;
	unsigned int silent;

	event(w, HOP_EV_PAIRED, 7, 0);
	sleep_until_due(w);
	w->result.failed = true;
	plan_failed(&w->p, w->now, &silent);
	pass(w, 0);
	w->result.failed = false;
	event(w, HOP_EV_SEEK, 7, 0);
	next_pass(w, 0);
	assert_true(w->how.vet);
}

/* Said once a minute; when it comes back everything is looked at, unless that is due anyway. */
static void a_blocked_namespace_is_looked_at_when_it_is_back(void **state)
{
	struct world *w = *state;
	unsigned int silent;

	assert_true(plan_blocked(&w->p, w->now, &silent));
	w->now += SECOND;
	assert_false(plan_blocked(&w->p, w->now, &silent));
	assert_int_equal(plan_timeout_ms(&w->p, w->now), -1);
	plan_back(&w->p, w->now);
	assert_int_equal(w->p.retry, w->now + PLAN_PAUSE);
	w->now += PLAN_PAUSE / 2;
	plan_back(&w->p, w->now);
	assert_int_equal(sleep_until_due(w), PLAN_RETRY);
	assert_about(w->now, START + SECOND + PLAN_PAUSE);
	plan_retried(&w->p, w->now);
	next_pass(w, 0);
	assert_true(w->how.all && !w->how.fresh && w->how.seek);
}

static void failures_do_not_hide_behind_blocked_namespaces(void **state)
{
	struct world *w = *state;
	unsigned int silent;

	plan_blocked(&w->p, w->now, &silent);
	assert_true(plan_failed(&w->p, w->now, &silent));
	assert_int_equal(w->p.retry, w->now + SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(members_are_reviewed_while_they_hop),
		TEST(the_sweep_may_look_again_without_members),
		TEST(silence_is_looked_at_as_often_as_it_may_last),
		TEST(who_is_held_back_is_looked_at_when_that_is_over),
		TEST(a_long_hold_does_not_put_off_the_review),
		TEST(holds_that_end_one_after_the_other_cost_a_look_a_second),
		TEST(a_failed_pass_is_tried_again_later_each_time),
		TEST(what_a_failed_pass_left_waits_with_it),
		TEST(one_namespace_that_fails_does_not_hold_up_the_others),
		TEST(programs_that_could_not_be_examined_are_due_still),
		TEST(a_blocked_namespace_is_looked_at_when_it_is_back),
		TEST(failures_do_not_hide_behind_blocked_namespaces),
	};

	return cmocka_run_group_tests_name("plan_again", tests, NULL, NULL);
}
