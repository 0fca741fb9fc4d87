// SPDX-License-Identifier: GPL-2.0-only
/* The programs that turn members blocking (agent/program/flips.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/program/flips.h"

static struct flips_program program(unsigned int ino, const char *comm)
{
	struct flips_program p = {.dev = 1, .ino = ino};

	snprintf(p.comm, sizeof(p.comm), "%s", comm);
	return p;
}

static void executable_and_name_tell_programs_apart(void **state)
{
	struct flips_program a = program(7, "gunicorn"), other = program(7, "python3"),
			     moved = program(8, "gunicorn");
	struct flips f = {};

	(void)state;
	assert_false(flips_has(&f, &a));
	assert_true(flips_add(&f, &a));
	assert_false(flips_add(&f, &a));
	assert_true(flips_has(&f, &a));
	assert_false(flips_has(&f, &other));
	assert_false(flips_has(&f, &moved));
}

static void the_oldest_are_forgotten(void **state)
{
	struct flips f = {};

	(void)state;
	for (unsigned int i = 0; i < 10 * FLIPS_MAX; i++) {
		struct flips_program p = program(i, "x");

		assert_true(flips_add(&f, &p));
		assert_true(flips_has(&f, &p));
		if (i >= FLIPS_MAX - 1) {
			p = program(i - (FLIPS_MAX - 1), "x");
			assert_true(flips_has(&f, &p));
		}
		if (i >= FLIPS_MAX) {
			p = program(i - FLIPS_MAX, "x");
			assert_false(flips_has(&f, &p));
		}
	}
}

static void a_process_names_its_program(void **state)
{
	struct flips_program p, again;

	(void)state;
	assert_int_equal(flips_program(getpid(), "me", &p), 0);
	assert_int_equal(flips_program(getpid(), "me", &again), 0);
	assert_memory_equal(&p, &again, sizeof(p));
	assert_true(p.ino);
	assert_true(flips_program(0x7fffffff, "me", &p) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(executable_and_name_tell_programs_apart),
		cmocka_unit_test(the_oldest_are_forgotten),
		cmocka_unit_test(a_process_names_its_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
