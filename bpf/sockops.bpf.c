// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockops.bpf.c: finds candidates. At ESTABLISHED it sets a flag and nothing else; the round-trip callback
 * looks at the kernel's own counters and registers an end once its traffic is chatty. All callbacks run
 * under the socket's lock.
 *
 * It never touches `reply`, and it adds flags to those that other sockops programs have set: several programs
 * share a cgroup.
 */
#include "facts.h"
#include "pair.h"
#include "window.h"

void *bpf_cast_to_kern_ctx(void *) __ksym __weak;

#include "verdict.h"

static __always_inline void flags_set(struct bpf_sock_ops *ctx, __u32 add, __u32 drop)
{
	if (cfg.keep_rtt)
		drop = 0;
	bpf_sock_ops_cb_flags_set(ctx, (ctx->bpf_sock_ops_cb_flags | add) & ~drop);
}

/*
 * Its segments leave by the loopback device (the peer is in the same network namespace) or by a virtual one,
 * such as veth: the peer may be on this host. Drivers of hardware have no rtnl_link_ops.
 */
static __always_inline bool sent_within_host(struct tcp_sock *tp)
{
	struct net_device *dev = BPF_CORE_READ((struct sock *)tp, sk_dst_cache, dev);

	return BPF_CORE_READ(dev, flags) & HOP_IFF_LOOPBACK || BPF_CORE_READ(dev, rtnl_link_ops);
}

/*
 * The round-trip callback needs an acknowledgement of own data, so who only receives (a subscriber, a log
 * server) never comes by to register. Ask the agent for a pass that does it. `peer`: its record, if it has
 * left or was refused since. While it is held back a pass for it would be in vain: one comes when that is
 * over.
 */
static __always_inline void seek(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self,
				 const struct hop_end *peer)
{
	struct hop_event ev = {.type = HOP_EV_SEEK};

	if (!cfg.setsockopt_iter || cfg.keep_rtt || !sent_within_host(tp))
		return;
	self->flags |= HOP_END_SEEK;
	if (peer && peer->flags & HOP_END_DEAD)
		return;
	ev.cookie = st->cookie;
	ev.netns = self->netns;
	emit(&ev);
}

/* This end wants to join; if the other one does too, tell the agent. `silent`: the other one sends nothing.
 */
static __always_inline void want(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self, bool silent)
{
	struct hop_event ev = {.type = HOP_EV_PAIRED};
	struct hop_end *peer;

	self->flags &= ~HOP_END_DEAD;
	st->tries = 0;
	/*
	 * Both ends may do this at the same time on two CPUs; each sets its flag and then looks at the
	 * other's, and one must see the other. The value of the atomic operation is used, so that it is a
	 * full barrier.
	 */
	if (__sync_fetch_and_or(&self->flags, HOP_END_WANT) & HOP_END_MEMBER)
		return;
	peer = find_peer(st);
	/* one that has left, or was refused, is watched again, but who sends nothing asks no more */
	if (silent && (!peer || !(peer->flags & (HOP_END_WANT | HOP_END_MEMBER))))
		seek(tp, st, self, peer);
	if (!peer || !(peer->flags & (HOP_END_WANT | HOP_END_MEMBER)))
		return;
	ev.cookie = st->cookie;
	ev.peer_cookie = peer->cookie;
	ev.netns = self->netns;
	ev.peer_netns = peer->netns;
	count(HOP_CNT_PAIRED);
	emit(&ev);
}

static __always_inline __u32 look(struct bpf_sock_ops *ctx, struct tcp_sock *tp, struct hop_sock *st,
				  __u32 segs)
{
	__u32 n = segs - st->win_segs, in = ctx->data_segs_in - st->win_in, why;
	bool first = !st->registered;
	struct hop_end *e;

	if (!st->win_len) { /* the first look */
		window_open(st, segs, ctx->data_segs_in, ctx->bytes_received + ctx->bytes_acked);
		return HOP_WHY_YOUNG;
	}
	if (n < st->win_len)
		return st->why;
	why = window_verdict(st, n, in, ctx->bytes_received + ctx->bytes_acked);
	if (why)
		return why;
	st->gen = cfg.policy_gen;
	if (policy_action((__u64)(long)tp) == HOP_ACTION_NEVER) {
		flags_set(ctx, 0, BPF_SOCK_OPS_RTT_CB_FLAG);
		return HOP_WHY_POLICY;
	}
	if (first) {
		why = register_as(tp, st, bpf_get_socket_cookie(ctx), 0);
		if (why) {
			st->win_len = HOP_WINDOW << HOP_WINDOW_SHIFT;
			return why;
		}
	}
	flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG, BPF_SOCK_OPS_RTT_CB_FLAG);
	e = bpf_map_lookup_elem(&ends, &st->self);
	if (!e || e->cookie != st->cookie)
		return HOP_WHY_ERROR;
	why = first ? refuse_known(tp, st, e) : HOP_WHY_NONE;
	if (why) {
		find_peer(st); /* for who asks */
		return why;
	}
	want(tp, st, e, in < n / HOP_ONE_WAY);
	return HOP_WHY_PEER_OUTSIDE;
}

