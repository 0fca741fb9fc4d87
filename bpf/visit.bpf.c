// SPDX-License-Identifier: GPL-2.0-only
/*
 * visit.bpf.c: the passes that the agent runs over the TCP sockets of one network namespace. iter/tcp calls
 * the program with lock_sock() held (bpf_iter_tcp_seq_show()), which is what makes every fact below binding.
 *
 * hop_visit moves each registered end one step: join, leave, or settle. It may run at any time, any number of
 * times, in several processes at once: an end is only ever changed under its own lock, and only by itself.
 */
#include "facts.h"
#include "pair.h"

/* bpf_setsockopt(): include/uapi/linux/bpf.h, TCP_BPF_SOCK_OPS_CB_FLAGS. Works from iter/tcp since 6.?
 * (probed). */
static __always_inline long cb_flags_add(struct tcp_sock *tp, __u32 add)
{
	int flags = BPF_CORE_READ(tp, bpf_sock_ops_cb_flags) | add;

	return bpf_setsockopt(tp, 6 /* SOL_TCP */, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags));
}

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
static __always_inline __u32 program_veto(__u64 cookie)
{
	struct hop_vet *v;

	if (cfg.force & HOP_FORCE_PROGRAM)
		return HOP_WHY_NONE;
	v = bpf_map_lookup_elem(&vetted, &cookie);
	return v && v->gen == cfg.policy_gen ? v->why : HOP_WHY_UNVETTED;
}

static __always_inline __u32 unfit(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
				   struct hop_end *peer)
{
	struct sock *sk = (struct sock *)tp;
	__u32 why;

	why = sock_unfit((__u64)(long)tp, 0);
	if (why)
		return why;
	why = program_veto(self->cookie);
	if (why)
		return why;
	if (!peer)
		return HOP_WHY_PEER_OUTSIDE;
	if (!(peer->flags & (HOP_END_WANT | HOP_END_MEMBER)) || peer->flags & HOP_END_LEAVE)
		return HOP_WHY_PEER;
	if (peer->flags & HOP_END_MEMBER && !(peer->flags & HOP_END_COLLAPSED) != !st->relay)
		return HOP_WHY_PEER;
	why = cross_check(tp, st, self, peer);
	if (why)
		return why;
	if (program_veto(peer->cookie) || sock_unfit(peer->sk, !!(peer->flags & HOP_END_MEMBER)))
		return HOP_WHY_PEER;
	if (!(peer->flags & HOP_END_MEMBER) && cfg.members + 2 > cfg.max_members)
		return HOP_WHY_FULL;
	return sock_sleepers(sk) ? HOP_WHY_SLEEPER : HOP_WHY_NONE;
}

/* Reasons that pass by themselves within a few passes. */
static __always_inline bool passing(__u32 why)
{
	return why == HOP_WHY_SLEEPER || why == HOP_WHY_NO_FILE || why == HOP_WHY_IDLE ||
	       why == HOP_WHY_UNVETTED;
}

static __always_inline void set_why(struct hop_sock *st, struct hop_end *self, __u32 why)
{
	if (self->why != why)
		count(HOP_CNT_WHY + (why & 63));
	st->why = self->why = why;
}

/* Only a new policy, another program or a new connection changes these. */
static __always_inline bool final(__u32 why)
{
	return why == HOP_WHY_SPLICE || why == HOP_WHY_GO || why == HOP_WHY_FIONREAD ||
	       why == HOP_WHY_POLICY || why == HOP_WHY_DUPLICATE || why == HOP_WHY_MPTCP ||
	       why == HOP_WHY_OTHER_USER || why == HOP_WHY_CGROUP || why == HOP_WHY_DRAINING ||
	       why == HOP_WHY_ADDRESS || why == HOP_WHY_STATE || why == HOP_WHY_USERNS;
}

/* Tells the agent when to come again. Two passes at once may lose one time; the agent's review finds it. */
static __always_inline void held_until(__u64 ns)
{
	if (!cfg.held_until || ns < cfg.held_until)
		cfg.held_until = ns;
}

/*
 * Out for now: no callbacks, no attempts. Unless the reason is final, a later pass (the agent's review) lets
 * the end prove itself again, each time after twice as long.
 */
static __always_inline void hold(struct hop_sock *st, struct hop_end *self, __u32 why)
{
	__u32 shift = st->holds < HOP_HOLD_SHIFT ? st->holds : HOP_HOLD_SHIFT;

	self->flags &= ~HOP_END_WANT;
	self->flags |= HOP_END_DEAD;
	st->hold_ns = final(why) ? 0 : bpf_ktime_get_ns() + (HOP_HOLD_NS << shift);
	st->holds++;
	if (st->hold_ns)
		held_until(st->hold_ns);
}

