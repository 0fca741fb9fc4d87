/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * join.h: one step of an end that wants to join, for hop_visit. It runs under the end's own lock_sock()
 * (design.md, I12); it reads the peer's record and socket as they are at that moment.
 */
#ifndef SOCKHOP_JOIN_H
#define SOCKHOP_JOIN_H

#include "callback.h"
#include "pair.h"
#include "receive.h"
#include "translation.h"

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

/*
 * Is this really the other end of our connection? A key alone can be forged by TCP_REPAIR (design.md, I2).
 * st->translated: all is right but the addresses, which translation() must settle. (Said there and not by
 * what is returned, where the verifier would follow both answers through all that comes after.)
 */
static __always_inline __u32 cross_check(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
					 struct hop_end *peer)
{
	struct sock *sk = (struct sock *)tp, *psk;
	struct hop_tuple a, b;
	struct tcp_sock *ptp;
	struct hop_via via;
	__u32 why;

	st->translated = 0;
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
		st->translated = !tuple_mirrors(&a, &b);
		if (st->translated && st->relay)
			return HOP_WHY_ADDRESS;
	} else if (self->userns != via.userns) {
		/* only the owner of another user namespace can forge a key across namespaces */
		return HOP_WHY_USERNS;
	}
	/* The connection must have moved on since it registered, with both ends still in step. */
	if (tp->snd_una == st->reg_una && tp->rcv_nxt == st->reg_rcv)
		return HOP_WHY_IDLE;
	return HOP_WHY_NONE;
}

/* What the agent says of the program(s) that hold the socket (design.md, I15). */
static __always_inline __u32 program_veto(const struct hop_end *e)
{
	struct hop_vet *v;
	__u64 cookie = e->cookie;

	if (cfg.force & HOP_FORCE_PROGRAM)
		return HOP_WHY_NONE;
	v = bpf_map_lookup_elem(&vetted, &cookie);
	return v && v->gen == cfg.policy_gen ? guard_veto(v, e->sk) : HOP_WHY_UNVETTED;
}

/*
 * What this end itself has against joining: enum hop_why. (Each answer of the global function becomes a
 * constant: of a number that it does not know the verifier would follow every comparison to the end.)
 */
static __always_inline __u32 own_unfit(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	__u32 why = sock_unfit((__u64)(long)tp, 0);

	if (why != HOP_WHY_BLOCKING)
		return why;
	switch (receives_unfit(st)) {
	case HOP_WHY_NONE:
		return sock_alone(self->sk) ? HOP_WHY_NONE : HOP_WHY_SLEEPER;
	case HOP_WHY_BLOCKS:
		return HOP_WHY_BLOCKS;
	default:
		return HOP_WHY_BLOCKING;
	}
}

/* Global, as policy_of() is, so that `addr` is to be read from a record. `st` is that of the peer, too. */
__weak __noinline int peer_fit(__u64 addr, __u64 st, int member)
{
	__u32 why = sock_unfit(addr, member);

	return !why || (why == HOP_WHY_BLOCKING && receives_fit(st));
}

static __always_inline __u32 unfit(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
				   struct hop_end *peer)
{
	struct sock *sk = (struct sock *)tp;
	__u32 why;

	why = own_unfit(tp, st, self);
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
	    !peer_fit(peer->sk, peer->st, hop_in(peer->state)))
		return HOP_WHY_PEER;
	if (!hop_in(peer->state) && cfg.members + 2 > cfg.max_members)
		return HOP_WHY_FULL;
	if (sock_sleepers(sk))
		return HOP_WHY_SLEEPER;
	/* last, so that an answer is used up by the join that it is for */
	if (st->translated) {
		why = translation(st, self, peer);
		if (why)
			return why;
	}
	return cfg.observe ? HOP_WHY_OBSERVED : HOP_WHY_NONE;
}

/* Temporary reasons: they go away by themselves within a few passes. */
static __always_inline bool temporary(__u32 why)
{
	return why == HOP_WHY_SLEEPER || why == HOP_WHY_NO_FILE || why == HOP_WHY_IDLE ||
	       why == HOP_WHY_UNVETTED || why == HOP_WHY_IN_FLIGHT || why == HOP_WHY_UNCONFIRMED;
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
	       why == HOP_WHY_SPLICES || why == HOP_WHY_BLOCKS;
}

