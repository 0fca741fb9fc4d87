// SPDX-License-Identifier: GPL-2.0-only
/* What happened each second between two samples, and how rows are grouped, filtered and sorted. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/top/rates.h"

#define SECOND 1000000000ull

static void assert_near(double got, double want)
{
	if (fabs(got - want) > 0.001)
		fail_msg("%f, not %f", got, want);
}

/* A connection between a client and a server program, each in a service of its own. */
static struct rates_pair pair(__u64 id, const char *client, const char *server, unsigned long long hops)
{
	struct rates_pair p = {.id = id, .hops = hops, .hop_bytes = 1024 * hops, .member = true};

	snprintf(p.a.label, sizeof(p.a.label), "%s/%llu:50000", client, (unsigned long long)id);
	snprintf(p.b.label, sizeof(p.b.label), "%s/1:80", server);
	snprintf(p.a.program, sizeof(p.a.program), "%s", client);
	snprintf(p.b.program, sizeof(p.b.program), "%s", server);
	snprintf(p.a.service, sizeof(p.a.service), "%s.service", client);
	snprintf(p.b.service, sizeof(p.b.service), "%s.service", server);
	return p;
}

static void add(struct sample *s, struct rates_pair p)
{
	assert_int_equal(sample_add(s, &p), 0);
	sample_sort(s);
}

struct fixture {
	struct sample before, now;
	struct rates rates;
};

static void teardown(struct fixture *f)
{
	sample_free(&f->before);
	sample_free(&f->now);
	rates_free(&f->rates);
}

static const struct rate *row(struct fixture *f, enum rates_by by, const char *filter, size_t i)
{
	assert_int_equal(rates_make(&f->before, &f->now, by, filter, &f->rates), 0);
	rates_sort(&f->rates, RATES_BY_MESSAGES, false);
	assert_true(i < f->rates.n);
	return &f->rates.row[i];
}

static void what_grew_is_divided_by_the_time_between(void **state)
{
	struct fixture f = {.before.at_ns = 5 * SECOND, .now.at_ns = 7 * SECOND};
	struct rates_pair p = pair(1, "cli", "redis", 1000);
	const struct rate *r;

	(void)state;
	add(&f.before, p);
	p.hops += 600;
	p.hop_bytes += 600 * 1024;
	p.stays += 200;
	p.tcp_bytes += 2000;
	p.segs += 300; /* of no account for a member */
	add(&f.now, p);
	r = row(&f, RATES_PAIRS, "", 0);
	assert_string_equal(r->name, "cli/1:50000 > redis/1:80");
	assert_near(r->hops, 300);
	assert_near(r->messages, 400);
	assert_near(r->share, 0.75);
	assert_near(r->bytes, 300 * 1024 + 1000);
	assert_near(r->saved, 300 * (RATES_SAVED_MESSAGE_NS + RATES_SAVED_KIB_NS) / 1e9);
	assert_int_equal(r->members, 1);
	teardown(&f);
}

static void of_who_is_no_member_segments_count(void **state)
{
	struct fixture f = {.before.at_ns = 1, .now.at_ns = SECOND + 1};
	struct rates_pair p = pair(1, "cli", "redis", 0);
	const struct rate *r;

	(void)state;
	p.member = false;
	p.segs = 1000;
	p.why = "blocking";
	add(&f.before, p);
	p.segs = 1500;
	add(&f.now, p);
	r = row(&f, RATES_PAIRS, "", 0);
	assert_near(r->messages, 500);
	assert_near(r->share, 0);
	assert_near(r->saved, 0);
	assert_string_equal(r->why, "blocking");
	teardown(&f);
}

