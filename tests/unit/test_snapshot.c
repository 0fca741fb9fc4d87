// SPDX-License-Identifier: GPL-2.0-only
/* How records of sockets are joined to the connections that `list` shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <linux/types.h>

#include "agent/instance/snapshot.h"

struct result {
	__u64 a, b;
};
struct results {
	struct result r[16];
	size_t count;
};

static void record_pair(const struct hop_show *a, const struct hop_show *b, void *arg)
{
	struct results *out = arg;

	out->r[out->count++] = (struct result){a->cookie, b ? b->cookie : 0};
}

/* An end on 127.0.0.1 of namespace 1. */
static struct hop_show end(__u64 cookie, __u64 peer, __u16 lport, __u16 rport)
{
	static const unsigned char loopback[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
	struct hop_show s = {.cookie = cookie, .peer_cookie = peer, .netns = 1};

	memcpy(s.tuple.local, loopback, sizeof(loopback));
	memcpy(s.tuple.peer, loopback, sizeof(loopback));
	s.tuple.lport = lport;
	s.tuple.rport = rport;
	return s;
}

static struct results pairs_of(const struct hop_show *records, size_t n)
{
	struct results out = {0};
	struct snapshot show = {0};

	for (size_t i = 0; i < n; i++)
		assert_int_equal(snapshot_add(&records[i], &show), 0);
	snapshot_sort(&show);
	snapshot_pairs(&show, record_pair, &out);
	snapshot_free(&show);
	return out;
}

static void assert_pairs(struct results got, const struct result *want, size_t n)
{
	assert_int_equal(got.count, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(got.r[i].a, want[i].a);
		assert_int_equal(got.r[i].b, want[i].b);
	}
}
#define CHECK(records, ...)                                                     \
	assert_pairs(pairs_of(records, sizeof(records) / sizeof((records)[0])), \
		     (const struct result[]){__VA_ARGS__},                      \
		     sizeof((const struct result[]){__VA_ARGS__}) / sizeof(struct result))

static void ends_join_by_cookie_and_the_client_comes_first(void **state)
{
	const struct hop_show records[] = {end(1, 2, 6379, 40000), end(2, 1, 40000, 6379)};

	(void)state;
	CHECK(records, {2, 1});
}

static void one_word_is_enough(void **state)
{
	const struct hop_show records[] = {end(1, 0, 40000, 6379), end(2, 1, 6379, 40000)};

	(void)state;
	CHECK(records, {1, 2});
}

static void contradicting_words_join_nobody(void **state)
{
	const struct hop_show records[] = {end(1, 2, 40000, 6379), end(2, 3, 6379, 40000),
					   end(3, 2, 40001, 6379)};

	(void)state;
	CHECK(records, {1, 0}, {3, 2});
}

static void unregistered_ends_join_by_address(void **state)
{
	const struct hop_show records[] = {end(5, 0, 80, 40000), end(6, 0, 40000, 80), end(7, 0, 40001, 80)};

	(void)state;
	CHECK(records, {6, 5}, {7, 0});
}

/* 127.0.0.1 of one namespace is not that of another. */
static void addresses_join_within_one_namespace_only(void **state)
{
	struct hop_show records[] = {end(5, 0, 80, 40000), end(6, 0, 40000, 80)};

	(void)state;
	records[1].netns = 2;
	CHECK(records, {5, 0}, {6, 0});
}

static void a_self_connected_socket_is_alone(void **state)
{
	const struct hop_show records[] = {end(5, 0, 80, 80)};

	(void)state;
	CHECK(records, {5, 0});
}

static void a_socket_seen_twice_is_shown_once(void **state)
{
	const struct hop_show records[] = {end(1, 2, 40000, 80), end(2, 1, 80, 40000), end(1, 2, 40000, 80),
					   end(2, 1, 80, 40000)};

	(void)state;
	CHECK(records, {1, 2});
}

static void nothing_gives_nothing(void **state)
{
	(void)state;
	assert_int_equal(pairs_of(NULL, 0).count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_join_by_cookie_and_the_client_comes_first),
		cmocka_unit_test(one_word_is_enough),
		cmocka_unit_test(contradicting_words_join_nobody),
		cmocka_unit_test(unregistered_ends_join_by_address),
		cmocka_unit_test(addresses_join_within_one_namespace_only),
		cmocka_unit_test(a_self_connected_socket_is_alone),
		cmocka_unit_test(a_socket_seen_twice_is_shown_once),
		cmocka_unit_test(nothing_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
