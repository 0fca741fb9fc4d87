// SPDX-License-Identifier: GPL-2.0-only
/* What services did between two looks, and that their number is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <linux/types.h>

#include "agent/metrics/services.h"

static void add(struct services *s, const char *path, __u64 cookie, unsigned long long hops)
{
	const struct service_end end = {
		.cookie = cookie,
		.hops = hops,
		.stays = hops / 10,
		.hop_bytes = 64 * hops,
		.member = hops,
	};
	struct who who;

	who_parse(path, &who);
	assert_int_equal(services_add(s, &who, &end), 0);
}

static const struct service *get(const struct services *s, const char *label)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->service[i].label, label))
			return &s->service[i];
	return NULL;
}

static void what_was_before_the_first_look_does_not_count(void **state)
{
	struct services s = {0};

	(void)state;
	services_begin(&s);
	add(&s, "/a.service", 1, 1000);
	services_end(&s);
	assert_int_equal(get(&s, "a.service")->hops, 0);
	assert_int_equal(get(&s, "a.service")->members, 1);
	services_begin(&s);
	add(&s, "/a.service", 1, 1500);
	add(&s, "/a.service", 2, 70); /* new since then: all of it */
	services_end(&s);
	assert_int_equal(get(&s, "a.service")->hops, 570);
	assert_int_equal(get(&s, "a.service")->stays, 57);
	assert_int_equal(get(&s, "a.service")->hop_bytes, 64 * 570);
	assert_int_equal(get(&s, "a.service")->members, 2);
	services_free(&s);
}

static void counters_never_shrink_when_connections_close(void **state)
{
	struct services s = {0};

	(void)state;
	services_begin(&s);
	services_end(&s);
	services_begin(&s);
	add(&s, "/a.service", 1, 100);
	add(&s, "/a.service", 2, 100);
	services_end(&s);
	services_begin(&s);
	add(&s, "/a.service", 2, 110);
	services_end(&s);
	assert_int_equal(get(&s, "a.service")->hops, 210);
	assert_int_equal(get(&s, "a.service")->members, 1);
	/* a cookie is never reused, but should a count begin anew it is not a huge number */
	services_begin(&s);
	add(&s, "/a.service", 2, 5);
	services_end(&s);
	assert_int_equal(get(&s, "a.service")->hops, 215);
	services_free(&s);
}

static void a_record_that_comes_twice_counts_once(void **state)
{
	struct services s = {0};

	(void)state;
	services_begin(&s);
	services_end(&s);
	services_begin(&s);
	add(&s, "/a.service", 1, 100);
	add(&s, "/a.service", 1, 100);
	services_end(&s);
	assert_int_equal(get(&s, "a.service")->hops, 100);
	assert_int_equal(get(&s, "a.service")->members, 1);
	services_free(&s);
}

static void look_at_many(struct services *s, int from, int to)
{
	char path[64];

	services_begin(s);
	for (int i = from; i < to; i++) {
		snprintf(path, sizeof(path), "/n%d.service", i);
		add(s, path, i + 1, 10);
	}
	services_end(s);
}

static void beyond_the_bound_there_is_one_other(void **state)
{
	struct services s = {0};

	(void)state;
	services_begin(&s);
	services_end(&s);
	look_at_many(&s, 0, SERVICES_MAX + 20);
	assert_int_equal(s.n, SERVICES_MAX);
	assert_string_equal(s.service[SERVICES_MAX].label, SERVICES_OTHER);
	assert_int_equal(s.service[SERVICES_MAX].members, 20);
	assert_int_equal(s.service[SERVICES_MAX].hops, 200);
	assert_null(get(&s, "n50.service"));
	services_free(&s);
}

static void services_without_ends_give_their_place_away(void **state)
{
	struct services s = {0};

	(void)state;
	services_begin(&s);
	services_end(&s);
	look_at_many(&s, 0, SERVICES_MAX);
	look_at_many(&s, 1, SERVICES_MAX); /* n0 has no end any more */
	assert_null(get(&s, "n0.service"));
	look_at_many(&s, 1, SERVICES_MAX + 1);
	assert_non_null(get(&s, "n50.service"));
	assert_int_equal(s.service[SERVICES_MAX].members, 0);
	/* while there is room the name stays, and with it the count */
	services_free(&s);
	services_begin(&s);
	services_end(&s);
	look_at_many(&s, 0, 2);
	look_at_many(&s, 1, 2);
	assert_int_equal(get(&s, "n0.service")->hops, 10);
	services_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_before_the_first_look_does_not_count),
		cmocka_unit_test(counters_never_shrink_when_connections_close),
		cmocka_unit_test(a_record_that_comes_twice_counts_once),
		cmocka_unit_test(beyond_the_bound_there_is_one_other),
		cmocka_unit_test(services_without_ends_give_their_place_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
