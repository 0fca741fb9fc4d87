/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * join.h: one step of an end that wants to join, for hop_visit. All of it runs under the end's own
 * lock_sock(); of the peer it reads what the peer's record and socket say at that moment.
 */
#ifndef SOCKHOP_JOIN_H
#define SOCKHOP_JOIN_H

#include "callback.h"
#include "pair.h"

/* The record of the other end, if there is exactly one that mirrors us and it is still the one we know. */
static __always_inline struct hop_end *peer_of(struct hop_sock *st)
{
	struct hop_end *e;

	if (!st->peer_cookie)
		return find_peer(st);
	e = bpf_map_lookup_elem(&ends, &st->peer);
	return e && e->cookie == st->peer_cookie ? e : NULL;
}

/*
 * The socket that our TCP connection leads to: the peer's, or that of the relay in between. A relay names
 * each end to the other; one that was published alone, or whose relay has taken it back, has no peer.
 */
static __always_inline __u32 tcp_peer(struct hop_sock *st, struct hop_end *peer, struct hop_via *via)
{
	struct hop_collapse *c, *back;

	via->sk = peer->sk;
	via->cookie = peer->cookie;
	via->net = peer->net;
	via->userns = peer->userns;
	if (!st->relay)
		return HOP_WHY_NONE;
	c = bpf_map_lookup_elem(&collapse, &st->self);
	back = bpf_map_lookup_elem(&collapse, &st->peer);
	if (!c || !back || back->peer.a != st->self.a || back->peer.b != st->self.b ||
	    hop_collapse_delta(c) != st->delta)
		return HOP_WHY_PEER_OUTSIDE;
	*via = c->via;
	return HOP_WHY_NONE;
}

/* Is this really the other end of our connection? A key alone can be forged (TCP_REPAIR). */
static __always_inline __u32 cross_check(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
					 struct hop_end *peer)
{
	struct sock *sk = (struct sock *)tp, *psk;
	struct hop_tuple a, b;
	struct tcp_sock *ptp;
	struct hop_via via;
	__u32 why;

	if (self->dup || peer->dup)
		return HOP_WHY_DUPLICATE;
	why = tcp_peer(st, peer, &via);
	if (why)
		return why;
	psk = (void *)(long)via.sk;
	ptp = (void *)psk;
	if (BPF_CORE_READ(psk, __sk_common.skc_cookie.counter) != via.cookie)
		return HOP_WHY_STATE;
	if (!hop_seq_agree(tp->snd_una, tp->write_seq, BPF_CORE_READ(ptp, rcv_nxt)) ||
	    !hop_seq_agree(BPF_CORE_READ(ptp, snd_una), BPF_CORE_READ(ptp, write_seq), tp->rcv_nxt))
		return HOP_WHY_SEQUENCE;
	if (self->net == via.net) {
		sock_tuple(sk, &a);
		sock_tuple(psk, &b);
		if (!tuple_mirrors(&a, &b))
			return HOP_WHY_ADDRESS;
	} else if (self->userns != via.userns) {
		/* the only ones who can forge a key across namespaces are masters of another user namespace
		 */
		return HOP_WHY_USERNS;
	}
	/* The connection must have moved on since it registered, with both ends still in step. */
	if (tp->snd_una == st->reg_una && tp->rcv_nxt == st->reg_rcv)
		return HOP_WHY_IDLE;
	return HOP_WHY_NONE;
}

/* What the agent says of the program(s) that hold the socket. */
static __always_inline __u32 program_veto(const struct hop_end *e)
{
	struct hop_vet *v;
	__u64 cookie = e->cookie;

	if (cfg.force & HOP_FORCE_PROGRAM)
		return HOP_WHY_NONE;
	v = bpf_map_lookup_elem(&vetted, &cookie);
	return v && v->gen == cfg.policy_gen ? guard_veto(v, e->sk) : HOP_WHY_UNVETTED;
}

static __always_inline __u32 unfit(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
				   struct hop_end *peer)
{
	struct sock *sk = (struct sock *)tp;
	__u32 why;

	why = sock_unfit((__u64)(long)tp, 0);
	if (why)
		return why;
	if (!old_quiet(st))
		return HOP_WHY_IN_FLIGHT;
	why = program_veto(self);
	if (why)
		return why;
	if (!peer)
		return HOP_WHY_PEER_OUTSIDE;
	if (!hop_eager(peer->state))
		return HOP_WHY_PEER;
	if (peer->state == HOP_MEMBER && !(peer->flags & HOP_END_COLLAPSED) != !st->relay)
		return HOP_WHY_PEER;
	why = cross_check(tp, st, self, peer);
	if (why)
		return why;
	if (policy_action(peer->sk) == HOP_ACTION_NEVER || program_veto(peer) ||
	    sock_unfit(peer->sk, hop_in(peer->state)))
		return HOP_WHY_PEER;
	if (!hop_in(peer->state) && cfg.members + 2 > cfg.max_members)
		return HOP_WHY_FULL;
	return sock_sleepers(sk) ? HOP_WHY_SLEEPER : HOP_WHY_NONE;
}

