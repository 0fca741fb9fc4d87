// SPDX-License-Identifier: GPL-2.0-only
/* The decisions about receive calls on blocking files (bpf/receive_rule.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include <cmocka.h>

#include "bpf/receive_rule.h"

static void both_calls_and_time_are_needed(void **state)
{
	(void)state;
	assert_false(hop_recv_enough(HOP_RECV_CALLS - 1, 10 * HOP_RECV_NS, false));
	assert_false(hop_recv_enough(10 * HOP_RECV_CALLS, HOP_RECV_NS - 1, false));
	assert_true(hop_recv_enough(HOP_RECV_CALLS, HOP_RECV_NS, false));
	assert_true(hop_recv_enough(HOP_RECV_YOUNG, 0, true));
	assert_false(hop_recv_enough(HOP_RECV_YOUNG - 1, HOP_RECV_NS, true));
}

static void a_call_without_the_new_psock_chose_before(void **state)
{
	(void)state;
	assert_false(hop_recv_chose_member(0, 0, 0)); /* the only thread: it has no reference to either */
	assert_true(hop_recv_chose_member(1, 0, 0));
	assert_false(hop_recv_chose_member(1, 2, 0)); /* two threads, one of them chose before */
	assert_true(hop_recv_chose_member(2, 2, 0));
	assert_true(hop_recv_chose_member(1, 3, 2)); /* two sleep in poll() */
	assert_false(hop_recv_chose_member(1, 1, -1));
}

static bool may_sleep(int asleep, int senders, int users, long refs, bool waited, bool roomy)
{
	const struct hop_calls c = {asleep, senders, users, refs, waited, roomy};

	return hop_recv_may_sleep(&c);
}

static void nobody_sleeps_on_in_a_call(void **state)
{
	(void)state;
	assert_false(may_sleep(0, 0, 0, 0, false, true));
	assert_false(may_sleep(0, 0, 0, 0, true, false));
	assert_true(may_sleep(1, 0, 1, 0, false, true));  /* a reader */
	assert_true(may_sleep(-1, 0, 0, 0, false, true)); /* cannot be told */
}

static void a_call_that_waits_for_the_lock_may_sleep_later(void **state)
{
	(void)state;
	assert_true(may_sleep(0, 0, 1, 0, true, true));	  /* may be a receive call */
	assert_false(may_sleep(0, 0, 1, 0, false, true)); /* the only thread: it does not wait */
	assert_false(may_sleep(0, 0, 1, 1, false, true)); /* one of several: receives, or finds room */
	assert_true(may_sleep(0, 0, 1, 1, false, false)); /* or finds none */
}

static void a_sender_that_sleeps_stops_the_reader_of_another_thread(void **state)
{
	(void)state;
	assert_false(may_sleep(1, 1, 1, 0, false, false)); /* the only thread reads when it is done */
	assert_false(may_sleep(1, 1, 1, 0, true, false));
	assert_true(may_sleep(1, 1, 1, 1, false, false));
	assert_true(may_sleep(1, 1, 1, 1, true, true));
	assert_true(may_sleep(1, 1, 1, -1, false, false)); /* no file: it is being closed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_calls_and_time_are_needed),
		cmocka_unit_test(a_call_without_the_new_psock_chose_before),
		cmocka_unit_test(nobody_sleeps_on_in_a_call),
		cmocka_unit_test(a_call_that_waits_for_the_lock_may_sleep_later),
		cmocka_unit_test(a_sender_that_sleeps_stops_the_reader_of_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