/* Watch the traffic again: the round-trip callback opens a new window. */
static __always_inline void watch_again(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	self->flags &= ~HOP_END_DEAD;
	st->hold_ns = 0;
	st->tries = 0;
	st->win_len = 0;
	cb_flags_add(tp, BPF_SOCK_OPS_RTT_CB_FLAG);
}

/* Not now, or not at all. While it waits for its peer, an end costs nothing. */
static __always_inline void put_off(struct hop_sock *st, struct hop_end *self, struct hop_end *peer,
				    __u32 why)
{
	bool soon = passing(why);

	set_why(st, self, why);
	if (why == HOP_WHY_PEER_OUTSIDE)
		return;
	/* while the peer tries, so does this end: what is in the peer's way may pass */
	if (why == HOP_WHY_PEER)
		soon = peer && peer->flags & HOP_END_WANT;
	if (soon && ++st->tries < HOP_TRIES) {
		__sync_fetch_and_add(&cfg.retry, 1);
		return;
	}
	if (why != HOP_WHY_PEER)
		hold(st, self, why);
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
	st->peer_sk = st->peer_file = 0;
	st->stop = st->burst = st->alone = st->poor = st->contention = st->hopper = 0;
	self->cseq = tp->copied_seq;
	/*
	 * Where the stream verdict program takes over. What waits in the receive queue is handed to it at the
	 * next recv() or segment (tcp_bpf_recvmsg_parser(), sk_psock_verdict_data_ready()), and it cuts off
	 * what has been read of a partly read skb.
	 */
	self->next = tp->copied_seq;
	if (bpf_map_update_elem(&members, &cookie, (struct sock *)tp, BPF_NOEXIST)) {
		put_off(st, self, peer, HOP_WHY_ERROR);
		return;
	}
	st->places = peer->flags & HOP_END_MEMBER ? 0 : 2;
	__sync_fetch_and_add(&cfg.members, st->places);
	st->member = 1;
	st->joins++;
	st->tries = 0;
	st->review_at = st->hops + st->stays;
	st->review_hops = st->hops;
	st->review_bytes = st->bytes;
	st->seen_ns = 0;
	st->why = HOP_WHY_NONE;
	self->why = HOP_WHY_NONE;
	self->flags &= ~(HOP_END_WANT | HOP_END_SEEK | HOP_END_COLLAPSED);
	self->flags |= HOP_END_MEMBER | (st->relay ? HOP_END_COLLAPSED : 0);
	count(HOP_CNT_JOINED);
}

/*
 * Neither end has sent anything for a long time, and nothing waits to be read (that could not leave): give
 * the places and the memory back. Early members are the operator's wish.
 */
static __always_inline bool pair_idle(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
				      struct hop_end *peer)
{
	__u64 now = bpf_ktime_get_ns(), msgs = st->hops + st->stays;

	if (!cfg.idle_ns || self->flags & HOP_END_EARLY)
		return false;
	if (!st->seen_ns || st->seen_msgs != msgs) {
		st->seen_msgs = msgs;
		st->seen_ns = now;
		self->flags &= ~HOP_END_IDLE;
	} else if (now - st->seen_ns >= cfg.idle_ns) {
		self->flags |= HOP_END_IDLE;
	}
	return self->flags & HOP_END_IDLE && peer && peer->flags & HOP_END_IDLE &&
	       sock_hop_queue_empty((__u64)(long)tp) && sock_hop_queue_empty(peer->sk);
}

/* Must this member go? Returns enum hop_why. */
static __always_inline __u32 leave_reason(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
					  struct hop_end *peer)
{
	int cg;

	if (cfg.draining)
		return HOP_WHY_DRAINING;
	if (self->flags & HOP_END_LEAVE)
		return self->why;
	if (self->ask)
		return self->ask;
	if (peer && (peer->flags & HOP_END_LEAVE))
		return peer->why;
	/* Alone: the other end was refused. (A closed peer has no record; then the FIN is on its way.) */
	if (peer && !(peer->flags & (HOP_END_MEMBER | HOP_END_WANT)))
		return HOP_WHY_PEER;
	cg = sock_cgroup_attached((struct sock *)tp);
	if (cg < 0 || (cg & HOP_CG_LEAVING))
		return HOP_WHY_CGROUP;
	if (self->gen != cfg.policy_gen) {
		self->gen = cfg.policy_gen;
		if (policy_action((__u64)(long)tp) == HOP_ACTION_NEVER)
			return HOP_WHY_POLICY;
	}
	if (!(self->flags & HOP_END_EARLY)) {
		cg = program_veto(st->cookie);
		if (cg && cg != HOP_WHY_UNVETTED)
			return cg;
	}
	return pair_idle(tp, st, self, peer) ? HOP_WHY_IDLE : HOP_WHY_NONE;
}

