/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * leave.h: one step of a member that must go, for hop_visit, and what becomes of it once it is out. All of it
 * runs under the end's own lock_sock().
 */
#ifndef SOCKHOP_LEAVE_H
#define SOCKHOP_LEAVE_H

#include "join.h"
#include "pause.h"

/*
 * Neither end has sent anything for a long time, and nothing waits to be read (that could not leave): give
 * the places and the memory back. Early members are the operator's wish. (Messages of a pause are not
 * counted, so no end counts as silent then.)
 */
static __always_inline bool pair_idle(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
				      struct hop_end *peer)
{
	__u64 now = bpf_ktime_get_ns(), msgs = st->hops + st->stays;

	if (!cfg.idle_ns || self->flags & HOP_END_EARLY)
		return false;
	if (!st->seen_ns || st->seen_msgs != msgs || paused()) {
		st->seen_msgs = msgs;
		st->seen_ns = now;
		self->flags &= ~HOP_END_IDLE;
	} else if (now - st->seen_ns >= cfg.idle_ns) {
		self->flags |= HOP_END_IDLE;
	}
	return self->flags & HOP_END_IDLE && peer && peer->flags & HOP_END_IDLE &&
	       sock_hop_queue_empty((__u64)(long)tp) && sock_hop_queue_empty(peer->sk);
}

/*
 * What the live policy says against an end: enum hop_why. For an early end only rules that name programs
 * count.
 */
static __always_inline __u32 objection(struct hop_end *e)
{
	int action = policy_action(e->sk);

	if (action == HOP_ACTION_NEVER)
		return HOP_WHY_POLICY;
	if (e->flags & HOP_END_EARLY && action != HOP_ACTION_ASK)
		return HOP_WHY_NONE;
	return program_veto(e);
}

/*
 * Since the policy changed nothing hops (HOP_STAY_POLICY). Messages may hop again when the new policy allows
 * it for both ends (design.md, I36). The peer is judged here as well: its own turn in the pass may come
 * later.
 */
static __always_inline void resume(struct hop_sock *st, struct hop_end *self, struct hop_end *peer, __u32 gen)
{
	__u32 why;

	if (st->gen == gen || !peer)
		return;
	why = objection(self);
	if (!why)
		why = objection(peer);
	if (!why)
		st->gen = gen;
	else if (why == HOP_WHY_UNVETTED)
		st->say |= HOP_SAY_JOIN;
}

/* Must this member go? Returns enum hop_why. */
static __always_inline __u32 leave_reason(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
					  struct hop_end *peer)
{
	__u32 gen = cfg.policy_gen; /* before the rules are read, which change first */
	int cg;

	if (cfg.draining)
		return HOP_WHY_DRAINING;
	if (self->ask) /* also for an end that already leaves: this reason says more */
		return self->ask;
	if (st->state == HOP_LEAVING)
		return self->why;
	if (peer && (peer->state == HOP_LEAVING ||
		     peer->state == HOP_LEFT)) /* the peer turned blocking, not this end */
		return peer->why == HOP_WHY_FLIPS || peer->why == HOP_WHY_BLOCKS ? HOP_WHY_PEER : peer->why;
	if (!receives_vouched(st, self))
		return HOP_WHY_BLOCKING;
	/*
	 * It is alone: the other end was refused. (A closed peer has no record; then the FIN is on its way.)
	 */
	if (peer && !hop_eager(peer->state))
		return HOP_WHY_PEER;
	cg = sock_cgroup_attached((struct sock *)tp);
	if (cg < 0 || (cg & HOP_CG_LEAVING))
		return HOP_WHY_CGROUP;
	if (self->gen != gen) {
		self->gen = gen;
		if (policy_action((__u64)(long)tp) == HOP_ACTION_NEVER)
			return HOP_WHY_POLICY;
	}
	cg = program_veto(self);
	if (cg == HOP_WHY_POLICY || (cg && cg != HOP_WHY_UNVETTED && !(self->flags & HOP_END_EARLY)))
		return cg;
	resume(st, self, peer, gen);
	/* while hop bytes are unread nothing may go behind them by TCP: see peer_edge() in msg.bpf.c */
	if (!cfg.verdict && !(cfg.force & HOP_FORCE_EDGE) && sock_hop_queue_empty((__u64)(long)tp) &&
	    sock_edge((__u64)(long)tp) && sock_edge((__u64)(long)tp))
		return HOP_WHY_EDGE;
	return pair_idle(tp, st, self, peer) ? HOP_WHY_IDLE : HOP_WHY_NONE;
}

