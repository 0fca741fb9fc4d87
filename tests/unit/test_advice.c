// SPDX-License-Identifier: GPL-2.0-only
/* What advise makes of connections, and that each reason has its advice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <linux/types.h>

#include "agent/view/advice.h"
#include "agent/view/reasons.h"
#include "bpf/hop.h"

static json_object *advise(const char *pairs)
{
	json_object *list = json_tokener_parse(pairs), *o;

	assert_non_null(list);
	o = advice_of(list);
	json_object_put(list);
	assert_non_null(o);
	return o;
}

/* What a JSON pointer leads to, as text. */
static const char *at(json_object *o, const char *pointer)
{
	json_object *value;

	if (json_pointer_get(o, pointer, &value))
		return "missing";
	return value ? json_object_get_string(value) : "null";
}

static void every_reason_has_its_advice(void **state)
{
	(void)state;
	for (unsigned int why = 0; why < HOP_WHY_COUNT; why++)
		if (!advice_change(why) || !*advice_change(why))
			fail_msg("no advice for %s", reason_why(why)->name);
	assert_non_null(advice_change(HOP_WHY_COUNT));
}

static void nothing_is_no_share(void **state)
{
	json_object *o = advise("[]");

	(void)state;
	assert_string_equal(at(o, "/connections"), "0");
	assert_string_equal(at(o, "/would_hop"), "null");
	json_object_put(o);
}

static void messages_are_shared_between_who_joins_and_who_does_not(void **state)
{
	json_object *o = advise(
		"[{\"state\": \"candidate\", \"reason\": \"observed\","
		"  \"a\": {\"service\": \"web.service\", \"segments\": 300, \"why_not\": \"observed\"},"
		"  \"b\": {\"service\": \"redis.service\", \"segments\": 290, \"why_not\": \"observed\"}},"
		" {\"state\": \"hopping\", \"reason\": null,"
		"  \"a\": {\"service\": \"redis.service\", \"segments\": 50, \"messages_hopped\": 200},"
		"  \"b\": {\"service\": \"redis.service\", \"segments\": 40, \"messages_hopped\": 200}},"
		" {\"state\": \"candidate\", \"reason\": \"blocking\","
		"  \"a\": {\"service\": \"web.service\", \"program\": \"php\", \"segments\": 250, "
		"\"why_not\": "
		"\"peer\"},"
		"  \"b\": {\"service\": \"db.service\", \"program\": \"mariadbd\", \"segments\": 250, "
		"\"why_not\": "
		"\"blocking\"}}]");

	(void)state;
	assert_string_equal(at(o, "/connections"), "3");
	assert_string_equal(at(o, "/would_join"), "2");
	assert_string_equal(at(o, "/messages"), "1000");
	assert_string_equal(at(o, "/would_hop"), "75.0");
	/* a connection counts for the services of both ends, and once if it is one service */
	assert_string_equal(at(o, "/services/0/service"), "redis.service");
	assert_string_equal(at(o, "/services/0/connections"), "2");
	assert_string_equal(at(o, "/services/0/would_hop"), "100.0");
	assert_string_equal(at(o, "/services/1/service"), "web.service");
	assert_string_equal(at(o, "/services/1/would_join"), "1");
	/* the end that has the reason, not the one that points at it */
	assert_string_equal(at(o, "/stay_out/0/service"), "db.service");
	assert_string_equal(at(o, "/stay_out/0/program"), "mariadbd");
	assert_string_equal(at(o, "/stay_out/0/share"), "25.0");
	assert_string_equal(at(o, "/stay_out/0/change"), advice_change(HOP_WHY_BLOCKING));
	assert_string_equal(at(o, "/stay_out/1"), "missing");
	json_object_put(o);
}

static void the_same_reason_of_a_program_is_one_row(void **state)
{
	json_object *o =
		advise("[{\"state\": \"candidate\", \"reason\": \"peer-outside\", \"b\": {},"
		       "  \"a\": {\"service\": \"s\", \"segments\": 1, \"why_not\": \"peer-outside\"}},"
		       " {\"state\": \"candidate\", \"reason\": \"peer-outside\", \"b\": {},"
		       "  \"a\": {\"service\": \"s\", \"segments\": 2, \"why_not\": \"peer-outside\"}},"
		       " {\"state\": \"plain\", \"reason\": \"young\", \"b\": {},"
		       "  \"a\": {\"service\": \"s\", \"segments\": 9, \"why_not\": \"young\"}}]");

	(void)state;
	assert_string_equal(at(o, "/stay_out/0/reason"), "young");
	assert_string_equal(at(o, "/stay_out/0/program"), "null");
	assert_string_equal(at(o, "/stay_out/1/reason"), "peer-outside");
	assert_string_equal(at(o, "/stay_out/1/connections"), "2");
	assert_string_equal(at(o, "/stay_out/1/messages"), "3");
	assert_string_equal(at(o, "/stay_out/2"), "missing");
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_its_advice),
		cmocka_unit_test(nothing_is_no_share),
		cmocka_unit_test(messages_are_shared_between_who_joins_and_who_does_not),
		cmocka_unit_test(the_same_reason_of_a_program_is_one_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
