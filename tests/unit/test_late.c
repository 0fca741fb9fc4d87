// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "agent/program/late.h"

#define SECOND 1000000000ull
#define START  (1000 * SECOND)

static struct late late;

static int clean(void **state)
{
	(void)state;
	late = (struct late){};
	return 0;
}

static void a_process_that_is_not_known_may_be_tried(void **state)
{
	(void)state;
	assert_int_equal(late_error(&late, 7, START), 0);
}

static void it_waits_ten_seconds_and_says_why(void **state)
{
	(void)state;
	late_note(&late, 7, ETIMEDOUT, START);
	assert_int_equal(late_error(&late, 7, START), ETIMEDOUT);
	assert_int_equal(late_error(&late, 7, START + 10 * SECOND - 1), ETIMEDOUT);
	assert_int_equal(late_error(&late, 7, START + 10 * SECOND), 0);
	assert_int_equal(late_error(&late, 8, START), 0);
}

static void each_time_it_waits_longer_up_to_five_times(void **state)
{
	unsigned long long now = START, wait = 10 * SECOND;

	(void)state;
	for (int i = 0; i < 8; i++) {
		late_note(&late, 7, EAGAIN, now);
		assert_int_equal(late_error(&late, 7, now + wait - 1), EAGAIN);
		assert_int_equal(late_error(&late, 7, now + wait), 0);
		now += wait;
		if (i < 5)
			wait *= 2;
	}
}

static void a_process_in_the_same_slot_begins_anew(void **state)
{
	(void)state;
	late_note(&late, 7, EAGAIN, START);
	late_note(&late, 7, EAGAIN, START);
	late_note(&late, 7 + LATE_SLOTS, ETIMEDOUT, START);
	assert_int_equal(late_error(&late, 7, START), 0);
	assert_int_equal(late_error(&late, 7 + LATE_SLOTS, START), ETIMEDOUT);
	assert_int_equal(late_error(&late, 7 + LATE_SLOTS, START + 10 * SECOND), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_process_that_is_not_known_may_be_tried, clean),
		cmocka_unit_test_setup(it_waits_ten_seconds_and_says_why, clean),
		cmocka_unit_test_setup(each_time_it_waits_longer_up_to_five_times, clean),
		cmocka_unit_test_setup(a_process_in_the_same_slot_begins_anew, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