/* Would somebody sleep on in a call on this end if it left now? */
__weak __noinline int sleeps(__u64 addr, __u32 flags, __u32 recv)
{
	return flags & HOP_END_NOWAIT ? sock_may_sleep(addr, recv) : sock_reader_sleeps(addr);
}

/* The peer cannot have a redirect into us in flight: it latched quiet, or is gone. */
static __always_inline bool peer_quiet(struct hop_sock *st, struct hop_end *peer)
{
	struct sock *psk = (void *)(long)st->peer_sk;

	/* An end that is not a member never was one, or was quiet when it left. */
	if (peer)
		return !hop_in(peer->state) || peer->flags & HOP_END_QUIET;
	/* Its record went with TCP_CLOSE; a thread may still be inside send() on the dead connection. */
	if (!psk || BPF_CORE_READ(psk, __sk_common.skc_cookie.counter) != st->peer_cookie)
		return true;
	return sock_quiet((__u64)(long)psk);
}

/*
 * Leave without losing a byte (design.md, I17). A half-close is no reason to leave (I19). Deleting a member
 * discards its queue, and a redirect in flight to it is lost, so an end goes only when (1) its peer can send
 * no more hops (it leaves, too) and has none in flight (the refcount latch), (2) its own queue is empty, (3)
 * it has latched quiet itself, because afterwards its own psock can no longer be asked, and (4) nobody sleeps
 * in a receive call on it. (A call on a non-blocking file that is under way may give EAGAIN, and the bytes
 * that it missed wake its caller.)
 */
static __always_inline void leave(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
				  struct hop_end *peer, __u32 why)
{
	__u64 cookie = st->cookie;

	end_move(st, self, HOP_LEAVING, why);
	if (!st->hopper || sock_quiet((__u64)(long)tp) || (cfg.force & HOP_FORCE_LATCH))
		self->flags |= HOP_END_QUIET;
	if (!(cfg.force & HOP_FORCE_LATCH)) {
		if (!(self->flags & HOP_END_QUIET) || !peer_quiet(st, peer) ||
		    !sock_hop_queue_empty((__u64)(long)tp) || sleeps(self->sk, self->flags, st->recv)) {
			st->say |= HOP_SAY_LEAVE;
			return;
		}
	}
	bpf_map_delete_elem(&members, &cookie); /* ENOENT: close() was first, which is as good */
	guard_leave(tp);
	receives_leave(st, self);
	end_move(st, self, HOP_LEFT, why);
	self->flags &= ~(HOP_END_EARLY | HOP_END_COLLAPSED);
	st->say |= HOP_SAY_LEAVE; /* the next pass settles it */
}

/* A new policy: a refusal that came from the old one is taken back. */
static __always_inline void new_policy(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	self->gen = cfg.policy_gen;
	if (policy_action((__u64)(long)tp) == HOP_ACTION_NEVER) {
		hold(st, self, HOP_WHY_POLICY);
	} else if (st->state == HOP_HELD || st->state == HOP_REFUSED ||
		   (st->state == HOP_WATCHED && st->why == HOP_WHY_POLICY)) {
		st->holds = 0;
		watch_again(tp, st, self);
	}
}

/* Out. When the other end is out as well, this one becomes an ordinary candidate again, after a while. */
static __always_inline void settle(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
				   struct hop_end *peer)
{
	if (peer && hop_in(peer->state)) {
		st->say |= HOP_SAY_LEAVE;
		return;
	}
	self->flags &= ~(HOP_END_QUIET | HOP_END_IDLE);
	if (self->why == HOP_WHY_IDLE) /* nothing to hold against it: it may come back as soon as it talks */
		st->holds = 0;
	if (self->why == HOP_WHY_CONTENDED && st->holds < HOP_CONTENTION_HOLDS)
		st->holds = HOP_CONTENTION_HOLDS;
	if (self->why == HOP_WHY_ONLY_STAYS && st->few_hops && st->holds < HOP_MOST_HOLDS)
		st->holds = HOP_MOST_HOLDS;
	self->ask = HOP_WHY_NONE;
	st->peer_cookie = 0;
	st->peer_sk = st->peer_file = 0;
	st->reg_una = tp->snd_una;
	st->reg_rcv = tp->rcv_nxt;
	hold(st, self, self->why);
	if (self->gen != cfg.policy_gen) /* it changed while this end was leaving */
		new_policy(tp, st, self);
}

#endif