/*
 * With keep_rtt the callback comes although nobody asked for it: while an end wants to join, leaves or is
 * held back it must change nothing. Where passes cannot set the flag (6.1), this is how a refused end is
 * watched again.
 */
static __always_inline bool not_watched(struct hop_sock *st)
{
	struct hop_end *e = bpf_map_lookup_elem(&ends, &st->self);

	return e && e->cookie == st->cookie && (e->flags & (HOP_END_WANT | HOP_END_LEAVE | HOP_END_DEAD));
}

static __always_inline void on_rtt(struct bpf_sock_ops *ctx)
{
	__u32 segs = ctx->data_segs_in + ctx->data_segs_out, why;
	struct bpf_sock *sk;
	struct tcp_sock *tp;
	struct hop_sock *st;

	if (segs < cfg.min_segs || cfg.draining)
		return;
	sk = ctx->sk;
	if (!sk)
		return;
	st = bpf_sk_storage_get(&socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!st || st->member)
		return;
	if (cfg.keep_rtt && st->registered && not_watched(st))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	why = look(ctx, tp, st, segs);
	if (why != st->why) {
		st->why = why;
		count(HOP_CNT_WHY + (why & 63));
	}
}

/*
 * A closing reader with unread bytes: with the verdict program on the map no RST tells the peer, and a
 * blocked sender would hang (75 s were measured). sock_map_close() has dropped the psock by now and the purge
 * comes an RCU grace period later, so sk_rmem_alloc still shows the bytes. shutdown(SHUT_RDWR) keeps its
 * psock.
 */
static __always_inline void on_fin_wait(struct tcp_sock *tp, struct hop_end *self)
{
	struct sock *sk = (struct sock *)tp;

	if (cfg.verdict && BPF_CORE_READ(sk, sk_shutdown) == 3 &&
	    BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter) && !BPF_CORE_READ(sk, sk_user_data))
		self->flags |= HOP_END_CLOSED;
}

/* Linux: TCP_USER_TIMEOUT bounds how long unacknowledged data may wait: the sender fails in about 0.4 s. */
static __always_inline void on_close_wait(struct bpf_sock_ops *ctx, struct hop_sock *st)
{
	struct hop_end *peer = bpf_map_lookup_elem(&ends, &st->peer);
	int ms = 50;

	if (!peer || !(peer->flags & HOP_END_CLOSED))
		return;
	bpf_setsockopt(ctx, 6 /* SOL_TCP */, 18 /* TCP_USER_TIMEOUT */, &ms, sizeof(ms));
	count(HOP_CNT_CLOSE_GUARD);
}

static __always_inline void on_close(struct hop_sock *st, struct hop_end *self)
{
	if (st->member) {
		st->member = 0;
		__sync_fetch_and_sub(&cfg.members, st->places);
		st->places = 0;
		count(HOP_CNT_CLOSED);
	}
	st->registered = 0;
	if (self) {
		bpf_map_delete_elem(&ends, &st->self);
		if (st->relay) /* the relay does so, too, unless it was killed */
			bpf_map_delete_elem(&collapse, &st->self);
	}
}

/*
 * A socket that was disconnected, connect(AF_UNSPEC), begins again: it connects elsewhere, or listens.
 * tcp_disconnect() purges the queues of TCP and knows neither the hop queue nor the sockhash; without this
 * the bytes that waited there would be the first ones of the new connection. (Not at TCP_CLOSE: after a
 * reset, which looks the same there, unread bytes stay readable as on TCP.) With its storage goes all that
 * was known of the old connection.
 */
