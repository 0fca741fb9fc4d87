// SPDX-License-Identifier: GPL-2.0-only
/* test_end: what the table of moves in bpf/end.h says of the life of an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/view/reasons.h"
#include "agent/lib/util.h"
#include "bpf/end.h"

/* Which states can come after this one, in any number of moves. */
static unsigned int reachable(unsigned int from)
{
	unsigned int set = 0, before;

	for (unsigned int to = 0; to < HOP_STATE_COUNT; to++)
		set |= (unsigned int)(to != from && hop_may_move(from, to)) << to;
	do {
		before = set;
		for (unsigned int s = 0; s < HOP_STATE_COUNT; s++)
			for (unsigned int to = 0; set >> s & 1 && to < HOP_STATE_COUNT; to++)
				set |= (unsigned int)(to != s && hop_may_move(s, to)) << to;
	} while (set != before);
	return set;
}

static void every_state_can_be_reached(void **state)
{
	(void)state;
	assert_int_equal(reachable(HOP_NEW), (1u << HOP_STATE_COUNT) - 1);
}

static void a_closed_end_stays_closed(void **state)
{
	(void)state;
	assert_int_equal(reachable(HOP_CLOSED), 0);
	for (unsigned int s = 0; s < HOP_STATE_COUNT; s++)
		assert_int_equal(s != HOP_CLOSED && hop_may_move(s, HOP_CLOSED), hop_registered(s));
}

/* Deleting a member loses bytes unless it has left, step by step. */
static void the_way_out_of_the_sockhash_is_to_leave(void **state)
{
	(void)state;
	for (unsigned int from = 0; from < HOP_STATE_COUNT; from++)
		for (unsigned int to = 0; to < HOP_STATE_COUNT; to++)
			if (hop_in(from) && !hop_in(to) && to != HOP_CLOSED && hop_may_move(from, to)) {
				assert_int_equal(from, HOP_LEAVING);
				assert_int_equal(to, HOP_LEFT);
			}
	assert_false(hop_may_move(HOP_LEAVING, HOP_MEMBER));
}

static void who_has_left_proves_itself_again(void **state)
{
	(void)state;
	assert_false(hop_may_move(HOP_LEFT, HOP_MEMBER));
	assert_false(hop_may_move(HOP_LEFT, HOP_CANDIDATE));
	assert_false(hop_may_move(HOP_HELD, HOP_CANDIDATE));
	assert_true(reachable(HOP_LEFT) >> HOP_MEMBER & 1);
}

static void a_number_that_is_no_state_goes_nowhere(void **state)
{
	(void)state;
	for (unsigned int to = 0; to < HOP_STATE_COUNT; to++) {
		assert_false(hop_may_move(HOP_STATE_COUNT, to));
		assert_false(hop_may_move(to, HOP_STATE_COUNT));
	}
	assert_string_equal(reason_state(HOP_STATE_COUNT)->name, "unknown");
	assert_string_equal(reason_state(HOP_MEMBER)->name, "member");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_can_be_reached),
		cmocka_unit_test(a_closed_end_stays_closed),
		cmocka_unit_test(the_way_out_of_the_sockhash_is_to_leave),
		cmocka_unit_test(who_has_left_proves_itself_again),
		cmocka_unit_test(a_number_that_is_no_state_goes_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
