// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent/instance/force.h"
#include "bpf/hop.h"

static void names_and_numbers(void **state)
{
	__u32 force = 7;

	(void)state;
	assert_int_equal(force_parse("order", &force), 0);
	assert_int_equal(force, HOP_FORCE_ORDER);
	assert_int_equal(force_parse("trim,0x8,256", &force), 0);
	assert_int_equal(force, HOP_FORCE_TRIM | HOP_FORCE_ORDER | HOP_FORCE_YOUNG);
}

static void what_is_unknown_is_refused(void **state)
{
	static const char *const bad[] = {"", "ordr", "order,", "8x", "-1", "0x1ffffffff", "order trim"};
	__u32 force = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(force_parse(bad[i], &force), -EINVAL);
		assert_int_equal(force, 7);
	}
}

static void all_switches_have_a_name(void **state)
{
	char text[256];
	__u32 back = 0;

	(void)state;
	force_names(0, text, sizeof(text));
	assert_string_equal(text, "");
	for (__u32 bit = 1; bit <= HOP_FORCE_YOUNG; bit <<= 1) {
		force_names(bit, text, sizeof(text));
		assert_true(text[0] > '9');
		assert_int_equal(force_parse(text, &back), 0);
		assert_int_equal(back, bit);
	}
	force_names(HOP_FORCE_TRIM | 1u << 31, text, sizeof(text));
	assert_string_equal(text, "trim,0x80000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_numbers),
		cmocka_unit_test(what_is_unknown_is_refused),
		cmocka_unit_test(all_switches_have_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