static __always_inline void forget(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct hop_end *self;
	struct hop_sock *st;
	__u64 cookie;

	if (!sk)
		return;
	guard_forget(sk);
	st = bpf_sk_storage_get(&socks, sk, 0, 0);
	if (!st)
		return;
	cookie = st->cookie;
	if (st->registered) { /* somebody else has cleared the flag of the STATE callback */
		self = bpf_map_lookup_elem(&ends, &st->self);
		on_close(st, self && self->cookie == cookie ? self : NULL);
	}
	if (cookie)
		bpf_map_delete_elem(&members, &cookie);
	bpf_sk_storage_delete(&socks, sk);
}

static __always_inline void on_state(struct bpf_sock_ops *ctx)
{
	__u32 state = ctx->args[1];
	struct bpf_sock *sk = ctx->sk;
	struct hop_end *self;
	struct hop_sock *st;
	struct tcp_sock *tp;

	if (!sk)
		return;
	if (state ==
	    BPF_TCP_SYN_SENT) { /* before TCP_CONNECT, which waits for data with TCP_FASTOPEN_CONNECT */
		forget(ctx);
		return;
	}
	st = bpf_sk_storage_get(&socks, sk, 0, 0);
	if (!st || !st->registered)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	self = bpf_map_lookup_elem(&ends, &st->self);
	if (self && self->cookie != st->cookie)
		self = NULL;
	if (state == BPF_TCP_CLOSE)
		on_close(st, self);
	else if (state == BPF_TCP_FIN_WAIT1 && st->member && self)
		on_fin_wait(tp, self);
	else if (state == BPF_TCP_CLOSE_WAIT) /* also of one that has left before its peer could */
		on_close_wait(ctx, st);
}

/*
 * Early joins. The listener's request socket (TIMEOUT_INIT with is_fullsock 0) knows both ISNs; if the policy
 * says so it leaves a mark under the key that the client will derive at ACTIVE_ESTABLISHED, which comes
 * before the server's PASSIVE_ESTABLISHED. The client joins if it finds the mark, the server if the client
 * joined. SYN cookies skip the callback, so those connections stay on TCP.
 */
struct mark {
	__u64 userns;
	__u32 action;
	__u32 gen; /* of the policy that says so */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct hop_key);
	__type(value, struct mark);
} marks SEC(".maps");

static __always_inline void on_request(struct bpf_sock_ops *ctx)
{
	struct bpf_sock_ops_kern *kern = bpf_cast_to_kern_ctx(ctx);
	struct tcp_request_sock *req = (void *)kern->sk;
	struct hop_key key;
	struct mark mark = {.gen = cfg.policy_gen};

	mark.action = policy_action((__u64)(long)req);
	if (mark.action == HOP_ACTION_NEVER)
		return;
	mark.userns = sock_userns((struct sock *)req);
	key.a = BPF_CORE_READ(req, rcv_isn);
	key.b = BPF_CORE_READ(req, snt_isn) + 1;
	bpf_map_update_elem(&marks, &key, &mark, BPF_ANY);
}

/*
 * Insert this end now. Facts that can be read already must hold. `other`: the record of the peer; NULL if it
 * has none yet, then become_ready() finds it.
 */
static __always_inline void join_early(struct bpf_sock_ops *ctx, struct bpf_sock *sk, struct tcp_sock *tp,
				       const struct hop_key *peer, const struct hop_end *other, __u32 gen)
{
	struct hop_sock *st;
	struct hop_end *self;
	__u64 cookie;

	if (cfg.members >= cfg.max_members) {
		count(HOP_CNT_WHY + HOP_WHY_FULL);
		return;
	}
	if (sock_is_mptcp(tp))
		return;
	/* a detach that is under way, or was given up, makes no new members: nobody would take them out */
	if (sock_cgroup_attached((struct sock *)tp) & HOP_CG_LEAVING)
		return;
	st = bpf_sk_storage_get(&socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	/* below two attached cgroups of one instance the program runs twice */
	if (!st || st->registered)
		return;
	st->peer = *peer;
	st->peer_cookie = other ? other->cookie : 0;
	st->peer_sk = other ? other->sk : 0;
	st->gen = gen;
	if (register_as(tp, st, bpf_get_socket_cookie(ctx), HOP_END_EARLY))
		return;
	flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG, 0);
	self = bpf_map_lookup_elem(&ends, &st->self);
	if (!self)
		return;
	self->next = tp->copied_seq;
	cookie = st->cookie;
	if (guard_join(sk) || bpf_sock_hash_update(ctx, &members, &cookie, BPF_NOEXIST)) {
		guard_leave(sk);
		count(HOP_CNT_WHY + HOP_WHY_ERROR);
		return;
	}
	__sync_fetch_and_add(&cfg.members, 1);
	st->places = 1;
	st->member = 1;
	st->joins++;
	self->cseq = tp->copied_seq;
	self->flags |= HOP_END_MEMBER;
	flags_set(ctx, 0, BPF_SOCK_OPS_RTT_CB_FLAG);
	count(HOP_CNT_EARLY);
}

