/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * end.h: the life of an end. What states there are, which may follow which, and the one function by which an
 * end goes from one to the next. docs/design.md has the diagram, made from these tables (`make docs`).
 *
 * An end is moved under its own socket lock, by its own programs only. Whether its peer is ready for hops is
 * not a state: the peer's verdict finds that out (ready.h).
 */
#ifndef SOCKHOP_END_H
#define SOCKHOP_END_H

#ifdef __bpf__
#include "maps.h"
#else
#include <stdbool.h>
#include <linux/types.h>
#endif

/* X(NAME, shown as, explanation). Order is ABI. */
#define HOP_STATES(X)                                                                         \
	X(NEW, "new", "no record: its traffic is counted")                                    \
	X(WATCHED, "watched", "has a record, and is no candidate: its traffic is counted")    \
	X(CANDIDATE, "candidate", "chatty: joins when its peer is a candidate too")           \
	X(MEMBER, "member", "in the sockhash: its messages may hop")                          \
	X(LEAVING, "leaving", "in the sockhash, but no hop starts: out once nothing is lost") \
	X(LEFT, "left", "out of the sockhash: waits for its peer to be out as well")          \
	X(HELD, "held", "refused, or has left: its traffic is counted again after a while")   \
	X(REFUSED, "refused", "out until the policy or its program changes")                  \
	X(CLOSED, "closed", "its connection is over")

/* X(FROM, TO, what moves it). An end may always stay in its state; that moves nothing. */
#define HOP_MOVES(X)                                             \
	X(NEW, WATCHED, "chatty, or sought")                     \
	X(WATCHED, CANDIDATE, "chatty, or sought")               \
	X(WATCHED, MEMBER, "early join")                         \
	X(WATCHED, REFUSED, "known program, new policy")         \
	X(CANDIDATE, MEMBER, "late join")                        \
	X(CANDIDATE, HELD, "a fact does not hold")               \
	X(CANDIDATE, REFUSED, "the same for good")               \
	X(MEMBER, LEAVING, "a fact has changed, or it is asked") \
	X(LEAVING, LEFT, "quiet, read empty, nobody asleep")     \
	X(LEFT, HELD, "peer is out")                             \
	X(LEFT, REFUSED, "the same for good")                    \
	X(HELD, WATCHED, "time is over, new policy")             \
	X(HELD, REFUSED, "new policy")                           \
	X(REFUSED, WATCHED, "new policy, other program")         \
	X(WATCHED, NEW, "cgroup detached")                       \
	X(CANDIDATE, NEW, "cgroup detached")                     \
	X(HELD, NEW, "cgroup detached")                          \
	X(REFUSED, NEW, "cgroup detached")                       \
	X(WATCHED, CLOSED, "closed")                             \
	X(CANDIDATE, CLOSED, "closed")                           \
	X(MEMBER, CLOSED, "closed")                              \
	X(LEAVING, CLOSED, "closed")                             \
	X(LEFT, CLOSED, "closed")                                \
	X(HELD, CLOSED, "closed")                                \
	X(REFUSED, CLOSED, "closed")

enum hop_state {
#define X(name, text, help) HOP_##name,
	HOP_STATES(X)
#undef X
		HOP_STATE_COUNT
};

/* In the sockhash. */
static inline bool hop_in(__u32 state)
{
	return state == HOP_MEMBER || state == HOP_LEAVING;
}

/* Has a record in `ends`. */
static inline bool hop_registered(__u32 state)
{
	return state != HOP_NEW && state != HOP_CLOSED;
}

/* Is in the sockhash, or wants to be. */
static inline bool hop_eager(__u32 state)
{
	return state == HOP_CANDIDATE || state == HOP_MEMBER;
}

/*
 * The table as a matrix of bits, in two words: a lookup is one path for the verifier, not one for each row.
 */
static inline bool hop_may_move(__u32 from, __u32 to)
{
	const __u32 bit = from * HOP_STATE_COUNT + to;
#define AT(a, b)     (HOP_##a * HOP_STATE_COUNT + HOP_##b)
#define X(a, b, how) | (__u64)(AT(a, b) < 64) << (AT(a, b) & 63)
	const __u64 low = 0 HOP_MOVES(X);
#undef X
#define X(a, b, how) | (__u64)(AT(a, b) >= 64) << (AT(a, b) & 63)
	const __u64 high = 0 HOP_MOVES(X);
#undef X
#undef AT

	if (from >= HOP_STATE_COUNT || to >= HOP_STATE_COUNT)
		return false;
	return from == to || (bit < 64 ? low : high) >> (bit & 63) & 1;
}

#ifdef __bpf__
/* The reason of an end, in both copies; self may be NULL. A new one is counted. */
static __always_inline void end_why(struct hop_sock *st, struct hop_end *self, __u32 why)
{
	if (st->why != why && why)
		count(HOP_CNT_WHY + (why & 63));
	st->why = why;
	if (self)
		self->why = why;
}

/* What a move is counted as, HOP_CNT_COUNT: nothing. */
static __always_inline __u32 end_counter(__u32 from, __u32 to)
{
	if (!hop_may_move(from, to))
		return HOP_CNT_BAD_MOVES;
	if (from == to)
		return HOP_CNT_COUNT;
	if (from == HOP_NEW)
		return HOP_CNT_REGISTERED;
	if (to == HOP_MEMBER)
		return from == HOP_WATCHED ? HOP_CNT_EARLY : HOP_CNT_JOINED;
	if (to == HOP_LEFT)
		return HOP_CNT_LEFT;
	return to == HOP_CLOSED && hop_in(from) ? HOP_CNT_CLOSED : HOP_CNT_COUNT;
}

/*
 * Hops are counted in the end's own record, and brought to the counters by its first hop of each jiffy, and
 * when it is no member any more: the counters are memory of another page, of which each message would touch
 * two words. What a burst did in the rest of its jiffy is in them with the next hop.
 */
__weak __noinline int count_hops(struct hop_sock *st)
{
	if (!st)
		return 0;
	count_add(HOP_CNT_HOPS, st->hops - st->counted_hops);
	count_add(HOP_CNT_HOP_BYTES, st->hop_bytes - st->counted_bytes);
	st->counted_hops = st->hops;
	st->counted_bytes = st->hop_bytes;
	st->counted_at = bpf_jiffies64();
	return 0;
}

/*
 * An end is in state `to` from here on, because of `why` (enum hop_why). Before an end enters the sockhash,
 * st->places says how many places of config.members it takes. self: its record; NULL if that is gone.
 *
 * The record's state is exchanged and not stored, because that is a full barrier: of two ends that become
 * candidates at the same time, and look at each other after this, one must see the other.
 */
__weak __noinline int end_move(struct hop_sock *st, struct hop_end *self, __u32 to, __u32 why)
{
	__u32 from;

	if (!st)
		return 0;
	from = st->state;
	count(end_counter(from, to)); /* beyond the last one there is none */
	end_why(st, self, why);
	if (from != to)
		st->tries = 0;
	if (hop_in(from) && !hop_in(to)) {
		count_hops(st);
		__sync_fetch_and_sub(&cfg.members, st->places);
		st->places = 0;
	} else if (!hop_in(from) && hop_in(to)) {
		__sync_fetch_and_add(&cfg.members, st->places);
	}
	st->state = to;
	return self ? __sync_lock_test_and_set(&self->state, to) : from;
}
#endif

#endif