/* The peer cannot have a redirect into us in flight: it latched quiet, or is no more. */
static __always_inline bool peer_quiet(struct hop_sock *st, struct hop_end *peer)
{
	struct sock *psk = (void *)(long)st->peer_sk;

	/* One that is no member never was, or was quiet when it left. */
	if (peer)
		return !(peer->flags & HOP_END_MEMBER) || peer->flags & HOP_END_QUIET;
	/* Its record went with TCP_CLOSE; a thread may still be inside send() on the dead connection. */
	if (!psk || BPF_CORE_READ(psk, __sk_common.skc_cookie.counter) != st->peer_cookie)
		return true;
	return sock_quiet((__u64)(long)psk);
}

/*
 * Leave without losing a byte. Deleting a member discards its queue, and a redirect in flight to it is lost,
 * so an end goes only when (1) its peer can send no more hops (stop, under the peer's lock) and has none in
 * flight (the refcount latch), (2) its own queue is empty, and (3) it has latched quiet itself, because
 * afterwards its own psock can no longer be asked.
 */
static __always_inline void leave(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
				  struct hop_end *peer, __u32 why)
{
	__u64 cookie = st->cookie;

	st->stop = 1;
	st->why = why;
	self->why = why;
	self->flags |= HOP_END_LEAVE;
	if (!st->hopper || sock_quiet((__u64)(long)tp) || (cfg.force & HOP_FORCE_LATCH))
		self->flags |= HOP_END_QUIET;
	if (!(cfg.force & HOP_FORCE_LATCH)) {
		if (!(self->flags & HOP_END_QUIET) || !peer_quiet(st, peer) ||
		    !sock_hop_queue_empty((__u64)(long)tp)) {
			__sync_fetch_and_add(&cfg.retry_leave, 1);
			return;
		}
	}
	bpf_map_delete_elem(&members, &cookie); /* ENOENT: close() was first, which is as good */
	__sync_fetch_and_sub(&cfg.members, st->places);
	st->places = 0;
	st->member = 0;
	self->flags &= ~(HOP_END_MEMBER | HOP_END_EARLY | HOP_END_COLLAPSED);
	__sync_fetch_and_add(&cfg.retry_leave, 1); /* the next pass settles it */
	count(HOP_CNT_LEFT);
	count(HOP_CNT_WHY + (why & 63));
}

/* A new policy: a refusal that came from the old one is taken back. */
static __always_inline void new_policy(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	self->gen = cfg.policy_gen;
	if (policy_action((__u64)(long)tp) == HOP_ACTION_NEVER) {
		set_why(st, self, HOP_WHY_POLICY);
		hold(st, self, HOP_WHY_POLICY);
	} else if (self->flags & HOP_END_DEAD || st->why == HOP_WHY_POLICY) {
		st->holds = 0;
		watch_again(tp, st, self);
	}
}

/* Out. When the other end is out as well, this one becomes an ordinary candidate again, after a while. */
static __always_inline void settle(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
				   struct hop_end *peer)
{
	if (peer && (peer->flags & HOP_END_MEMBER)) {
		__sync_fetch_and_add(&cfg.retry_leave, 1);
		return;
	}
	self->flags &= ~(HOP_END_LEAVE | HOP_END_QUIET | HOP_END_IDLE);
	if (self->why == HOP_WHY_IDLE) /* nothing to hold against it: it may come back as soon as it talks */
		st->holds = 0;
	if (self->why == HOP_WHY_CONTENDED && st->holds < HOP_CONTENTION_HOLDS)
		st->holds = HOP_CONTENTION_HOLDS;
	if (self->why == HOP_WHY_ONLY_STAYS && st->poor && st->holds < HOP_POOR_HOLDS)
		st->holds = HOP_POOR_HOLDS;
	self->ask = HOP_WHY_NONE;
	st->peer_cookie = 0;
	st->peer_sk = st->peer_file = 0;
	st->reg_una = tp->snd_una;
	st->reg_rcv = tp->rcv_nxt;
	hold(st, self, self->why);
	if (self->gen != cfg.policy_gen) /* it changed while this end was leaving */
		new_policy(tp, st, self);
}

/* Held back for a reason that may have passed: is it time to look again? */
static __always_inline void held(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	if (!st->hold_ns)
		return;
	if (bpf_ktime_get_ns() >= st->hold_ns)
		watch_again(tp, st, self);
	else
		held_until(st->hold_ns);
}

/*
 * Somebody looks for a peer that sends nothing, and so never comes by to register itself. Is it this socket?
 * The STATE callback must be set, or the record would outlive the socket.
 */
