// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent/daemon/budget.h"

#define MS    1000000ull
#define START (1000000 * MS)

static void the_first_pass_waits_for_nothing(void **state)
{
	struct budget p = {};

	(void)state;
	assert_true(budget_not_before(&p, BUDGET_AGAIN) <= START);
	assert_true(budget_not_before(&p, BUDGET_NEW) <= START);
}

static void a_retry_waits_for_its_share(void **state)
{
	struct budget p = {};

	(void)state;
	budget_spend(&p, START, 50 * MS, true);
	assert_int_equal(budget_not_before(&p, BUDGET_AGAIN), START + 3000 * MS);
	assert_int_equal(budget_not_before(&p, BUDGET_CROWD), START + 500 * MS);
}

static void a_new_connection_spends_savings(void **state)
{
	struct budget p = {};

	(void)state;
	budget_spend(&p, START, 50 * MS, true);
	assert_int_equal(budget_not_before(&p, BUDGET_NEW), START + 200 * MS);
}

/* Passes of 50 ms as often as new connections may have them, for ten minutes: at first 1/5 of a CPU, then
 * 1/60. */
static void savings_end(void **state)
{
	unsigned long long now = START, spent = 0, first = 0, end = START + 600000 * MS;
	struct budget p = {};

	(void)state;
	while (now < end) {
		now += 50 * MS;
		budget_spend(&p, now, 50 * MS, true);
		spent += 50 * MS;
		if (now < START + 2500 * MS)
			first = spent;
		assert_true(budget_not_before(&p, BUDGET_NEW) <= budget_not_before(&p, BUDGET_AGAIN));
		now = budget_not_before(&p, BUDGET_NEW);
	}
	assert_in_range(first, 450 * MS, 500 * MS);
	assert_in_range(spent, 600000 * MS / 60, 600000 * MS / 60 + 600 * MS);
}

static void an_idle_agent_saves(void **state)
{
	unsigned long long now = START;
	struct budget p = {};

	(void)state;
	for (int i = 0; i < 20; i++) {
		budget_spend(&p, now, 50 * MS, true);
		now = budget_not_before(&p, BUDGET_NEW);
	}
	assert_int_equal(budget_not_before(&p, BUDGET_NEW), budget_not_before(&p, BUDGET_AGAIN));
	budget_spend(&p, now + 2 * BUDGET_SAVED, 50 * MS,
		     true); /* however long it was: not more than BUDGET_SAVED */
	assert_int_equal(p.paid, now + 2 * BUDGET_SAVED + BUDGET_SHARE * 50 * MS);
	assert_int_equal(budget_not_before(&p, BUDGET_NEW), p.ended + BUDGET_NEW_SHARE * 50 * MS);
}

/* Passes may cost more than all savings: the next is not later than it would be without any. */
static void never_later_than_without(void **state)
{
	struct budget p = {};

	(void)state;
	budget_spend(&p, START, 50 * MS, true);
	budget_spend(&p, START + 1, 2000 * MS, true);
	budget_spend(&p, START + 2, 10 * MS, false);
	assert_int_equal(budget_not_before(&p, BUDGET_NEW), budget_not_before(&p, BUDGET_AGAIN));
}

static void reviews_cost_no_savings(void **state)
{
	struct budget p = {};

	(void)state;
	budget_spend(&p, START, 300 * MS, false);
	assert_int_equal(budget_not_before(&p, BUDGET_NEW), START + 1200 * MS);
	assert_int_equal(budget_not_before(&p, BUDGET_AGAIN), START + 18000 * MS);
	assert_int_equal(p.paid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_pass_waits_for_nothing),
		cmocka_unit_test(a_retry_waits_for_its_share),
		cmocka_unit_test(a_new_connection_spends_savings),
		cmocka_unit_test(savings_end),
		cmocka_unit_test(an_idle_agent_saves),
		cmocka_unit_test(never_later_than_without),
		cmocka_unit_test(reviews_cost_no_savings),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
