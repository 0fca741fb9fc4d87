// SPDX-License-Identifier: GPL-2.0-only
/* Which names in a folder concern a followed path, and for how long the agent sleeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/daemon/follow.h"

#define MS 1000000ull

static void a_name_is_a_folder_of_the_path_as_a_whole(void **state)
{
	static const char path[] = "/sys/fs/cgroup/system.slice/redis.service";

	(void)state;
	assert_true(follow_names(path, "redis.service"));
	assert_true(follow_names(path, "system.slice"));
	assert_true(follow_names(path, "sys"));
	assert_false(follow_names(path, "redis"));
	assert_false(follow_names(path, "redis.service2"));
	assert_false(follow_names(path, "service"));
	assert_false(follow_names(path, "system.slice/redis.service2"));
	assert_false(follow_names(path, ""));
}

static void the_earliest_ends_the_sleep(void **state)
{
	struct follow f = {.fd = -1};

	(void)state;
	assert_int_equal(follow_timeout_ms(&f, 5 * MS, -1), -1);
	assert_int_equal(follow_timeout_ms(&f, 5 * MS, 7), 7);
	f.due = 25 * MS;
	assert_int_equal(follow_timeout_ms(&f, 5 * MS, 7), 7);
	assert_int_equal(follow_timeout_ms(&f, 5 * MS, -1), 21);
	assert_int_equal(follow_timeout_ms(&f, 5 * MS, 300), 21);
	assert_int_equal(follow_timeout_ms(&f, 25 * MS, 300), 0);
	assert_int_equal(follow_timeout_ms(&f, 90 * MS, -1), 0);
	f.events = 15 * MS;
	assert_int_equal(follow_timeout_ms(&f, 5 * MS, 300), 11);
	f.due = 0;
	assert_int_equal(follow_timeout_ms(&f, 5 * MS, 300), 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_a_folder_of_the_path_as_a_whole),
		cmocka_unit_test(the_earliest_ends_the_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