/* Reasons that pass by themselves within a few passes. */
static __always_inline bool passing(__u32 why)
{
	return why == HOP_WHY_SLEEPER || why == HOP_WHY_NO_FILE || why == HOP_WHY_IDLE ||
	       why == HOP_WHY_UNVETTED || why == HOP_WHY_IN_FLIGHT;
}

/* What the agent finds in a program that runs, and that stays true as long as it does. */
static __always_inline bool is_veto(__u32 why)
{
	return why == HOP_WHY_SPLICE || why == HOP_WHY_GO || why == HOP_WHY_FIONREAD;
}

/* Only a new policy, another program or a new connection changes these. */
static __always_inline bool final(__u32 why)
{
	return is_veto(why) || why == HOP_WHY_POLICY || why == HOP_WHY_DUPLICATE || why == HOP_WHY_MPTCP ||
	       why == HOP_WHY_CGROUP || why == HOP_WHY_DRAINING || why == HOP_WHY_ADDRESS ||
	       why == HOP_WHY_STATE || why == HOP_WHY_USERNS || why == HOP_WHY_FLIPS ||
	       why == HOP_WHY_SPLICES;
}

/*
 * Out for now: no callbacks, no attempts. Unless the reason is final, a later pass (the agent's review) lets
 * the end prove itself again, each time after twice as long.
 */
static __always_inline void hold(struct hop_sock *st, struct hop_end *self, __u32 why)
{
	__u32 shift = st->holds < HOP_HOLD_SHIFT ? st->holds : HOP_HOLD_SHIFT;
	bool for_good = final(why);

	st->holds++;
	st->hold_ns = bpf_ktime_get_ns() + (HOP_HOLD_NS << shift);
	st->say |= for_good ? 0 : HOP_SAY_HELD;
	end_move(st, self, for_good ? HOP_REFUSED : HOP_HELD, why);
}

/* Watch the traffic again: the round-trip callback opens a new window. */
static __always_inline void watch_again(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	end_move(st, self, HOP_WATCHED, st->why);
	st->win_len = 0;
	cb_flags_add(tp, BPF_SOCK_OPS_RTT_CB_FLAG);
}

/* Not now, or not at all. While it waits for its peer, an end costs nothing. */
static __always_inline void put_off(struct hop_sock *st, struct hop_end *self, struct hop_end *peer,
				    __u32 why)
{
	bool soon = passing(why);

	end_why(st, self, why);
	if (why == HOP_WHY_PEER_OUTSIDE)
		return;
	/* while the peer tries, so does this end: what is in the peer's way may pass, but for a veto */
	if (why == HOP_WHY_PEER)
		soon = peer && peer->state == HOP_CANDIDATE && !is_veto(program_veto(peer));
	if (soon && ++st->tries < HOP_TRIES) {
		st->say |= HOP_SAY_JOIN;
		return;
	}
	if (why == HOP_WHY_PEER)
		return;
	hold(st, self, why);
	if (peer && hop_in(peer->state)) /* it is alone now, and must go */
		st->say |= HOP_SAY_LEAVE;
}

static __always_inline void join(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	struct hop_end *peer = peer_of(st);
	__u32 why = unfit(tp, st, self, peer);
	__u64 cookie = st->cookie;

	if (why) {
		put_off(st, self, peer, why);
		return;
	}
	st->peer_cookie = peer->cookie;
	st->peer_sk = peer->sk; /* whether it may still send is asked of it when this end leaves */
	st->peer_file = 0;
	st->gen = self->gen; /* read before the rules, and hop_visit() has seen to it that it is the latest */
	st->burst = st->one_way = st->few_hops = st->contention = st->hopper = 0;
	self->cseq = tp->copied_seq;
	/*
	 * Where the stream verdict program takes over. What waits in the receive queue is handed to it at the
	 * next recv() or segment (tcp_bpf_recvmsg_parser(), sk_psock_verdict_data_ready()), and it cuts off
	 * what has been read of a partly read skb.
	 */
	self->next = tp->copied_seq;
	why = guard_join(tp);
	if (!why && bpf_map_update_elem(&members, &cookie, (struct sock *)tp, BPF_NOEXIST)) {
		guard_leave(tp);
		why = HOP_WHY_ERROR;
	}
	if (why) {
		put_off(st, self, peer, why);
		return;
	}
	/*
	 * Turned blocking since it was asked, so that its reader may have chosen tcp_recvmsg() before and
	 * sleep in it after: take it back, while all that arrives waits for the lock.
	 */
	if (!(cfg.force & HOP_FORCE_BLOCKING) && !file_nonblock(sock_file((struct sock *)tp))) {
		bpf_map_delete_elem(&members, &cookie);
		guard_leave(tp);
		put_off(st, self, peer, HOP_WHY_BLOCKING);
		return;
	}
	st->places = hop_in(peer->state) ? 0 : 2;
	st->review_at = st->hops + st->stays;
	st->review_hops = st->hops;
	st->review_bytes = st->hop_bytes + st->stay_bytes;
	st->seen_ns = 0;
	self->flags &= ~HOP_END_SEEK;
	self->flags |= st->relay ? HOP_END_COLLAPSED : 0;
	end_move(st, self, HOP_MEMBER, HOP_WHY_NONE);
}

#endif
