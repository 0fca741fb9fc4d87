// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bpf/key.h"

/* A socket as the kernel keeps it: isn is its own initial sequence number, peer_isn the other's. */
struct half {
	__u32 snd_una, rcv_nxt;
	__u64 acked, received;
};

/*
 * What tcp_rcv_state_process() and tcp_finish_connect() leave. The SYN of the active opener is counted in its
 * bytes_acked (so its key keeps the ISN); the passive opener's is not; neither counts a received SYN.
 */
static struct half active_open(__u32 client, __u32 server)
{
	return (struct half){.snd_una = client + 1, .rcv_nxt = server + 1, .acked = 1};
}

static struct half passive_open(__u32 client, __u32 server)
{
	return (struct half){.snd_una = server + 1, .rcv_nxt = client + 1};
}

static void transfer(struct half *from, struct half *to, __u64 bytes)
{
	from->snd_una += (__u32)bytes;
	from->acked += bytes;
	to->rcv_nxt += (__u32)bytes;
	to->received += bytes;
}

static struct hop_key key_of(const struct half *h)
{
	return hop_key_derive(h->snd_una, h->acked, h->rcv_nxt, h->received);
}

static void assert_key(struct hop_key k, __u32 a, __u32 b)
{
	assert_int_equal(k.a, a);
	assert_int_equal(k.b, b);
}

static void assert_mirror(struct hop_key of, unsigned int which, struct hop_key is)
{
	struct hop_key m[2];

	hop_key_mirrors(&of, m);
	assert_key(m[which], is.a, is.b);
	assert_false(m[!which].a == is.a && m[!which].b == is.b);
}

static const __u32 isns[] = {0,		 1,	     2,		 0x7ffffffe, 0x7fffffff,
			     0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 12345};
#define ISNS (sizeof(isns) / sizeof(isns[0]))

static void key_is_initial_sequence_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ISNS; i++) {
		for (size_t j = 0; j < ISNS; j++) {
			struct half c = active_open(isns[i], isns[j]), s = passive_open(isns[i], isns[j]);

			assert_key(key_of(&c), isns[i], isns[j] + 1);
			assert_key(key_of(&s), isns[j] + 1, isns[i] + 1);
		}
	}
}

static void key_is_constant_while_counters_wrap(void **state)
{
	struct half c = active_open(0xfffffff0, 7), s = passive_open(0xfffffff0, 7);
	struct hop_key ck = key_of(&c), sk = key_of(&s);

	(void)state;
	for (int i = 0; i < 40; i++) {
		transfer(&c, &s, 1000000007ull * i);
		assert_key(key_of(&c), ck.a, ck.b);
		assert_key(key_of(&s), sk.a, sk.b);
		transfer(&s, &c, 0xffffffffull - i);
		assert_key(key_of(&c), ck.a, ck.b);
		assert_key(key_of(&s), sk.a, sk.b);
	}
	assert_true(c.acked > 1ull << 32);
}

static void each_end_is_a_mirror_of_the_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < ISNS; i++) {
		for (size_t j = 0; j < ISNS; j++) {
			struct half c = active_open(isns[i], isns[j]), s = passive_open(isns[i], isns[j]);

			assert_mirror(key_of(&c), 1, key_of(&s));
			assert_mirror(key_of(&s), 0, key_of(&c));
		}
	}
}

static void mirror_of_a_mirror_is_the_key(void **state)
{
	(void)state;
	srandom(1);
	for (int i = 0; i < 1000; i++) {
		struct hop_key k = {.a = (__u32)random() * 3, .b = (__u32)random() * 5}, m[2], back[2];

		hop_key_mirrors(&k, m);
		hop_key_mirrors(&m[0], back);
		assert_key(back[1], k.a, k.b);
		hop_key_mirrors(&m[1], back);
		assert_key(back[0], k.a, k.b);
	}
}

static void neighbours_are_no_mirrors(void **state)
{
	struct half c = active_open(100, 200);

	(void)state;
	for (int di = -3; di <= 3; di++) {
		for (int dj = -3; dj <= 3; dj++) {
			struct half s = passive_open(100 + di, 200 + dj);
			struct hop_key ck = key_of(&c), sk = key_of(&s), m[2];
			bool found = false;

			hop_key_mirrors(&ck, m);
			for (int i = 0; i < 2; i++)
				found = found || (m[i].a == sk.a && m[i].b == sk.b);
			/* (-1, -1) is what the passive end would be if it were the active one */
			assert_int_equal(found, (!di && !dj) || (di == -1 && dj == -1));
		}
	}
}

