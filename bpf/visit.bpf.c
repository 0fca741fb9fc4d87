// SPDX-License-Identifier: GPL-2.0-only
/*
 * visit.bpf.c: the passes that the agent runs over the TCP sockets of one network namespace. iter/tcp calls
 * the program with lock_sock() held (bpf_iter_tcp_seq_show()), which is what makes every fact below binding.
 *
 * hop_visit moves each registered end one step: join, leave, or settle. It may run at any time, any number of
 * times, in several processes at once: an end is only ever changed under its own lock, and only by itself.
 */
#include "leave.h"

/*
 * 6.5 (kernel commit 4ddbcb886268). Without it there is no verdict program, and nothing breaks: see probe.c.
 */
extern int bpf_sock_destroy(struct sock_common *sock) __ksym __weak;

/* Held back for a reason that may have gone away: is it time to look again? */
static __always_inline void held(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	if (bpf_ktime_get_ns() >= st->hold_ns)
		watch_again(tp, st, self);
	else
		st->say |= HOP_SAY_HELD;
}

/* For good, unless it was handed to another program. (A new policy has been handled already.) */
static __always_inline void refused(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	if (is_veto(self->why) && !program_veto(self))
		watch_again(tp, st, self);
}

/*
 * A pass has found the silent end of a pair: the end that seeks may have been visited before, and be in
 * another network namespace.
 */
static __always_inline void tell_found(struct hop_sock *st, const struct hop_end *peer, __u32 netns)
{
	struct hop_event ev = {.type = HOP_EV_PAIRED};

	st->say |= HOP_SAY_JOIN;
	ev.netns = netns;
	ev.peer_netns = peer->netns;
	emit(&ev);
}

/* It is watched (again). An end that sends nothing gets no round-trip callback; its peer asks for both. */
static __always_inline void be_found_again(struct hop_sock *st, struct hop_end *self)
{
	struct hop_end *peer = find_peer(st);

	if (!peer || !(peer->flags & HOP_END_SEEK) || peer->state != HOP_CANDIDATE)
		return;
	end_move(st, self, HOP_CANDIDATE, st->why);
	tell_found(st, peer, self->netns);
}

/*
 * Some end looks for a peer that sends nothing and so never registers itself. Is it this socket? The STATE
 * callback must be set, or the record would outlive the socket.
 */
static __always_inline void be_found(struct tcp_sock *tp)
{
	struct sock *sk = (struct sock *)tp;
	struct hop_key key, peer_key;
	struct hop_collapse *via;
	struct hop_end *peer, *self;
	struct hop_sock *st;
	__u32 gen = cfg.policy_gen;
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
	st->gen = gen;
	if (register_as(tp, st, bpf_get_socket_cookie(tp)))
		return;
	count(HOP_CNT_SOUGHT);
	self = bpf_map_lookup_elem(&ends, &st->self);
	if (!self || refuse_known(tp, st, self))
		return;
	end_move(st, self, HOP_CANDIDATE, st->why);
	tell_found(st, peer, sock_netns(sk));
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

/* Its cgroup is being detached: no callback will come when it closes, so its record goes now. */
static __always_inline bool unregister(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	int cg = sock_cgroup_attached((struct sock *)tp);

	if (cg >= 0 && !(cg & HOP_CG_LEAVING))
		return false;
	end_move(st, self, HOP_NEW, st->why);
	bpf_map_delete_elem(&ends, &st->self);
	translation_over(&st->self);
	return true;
}

/*
 * Its stream has a hole (break_off() in verdict.h; design.md, I39). The end that reads it is reset, not its
 * peer: the peer may be gone, with only a FIN left of it. TCP_CLOSE has on_close() settle the rest.
 */
static __always_inline void reset(struct sock_common *skc)
{
	if (bpf_sock_destroy)
		bpf_sock_destroy(skc);
}

/* One step of an end that is not in the sockhash. */
static __always_inline void step(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	if (self->gen != cfg.policy_gen)
		new_policy(tp, st, self);
	switch (st->state) {
	case HOP_CANDIDATE:
		join(tp, st, self);
		return;
	case HOP_HELD:
		held(tp, st, self);
		break;
	case HOP_REFUSED:
		refused(tp, st, self);
		break;
	}
	if (st->state == HOP_WATCHED)
		be_found_again(st, self);
}

static __always_inline void visit(struct sock_common *skc, struct tcp_sock *tp)
{
	struct hop_sock *st = bpf_sk_storage_get(&socks, tp, 0, 0);
	struct hop_end *self, *peer;
	__u32 why;

	if (st && hop_in(st->state) && st->gen == cfg.policy_gen && !cfg.draining && !cfg.leaving &&
	    pass_mode() & HOP_MODE_JOINS)
		return;
	if (!st || !hop_registered(st->state)) {
		if (st)
			visit_unregistered(tp, st);
		if (!cfg.draining && pass_mode() & HOP_MODE_SEEK)
			be_found(tp);
		return;
	}
	self = bpf_map_lookup_elem(&ends, &st->self);
	if (!self || self->cookie != st->cookie)
		return;
	if (self->flags & HOP_END_BROKEN) {
		reset(skc);
		return;
	}
	if (hop_in(st->state)) {
		count_hops(st);
		peer = peer_of(st);
		why = leave_reason(tp, st, self, peer);
		if (why)
			leave(tp, st, self, peer, why);
		return;
	}
	if (st->state == HOP_LEFT)
		settle(tp, st, self, peer_of(st));
	else if (!cfg.draining && !(cfg.leaving && unregister(tp, st, self)))
		step(tp, st, self);
}

/*
 * What the agent must know of this visit. Should the buffer of seq_file be full, the socket is visited again.
 */
static __always_inline void tell(struct seq_file *seq, struct tcp_sock *tp)
{
	struct hop_sock *st = bpf_sk_storage_get(&socks, tp, 0, 0);
	struct hop_said said = {};

	if (!st || !st->say)
		return;
	said.say = st->say;
	said.hold_ns = st->hold_ns;
	st->say = 0;
	bpf_seq_write(seq, &said, sizeof(said));
}

SEC("iter/tcp")
int hop_visit(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tcp_sock *tp;

	if (!skc)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc); /* NULL for TIME_WAIT and request sockets */
	if (!tp)
		return 0;
	visit(skc, tp);
	tell(ctx->meta->seq, tp);
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