static void a_new_connection_counts_from_its_registration_on(void **state)
{
	struct fixture f = {.before.at_ns = 1, .now.at_ns = SECOND + 1};
	struct rates_pair p = pair(2, "cli", "redis", 50);
	const struct rate *r;

	(void)state;
	p.tcp_bytes = 1 << 20; /* before it registered */
	p.segs = 1000;
	add(&f.before, pair(1, "cli", "redis", 7)); /* closed since */
	add(&f.now, p);
	r = row(&f, RATES_PAIRS, "", 0);
	assert_int_equal(f.rates.n, 1);
	assert_near(r->messages, 50);
	assert_near(r->bytes, 50 * 1024);
	teardown(&f);
}

static void without_a_sample_before_there_are_no_rates(void **state)
{
	struct fixture f = {.now.at_ns = SECOND};
	const struct rate *r;
	struct rate total;

	(void)state;
	add(&f.now, pair(1, "cli", "redis", 1000));
	f.now.hops = 1000;
	r = row(&f, RATES_PAIRS, "", 0);
	assert_near(r->messages, 0);
	assert_true(r->share < 0);
	rates_total(&f.before, &f.now, &total);
	assert_near(total.messages, 0);
	/* nor if the clock stands still */
	f.before.at_ns = f.now.at_ns;
	assert_near(row(&f, RATES_PAIRS, "", 0)->messages, 0);
	teardown(&f);
}

static void counts_that_shrank_are_not_huge(void **state)
{
	struct fixture f = {.before.at_ns = 1, .now.at_ns = SECOND + 1};

	(void)state;
	add(&f.before, pair(1, "cli", "redis", 1000));
	add(&f.now, pair(1, "cli", "redis", 10));
	assert_near(row(&f, RATES_PAIRS, "", 0)->messages, 10);
	teardown(&f);
}

static void a_connection_counts_for_both_programs_and_once_for_one(void **state)
{
	struct fixture f = {.before.at_ns = 1, .now.at_ns = SECOND + 1};
	const struct rate *r;

	(void)state;
	add(&f.now, pair(1, "cli", "redis", 100));
	add(&f.now, pair(2, "web", "redis", 10));
	add(&f.now, pair(3, "redis", "redis", 1));
	r = row(&f, RATES_PROGRAMS, "", 0);
	assert_int_equal(f.rates.n, 3);
	assert_string_equal(r->name, "redis");
	assert_near(r->messages, 111);
	assert_int_equal(r->pairs, 3);
	assert_int_equal(r->members, 3);
	assert_string_equal(f.rates.row[1].name, "cli");
	assert_string_equal(f.rates.row[2].name, "web");
	assert_string_equal(row(&f, RATES_SERVICES, "", 0)->name, "redis.service");
	teardown(&f);
}

static void who_is_not_known_has_a_row_too(void **state)
{
	struct fixture f = {.before.at_ns = 1, .now.at_ns = SECOND + 1};
	struct rates_pair p = pair(1, "cli", "", 5);

	(void)state;
	p.b.service[0] = 0;
	add(&f.now, p);
	row(&f, RATES_SERVICES, "", 1);
	assert_int_equal(f.rates.n, 2);
	assert_non_null(strstr("(not known) cli.service", f.rates.row[0].name));
	teardown(&f);
}

static void a_filter_leaves_what_contains_it(void **state)
{
	struct fixture f = {.before.at_ns = 1, .now.at_ns = SECOND + 1};

	(void)state;
	add(&f.now, pair(1, "cli", "redis", 100));
	add(&f.now, pair(2, "web", "nginx", 10));
	assert_string_equal(row(&f, RATES_PAIRS, "NGI", 0)->name, "web/2:50000 > nginx/1:80");
	assert_int_equal(f.rates.n, 1);
	assert_int_equal(rates_make(&f.before, &f.now, RATES_SERVICES, "nothing", &f.rates), 0);
	assert_int_equal(f.rates.n, 0);
	rates_sort(&f.rates, RATES_BY_NAME, false);
	teardown(&f);
}

