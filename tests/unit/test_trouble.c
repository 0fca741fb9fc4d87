// SPDX-License-Identifier: GPL-2.0-only
/* How long the agent waits after a failure, and when it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/daemon/trouble.h"

#define SECOND 1000000000ull
#define START  (1000 * SECOND)

static void it_waits_twice_as_long_each_time(void **state)
{
	static const unsigned int seconds[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
	struct trouble t = {};
	unsigned int silent;
	bool say;

	(void)state;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(*seconds); i++)
		assert_int_equal(trouble_note(&t, START, &say, &silent), seconds[i] * SECOND);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(trouble_note(&t, START, &say, &silent), TROUBLE_WAIT_MAX);
}

static void success_makes_it_patient_no_more(void **state)
{
	struct trouble t = {};
	unsigned int silent;
	bool say;

	(void)state;
	for (unsigned int i = 0; i < 5; i++)
		trouble_note(&t, START, &say, &silent);
	trouble_over(&t);
	assert_int_equal(trouble_note(&t, START, &say, &silent), TROUBLE_WAIT);
}

/* One line a minute, however often it fails or works in between; none is forgotten in the number. */
static void it_says_so_once_a_minute(void **state)
{
	struct trouble t = {};
	unsigned int silent;
	bool say;

	(void)state;
	trouble_note(&t, START, &say, &silent);
	assert_true(say);
	assert_int_equal(silent, 0);
	for (unsigned int i = 1; i < 60; i++) {
		trouble_note(&t, START + i * SECOND, &say, &silent);
		assert_false(say);
		trouble_over(&t);
	}
	trouble_note(&t, START + 60 * SECOND, &say, &silent);
	assert_true(say);
	assert_int_equal(silent, 59);
	trouble_note(&t, START + 120 * SECOND, &say, &silent);
	assert_true(say);
	assert_int_equal(silent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_waits_twice_as_long_each_time),
		cmocka_unit_test(success_makes_it_patient_no_more),
		cmocka_unit_test(it_says_so_once_a_minute),
	};

	return cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
}