static __always_inline void early_active(struct bpf_sock_ops *ctx, struct bpf_sock *sk, struct tcp_sock *tp)
{
	struct hop_key key, peer;
	struct mark *mark;
	__u32 action, why, gen;

	key = hop_key_derive(tp->snd_una, ctx->bytes_acked, tp->rcv_nxt, ctx->bytes_received);
	mark = bpf_map_lookup_elem(&marks, &key);
	if (!mark)
		return;
	action = hop_policy_pair(mark->action, policy_action((__u64)(long)tp));
	gen = mark->gen; /* a policy that has changed since has both ends judged again */
	if (mark->userns != sock_userns((struct sock *)tp))
		action = HOP_ACTION_LATE;
	bpf_map_delete_elem(&marks, &key);
	if (action != HOP_ACTION_EARLY)
		return;
	/* connect() is running or polled for, so what the program has set so far is there to be read */
	why = sock_unfit((__u64)(long)tp, 0);
	if (why) {
		count(HOP_CNT_WHY + (why & 63));
		return;
	}
	peer = hop_key_peer(&key, true);
	join_early(ctx, sk, tp, &peer, NULL, gen);
}

static __always_inline void early_passive(struct bpf_sock_ops *ctx, struct bpf_sock *sk, struct tcp_sock *tp)
{
	struct hop_key key, peer_key;
	struct hop_end *peer;

	key = hop_key_derive(tp->snd_una, ctx->bytes_acked, tp->rcv_nxt, ctx->bytes_received);
	peer_key = hop_key_peer(&key, false);
	peer = bpf_map_lookup_elem(&ends, &peer_key);
	if (!peer || !(peer->flags & HOP_END_MEMBER) || !(peer->flags & HOP_END_EARLY) ||
	    peer->userns != sock_userns((struct sock *)tp))
		return;
	join_early(ctx, sk, tp, &peer_key, peer, peer->gen);
}

static __always_inline void on_established(struct bpf_sock_ops *ctx, bool early)
{
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tp;

	if (cfg.draining || !sk)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || BPF_CORE_READ_BITFIELD(tp, repair))
		return; /* connect() in repair mode: its sequence numbers are whatever its owner says */
	flags_set(ctx, BPF_SOCK_OPS_RTT_CB_FLAG | guard_flags(), 0);
	if (!early || !cfg.early)
		return;
	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		early_active(ctx, sk, tp);
	else
		early_passive(ctx, sk, tp);
}

/*
 * connect(AF_UNSPEC) dissolves a connection, and its socket may listen then. Each accepted socket would be a
 * clone of one with our storage, which sk_clone() frees under the listener where it gives up early
 * (CVE-2026-68399).
 */
static __always_inline void on_listen(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	forget(ctx);
	if (sk)
		bpf_sk_storage_delete(&relayed, sk);
}

static __always_inline void dispatch(struct bpf_sock_ops *ctx, bool early)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_RTT_CB:
		on_rtt(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		on_state(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		on_established(ctx, early);
		break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB: /* this and the next come whatever flags are set */
		on_listen(ctx);
		break;
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		forget(ctx);
		break;
	}
}

/* With early joins: needs bpf_cast_to_kern_ctx() (kernel 6.2). */
SEC("sockops")
int hop_sockops(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_TIMEOUT_INIT) {
		if (cfg.early && !ctx->is_fullsock && !cfg.draining)
			on_request(ctx);
		return 1;
	}
	dispatch(ctx, true);
	return 1;
}

/* The same without early joins, for older kernels. */
SEC("sockops")
int hop_sockops_late(struct bpf_sock_ops *ctx)
{
	dispatch(ctx, false);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