static void between_at_every_offset(void **state)
{
	(void)state;
	for (size_t i = 0; i < ISNS; i++) {
		__u32 lo = isns[i];

		assert_true(hop_seq_between(lo, lo, lo));
		assert_false(hop_seq_between(lo, lo + 1, lo));
		assert_false(hop_seq_between(lo, lo - 1, lo));
		assert_true(hop_seq_between(lo, lo, lo + 10));
		assert_true(hop_seq_between(lo, lo + 10, lo + 10));
		assert_false(hop_seq_between(lo, lo + 11, lo + 10));
		assert_false(hop_seq_between(lo, lo - 1, lo + 10));
		assert_false(hop_seq_between(lo, lo + 0x80000000, lo + 10));
		assert_true(hop_seq_between(lo, lo + 0x7fffffff, lo + 0x7fffffff));
	}
}

static void window_upside_down_holds_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ISNS; i++) {
		__u32 lo = isns[i];

		assert_false(hop_seq_between(lo, lo, lo - 1));
		assert_false(hop_seq_between(lo, lo - 1, lo - 1));
		assert_false(hop_seq_between(lo, lo + 5, lo + 0x80000000));
		assert_false(hop_seq_between(lo, lo + 0x7fffffff, lo - 2));
	}
}

static void ends_agree_while_bytes_are_in_flight(void **state)
{
	(void)state;
	for (size_t i = 0; i < ISNS; i++) {
		__u32 una = isns[i] + 1, write = una + 3000;

		assert_true(hop_seq_agree(una, write, una));	    /* nothing has arrived */
		assert_true(hop_seq_agree(una, write, una + 1448)); /* arrived, not acknowledged */
		assert_true(hop_seq_agree(una, write, write));	    /* all has */
		assert_false(hop_seq_agree(una, write, una - 1));   /* acknowledged what never came */
		assert_false(hop_seq_agree(una, write, write + 1)); /* came and was never written */
	}
}

static void peer_is_the_mirror_that_fits_who_opened(void **state)
{
	(void)state;
	for (size_t i = 0; i < ISNS; i++) {
		for (size_t j = 0; j < ISNS; j++) {
			struct half c = active_open(isns[i], isns[j]), s = passive_open(isns[i], isns[j]);
			struct hop_key ck = key_of(&c), sk = key_of(&s), k;

			k = hop_key_peer(&ck, true);
			assert_key(k, sk.a, sk.b);
			k = hop_key_peer(&sk, false);
			assert_key(k, ck.a, ck.b);
		}
	}
}

/* The relay's two connections: client c to r1, r2 to s or, if `meet`, s (a second client) to r2. */
struct relayed {
	struct half c, r1, r2, s;
	struct hop_collapse record; /* c's */
};

static struct relayed relay(__u32 isn, __u32 isn2, bool meet, __u32 skip)
{
	struct relayed r = {.c = active_open(isn, isn2 + 7), .r1 = passive_open(isn, isn2 + 7)};
	struct hop_key k1, k2;

	r.s = meet ? active_open(isn2, isn - 9) : passive_open(isn2, isn - 9);
	r.r2 = meet ? passive_open(isn2, isn - 9) : active_open(isn2, isn - 9);
	k1 = key_of(&r.r1);
	k2 = key_of(&r.r2);
	r.record.first = k1.b;
	r.record.peer = hop_key_peer(&k2, !meet);
	r.record.skip = skip;
	return r;
}

/* What the verdict compares. All was read and acknowledged: write_seq is snd_una, copied_seq is rcv_nxt. */
static bool may_hop(const struct relayed *r)
{
	return r->s.rcv_nxt + hop_collapse_delta(&r->record) == r->c.snd_una;
}

static void collapse_counts_bytes_of_both_connections(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ISNS * ISNS * 4; i++) {
		__u32 skip = i / 2 % 2 * 28;
		struct relayed r = relay(isns[i / 4 % ISNS], isns[i / 4 / ISNS], i % 2, skip);

		assert_int_equal(may_hop(&r), !skip);
		transfer(&r.r2, &r.s, skip);
		assert_true(may_hop(&r));
		for (__u64 n = 1; n < 1ull << 40; n *= 37) {
			/* the last byte is still in the relay */
			transfer(&r.c, &r.r1, n);
			transfer(&r.r2, &r.s, n - 1);
			assert_false(may_hop(&r));
			transfer(&r.r2, &r.s, 1);
			assert_true(may_hop(&r));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_is_initial_sequence_numbers),
		cmocka_unit_test(key_is_constant_while_counters_wrap),
		cmocka_unit_test(each_end_is_a_mirror_of_the_other),
		cmocka_unit_test(mirror_of_a_mirror_is_the_key),
		cmocka_unit_test(neighbours_are_no_mirrors),
		cmocka_unit_test(between_at_every_offset),
		cmocka_unit_test(window_upside_down_holds_nothing),
		cmocka_unit_test(ends_agree_while_bytes_are_in_flight),
		cmocka_unit_test(peer_is_the_mirror_that_fits_who_opened),
		cmocka_unit_test(collapse_counts_bytes_of_both_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