static __always_inline void be_found(struct tcp_sock *tp)
{
	struct hop_event ev = {.type = HOP_EV_PAIRED};
	struct sock *sk = (struct sock *)tp;
	struct hop_key key, peer_key;
	struct hop_collapse *via;
	struct hop_end *peer;
	struct hop_sock *st;
	int cg;

	/* without the flag of on_established() it came to be in repair mode, that is, by TCP_REPAIR */
	if (sk->__sk_common.skc_state != BPF_TCP_ESTABLISHED ||
	    !(BPF_CORE_READ(tp, bpf_sock_ops_cb_flags) & BPF_SOCK_OPS_RTT_CB_FLAG))
		return;
	key = hop_key_derive(tp->snd_una, tp->bytes_acked, tp->rcv_nxt, tp->bytes_received);
	peer = mirror_of(&key, &peer_key, &via);
	if (!peer || !(peer->flags & HOP_END_SEEK))
		return;
	cg = sock_cgroup_attached(sk);
	if (cg < 0 || (cg & HOP_CG_LEAVING) || BPF_CORE_READ_BITFIELD(tp, repair) ||
	    policy_action((__u64)(long)tp) == HOP_ACTION_NEVER)
		return;
	st = bpf_sk_storage_get(&socks, tp, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!st || cb_flags_add(tp, BPF_SOCK_OPS_STATE_CB_FLAG))
		return;
	if (register_as(tp, st, bpf_get_socket_cookie(tp), HOP_END_WANT))
		return;
	count(HOP_CNT_SOUGHT);
	/* the one that seeks may have been visited before, and be in another network namespace */
	__sync_fetch_and_add(&cfg.retry, 1);
	ev.cookie = st->cookie;
	ev.peer_cookie = peer->cookie;
	ev.netns = sock_netns(sk);
	ev.peer_netns = peer->netns;
	emit(&ev);
}

/* Sockets without a record: refused by an earlier policy before they registered. */
static __always_inline void visit_unregistered(struct tcp_sock *tp, struct hop_sock *st)
{
	if (st->why != HOP_WHY_POLICY || policy_action((__u64)(long)tp) == HOP_ACTION_NEVER)
		return;
	st->why = HOP_WHY_YOUNG;
	st->win_len = 0;
	cb_flags_add(tp, BPF_SOCK_OPS_RTT_CB_FLAG);
}

/* Its cgroup is being detached: nobody will call us when it closes, so its record goes now. */
static __always_inline bool unregister(struct tcp_sock *tp, struct hop_sock *st)
{
	int cg = sock_cgroup_attached((struct sock *)tp);

	if (cg >= 0 && !(cg & HOP_CG_LEAVING))
		return false;
	st->registered = 0;
	bpf_map_delete_elem(&ends, &st->self);
	return true;
}

SEC("iter/tcp")
int hop_visit(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct hop_end *self, *peer;
	struct hop_sock *st;
	struct tcp_sock *tp;
	__u32 why;

	if (!skc)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc); /* NULL for TIME_WAIT and request sockets */
	if (!tp)
		return 0;
	st = bpf_sk_storage_get(&socks, tp, 0, 0);
	if (!st || !st->registered) {
		if (st)
			visit_unregistered(tp, st);
		if (cfg.seek && !cfg.draining)
			be_found(tp);
		return 0;
	}
	self = bpf_map_lookup_elem(&ends, &st->self);
	if (!self || self->cookie != st->cookie)
		return 0;
	if (st->member) {
		peer = peer_of(st);
		why = leave_reason(tp, st, self, peer);
		if (why)
			leave(tp, st, self, peer, why);
		return 0;
	}
	if (self->flags & HOP_END_LEAVE) {
		settle(tp, st, self, peer_of(st));
		return 0;
	}
	if (cfg.draining)
		return 0;
	if (cfg.leaving && unregister(tp, st))
		return 0;
	if (self->gen != cfg.policy_gen)
		new_policy(tp, st, self);
	if (self->flags & HOP_END_WANT)
		join(tp, st, self);
	else if (self->flags & HOP_END_DEAD)
		held(tp, st, self);
	return 0;
}

/*
 * Connections that are older than the attach: set the flag that ESTABLISHED would have set; the round-trip
 * callback does the rest. Sockets of other cgroups are left alone.
 */
SEC("iter/tcp")
int hop_collect(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tcp_sock *tp;
	int cg;

	if (!skc || skc->skc_state != BPF_TCP_ESTABLISHED)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp || bpf_sk_storage_get(&socks, tp, 0, 0))
		return 0;
	cg = sock_cgroup_attached((struct sock *)tp);
	if (cg < 0 || (cg & HOP_CG_LEAVING))
		return 0;
	if (!cb_flags_add(tp, BPF_SOCK_OPS_RTT_CB_FLAG))
		count(HOP_CNT_COLLECTED);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