/*
 * Out for now: no callbacks, no attempts. Unless the reason is final, a later pass (the agent's review) lets
 * the end prove itself again, each time after twice as long.
 */
__weak __noinline int hold(struct hop_sock *st, struct hop_end *self, __u32 why)
{
	bool for_good = final(why);
	__u32 shift;

	if (!st)
		return 0;
	shift = st->holds < HOP_HOLD_SHIFT ? st->holds : HOP_HOLD_SHIFT;
	st->holds++;
	st->hold_ns = bpf_ktime_get_ns() + (HOP_HOLD_NS << shift);
	st->say |= for_good ? 0 : HOP_SAY_HELD;
	end_move(st, self, for_good ? HOP_REFUSED : HOP_HELD, why);
	return 0;
}

/* Watch the traffic again: the round-trip callback opens a new window. */
static __always_inline void watch_again(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	end_move(st, self, HOP_WATCHED, st->why);
	st->win_len = 0;
	cb_flags_add(tp, BPF_SOCK_OPS_RTT_CB_FLAG);
}

/*
 * Not now, or not at all. While it waits for its peer, an end costs nothing. A function of its own, so that
 * the verifier walks it once and not for each reason.
 */
__weak __noinline int put_off(struct hop_sock *st, struct hop_end *self, struct hop_end *peer, __u32 why)
{
	bool soon = temporary(why);

	if (!st)
		return 0;
	end_why(st, self, why);
	if (why == HOP_WHY_PEER_OUTSIDE || why == HOP_WHY_OBSERVED)
		return 0;
	/* while the peer tries, so does this end: what is in the peer's way may go away, except a veto */
	if (why == HOP_WHY_PEER)
		soon = peer && peer->state == HOP_CANDIDATE && !is_veto(program_veto(peer));
	if (soon && ++st->tries < HOP_TRIES) {
		st->say |= HOP_SAY_JOIN | (why == HOP_WHY_UNCONFIRMED ? HOP_SAY_ASK : 0);
		return 0;
	}
	if (why == HOP_WHY_PEER)
		return 0;
	hold(st, self, why);
	if (peer && hop_in(peer->state)) /* it is alone now, and must go */
		st->say |= HOP_SAY_LEAVE;
	return 0;
}

/* It is about to be a member: from now on a receive call that may wait is marked. 0: one was before. */
__weak __noinline int announce(struct hop_sock *st, struct hop_end *self)
{
	if (!st || !self)
		return 0;
	if (!may_wait(sock_file((void *)(long)self->sk)))
		return 1;
	if (!receives_join(st))
		return 0;
	self->flags |= HOP_END_NOWAIT;
	return 1;
}

/*
 * It has been inserted. Has it turned blocking since it was asked, or is there a call that may wait, so that
 * its reader may have chosen tcp_recvmsg() before and sleep in it after?
 */
__weak __noinline int too_late(struct hop_sock *st, struct hop_end *self)
{
	if (!st || !self)
		return 1;
	if (self->flags & HOP_END_NOWAIT)
		return !receives_joined(st, self->sk);
	return may_wait(sock_file((void *)(long)self->sk));
}

/*
 * Tell both guards, insert the socket, and look again. If it came too late it is taken back, while all that
 * arrives waits for the lock. Returns enum hop_why.
 */
static __always_inline __u32 insert(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	__u64 cookie = st->cookie;
	__u32 why = announce(st, self) ? guard_join(tp) : HOP_WHY_BLOCKING;

	if (!why && bpf_map_update_elem(&members, &cookie, (struct sock *)tp, BPF_NOEXIST))
		why = HOP_WHY_ERROR;
	if (!why && too_late(st, self)) {
		bpf_map_delete_elem(&members, &cookie);
		why = HOP_WHY_BLOCKING;
	}
	if (why) {
		guard_leave(tp);
		receives_leave(st, self);
	}
	return why;
}

static __always_inline void join(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	struct hop_end *peer = peer_of(st);
	__u32 why = unfit(tp, st, self, peer);

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
	why = insert(tp, st, self);
	if (why) {
		put_off(st, self, peer, why);
		return;
	}
	if (self->flags & HOP_END_NOWAIT)
		count(HOP_CNT_NOWAIT);
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