static void assert_order(enum rates_key key, bool reverse, const char *want)
{
	struct rate rows[] = {
		{.name = "a", .messages = 1, .bytes = 30, .share = 0.5, .saved = 0.1, .pairs = 7},
		{.name = "b", .messages = 3, .bytes = 10, .share = -1, .saved = 0.3, .pairs = 7},
		{.name = "c", .messages = 2, .bytes = 20, .share = 1, .saved = 0.2, .pairs = 9},
	};
	struct rates r = {.row = rows, .n = 3};
	char got[4] = "";

	rates_sort(&r, key, reverse);
	for (int i = 0; i < 3; i++)
		got[i] = rows[i].name[0];
	assert_string_equal(got, want);
}

static void rows_are_sorted_by_each_key_and_then_by_name(void **state)
{
	(void)state;
	assert_order(RATES_BY_MESSAGES, false, "bca");
	assert_order(RATES_BY_MESSAGES, true, "acb");
	assert_order(RATES_BY_BYTES, false, "acb");
	assert_order(RATES_BY_SHARE, false, "cab");
	assert_order(RATES_BY_SAVED, false, "bca");
	assert_order(RATES_BY_CONNECTIONS, false, "cab");
	assert_order(RATES_BY_CONNECTIONS, true, "abc");
	assert_order(RATES_BY_NAME, false, "abc");
	assert_order(RATES_BY_NAME, true, "cba");
}

static void the_total_knows_of_closed_connections(void **state)
{
	struct fixture f = {.before.at_ns = 1, .now.at_ns = 2 * SECOND + 1};
	struct rate total;

	(void)state;
	f.now.hops = 400;
	f.now.hop_bytes = 4096;
	f.now.stay_bytes = 100;
	f.now.stays[HOP_STAY_ORDER] = 60;
	f.now.stays[HOP_STAY_BACKLOG] = 40;
	f.now.members = 6;
	rates_total(&f.before, &f.now, &total);
	assert_near(total.messages, 250);
	assert_near(total.share, 0.8);
	assert_near(total.bytes, 2048 + 50);
	assert_int_equal(total.members, 6);
	teardown(&f);
}

static void reasons_that_happened_most_frequent_first(void **state)
{
	struct fixture f = {.before.at_ns = 1, .now.at_ns = 2 * SECOND + 1};
	struct rate_why why[RATES_WHYS];

	(void)state;
	f.before.stays[HOP_STAY_ORDER] = 100;
	f.now.stays[HOP_STAY_ORDER] = 120;
	f.now.whys[HOP_WHY_BLOCKING] = 8;
	f.now.out[HOP_WHY_BLOCKING] = 3;
	f.before.whys[HOP_WHY_SPLICE] = f.now.whys[HOP_WHY_SPLICE] = 5;
	assert_int_equal(rates_whys(&f.before, &f.now, why), 3);
	assert_string_equal(why[0].name, "order");
	assert_true(why[0].message);
	assert_near(why[0].rate, 10);
	assert_int_equal(why[0].count, 120);
	assert_string_equal(why[1].name, "blocking");
	assert_near(why[1].rate, 4);
	assert_int_equal(why[1].ends, 3);
	assert_string_equal(why[2].name, "splice-capable");
	assert_near(why[2].rate, 0);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_grew_is_divided_by_the_time_between),
		cmocka_unit_test(of_who_is_no_member_segments_count),
		cmocka_unit_test(a_new_connection_counts_from_its_registration_on),
		cmocka_unit_test(without_a_sample_before_there_are_no_rates),
		cmocka_unit_test(counts_that_shrank_are_not_huge),
		cmocka_unit_test(a_connection_counts_for_both_programs_and_once_for_one),
		cmocka_unit_test(who_is_not_known_has_a_row_too),
		cmocka_unit_test(a_filter_leaves_what_contains_it),
		cmocka_unit_test(rows_are_sorted_by_each_key_and_then_by_name),
		cmocka_unit_test(the_total_knows_of_closed_connections),
		cmocka_unit_test(reasons_that_happened_most_frequent_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
