/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * review.h: does membership pay (design.md, I21)? And how a member asks to leave: from then on nothing hops,
 * and a pass does the rest. All of it runs under the sender's socket lock.
 */
#ifndef SOCKHOP_REVIEW_H
#define SOCKHOP_REVIEW_H

#include "end.h"

/*
 * The peer was non-blocking when it joined. A program that did this once does it again, usually with each
 * request, so the end stays out for good, and its program is remembered (design.md, I38). (Early members were
 * never asked.)
 */
static __always_inline void turned_blocking(struct hop_end *peer)
{
	if (peer->flags & HOP_END_NOWAIT) /* the receive guard asks, or is no more: see leave_reason() */
		return;
	if (hop_in(peer->state) && !(peer->flags & HOP_END_EARLY))
		peer->ask = HOP_WHY_FLIPS;
}

/* Ask the agent to take this pair out: nothing hops from here on, the next pass does the rest. */
static __noinline int request_leave(struct hop_sock *st, __u32 why)
{
	struct hop_event ev = {.type = HOP_EV_LEAVE, .why = why};
	struct hop_end *e;
	struct hop_key key;

	if (!st || st->state != HOP_MEMBER)
		return 0;
	key = st->self;
	e = bpf_map_lookup_elem(&ends, &key);
	if (e && e->cookie != st->cookie)
		e = NULL;
	end_move(st, e, HOP_LEAVING, why);
	if (!e)
		return 0;
	ev.netns = e->netns;
	key = st->peer;
	e = bpf_map_lookup_elem(&ends, &key);
	ev.peer_netns = e ? e->netns : ev.netns;
	if (why == HOP_WHY_BLOCKING && e && e->cookie == st->peer_cookie)
		turned_blocking(e);
	emit(&ev);
	return 0;
}

/* At a review: how many in a row were there since the peer had one, that is, sent HOP_REVIEW messages? */
static __noinline int reviews_one_way(struct hop_sock *st)
{
	struct hop_end *e;
	struct hop_key key;

	if (!st)
		return 0;
	key = st->self;
	e = bpf_map_lookup_elem(&ends, &key);
	if (!e || e->cookie != st->cookie)
		return 0;
	e->reviews++;
	key = st->peer;
	e = bpf_map_lookup_elem(&ends, &key);
	if (!e || e->reviews != st->peer_reviews) {
		st->peer_reviews = e ? e->reviews : 0;
		if (st->one_way) /* nothing was counted meanwhile */
			st->contention = 0;
		st->one_way = 0;
		return 0;
	}
	return ++st->one_way;
}

/* Every HOP_REVIEW messages or HOP_REVIEW_BYTES: does membership pay? */
static __noinline int review(struct hop_sock *st)
{
	__u64 now = bpf_ktime_get_ns(), hops, bytes, ns, n;
	bool large;
	int one_way;

	if (!st)
		return 0;
	n = st->hops + st->stays - st->review_at;
	hops = st->hops - st->review_hops;
	bytes = st->hop_bytes + st->stay_bytes - st->review_bytes;
	large = bytes >= n * cfg.large;
	ns = now - st->review_ns;
	st->review_hops = st->hops;
	st->review_bytes += bytes;
	st->review_ns = now;
	st->review_at += n;
	one_way = reviews_one_way(st);
	if (cfg.force)
		return 0;
	if (one_way >= HOP_ONE_WAY_REVIEWS && !large && ns * HOP_STREAM_RATE < n * 1000000000ull)
		return request_leave(st, HOP_WHY_STREAM);
	st->few_hops = large && hops * HOP_MOST_DEN < n * HOP_MOST_NUM ? st->few_hops + 1 : 0;
	if (large ? st->few_hops >= HOP_MOST_REVIEWS : hops < n * HOP_FEW_NUM / HOP_FEW_DEN)
		return request_leave(st,
				     st->last_stay == HOP_STAY_SHARED ? HOP_WHY_SHARED : HOP_WHY_ONLY_STAYS);
	return 0;
}

#endif
