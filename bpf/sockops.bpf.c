// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockops.bpf.c: finds candidates. At ESTABLISHED it sets a flag and nothing else; the round-trip callback
 * looks at the kernel's own counters and registers an end once its traffic is chatty. All callbacks run
 * under the socket's lock.
 *
 * It never touches `reply`, and it adds flags to those that other sockops programs have set: several programs
 * share a cgroup.
 */
#include "callback.h"
#include "pair.h"
#include "translation.h"
#include "window.h"

void *bpf_cast_to_kern_ctx(void *) __ksym __weak;

#include "early.h"
#include "verdict.h"

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
 * The round-trip callback needs an acknowledgement of data that the end has sent, so an end that only
 * receives (a subscriber, a log server) never registers itself. Ask the agent for a pass that registers it.
 * `peer`: its record, if it has left or was refused since. While it is held back a pass is useless; one comes
 * later.
 */
static __always_inline void seek(struct tcp_sock *tp, struct hop_end *self, const struct hop_end *peer)
{
	struct hop_event ev = {.type = HOP_EV_SEEK};

	if (!cfg.setsockopt_iter || cfg.keep_rtt || !sent_within_host(tp))
		return;
	self->flags |= HOP_END_SEEK;
	if (peer && (peer->state == HOP_HELD || peer->state == HOP_REFUSED))
		return;
	ev.netns = self->netns;
	emit(&ev);
}

/*
 * This end wants to join; if the other one does too, tell the agent. `silent`: the other one sends nothing.
 */
static __always_inline void want(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self, bool silent)
{
	struct hop_event ev = {.type = HOP_EV_PAIRED};
	struct hop_end *peer;

	st->tries = 0;
	/* the peer may do the same now on another CPU: one of the two sees the other */
	end_move(st, self, HOP_CANDIDATE, HOP_WHY_PEER_OUTSIDE);
	peer = find_peer(st);
	/*
	 * an end that has left or was refused is watched again, but if it sends nothing it never asks again
	 */
	if (silent && (!peer || !hop_eager(peer->state)))
		seek(tp, self, peer);
	if (!peer || !hop_eager(peer->state))
		return;
	ev.netns = self->netns;
	ev.peer_netns = peer->netns;
	count(HOP_CNT_PAIRED);
	emit(&ev);
}

static __always_inline __u32 look(struct bpf_sock_ops *ctx, struct tcp_sock *tp, struct hop_sock *st,
				  __u32 segs)
{
	__u32 n = segs - st->win_segs, in = ctx->data_segs_in - st->win_in, why;
	bool first = st->state == HOP_NEW;
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
		why = register_as(tp, st, bpf_get_socket_cookie(ctx));
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
		find_peer(st); /* for the end that asks */
		return why;
	}
	want(tp, st, e, in < n / HOP_ONE_WAY);
	return HOP_WHY_PEER_OUTSIDE;
}

/*
 * The callback also comes unasked: always with keep_rtt, when other programs ask for it, and at ends that a
 * pass has found. Then it must change nothing; only a candidate that was found may ask for itself. Where
 * passes cannot set the flag (6.1), this is how a refused end is watched again.
 */
static __always_inline bool not_watched(__u32 state)
{
	return state != HOP_NEW && state != HOP_WATCHED && (cfg.keep_rtt || state != HOP_CANDIDATE);
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
	if (!st || not_watched(st->state))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	why = look(ctx, tp, st, segs);
	end_why(st, NULL, why);
}

/*
 * The close guard (design.md, I20). A reader closes with unread bytes: with the verdict program on the map no
 * RST tells the peer, and a blocked sender would hang (75 s were measured). sock_map_close() has dropped the
 * psock by now and the purge comes an RCU grace period later, so sk_rmem_alloc still shows the bytes.
 * shutdown(SHUT_RDWR) keeps its psock.
 */
static __always_inline void on_fin_wait(struct tcp_sock *tp, struct hop_end *self)
{
	struct sock *sk = (struct sock *)tp;

	if (cfg.verdict && BPF_CORE_READ(sk, sk_shutdown) == HOP_BOTH_SHUTDOWN &&
	    BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter) && !BPF_CORE_READ(sk, sk_user_data))
		self->flags |= HOP_END_UNREAD;
}

/* Bounds how long unacknowledged data may wait: the sender fails in about 0.4 s. */
#define CLOSE_GUARD_MS 50

static __always_inline void on_close_wait(struct bpf_sock_ops *ctx, struct hop_sock *st)
{
	struct hop_end *peer = bpf_map_lookup_elem(&ends, &st->peer);
	int ms = CLOSE_GUARD_MS;

	if (!peer || !(peer->flags & HOP_END_UNREAD))
		return;
	bpf_setsockopt(ctx, HOP_SOL_TCP, HOP_TCP_USER_TIMEOUT, &ms, sizeof(ms));
	count(HOP_CNT_CLOSE_GUARD);
}

/* The record of an end lives as long as its socket (design.md, I4, I23). */
static __always_inline void on_close(struct hop_sock *st, struct hop_end *self)
{
	end_move(st, self, HOP_CLOSED, st->why);
	if (self) {
		bpf_map_delete_elem(&ends, &st->self);
		translation_over(&st->self);
		if (st->relay) /* the relay does so, too, unless it was killed */
			bpf_map_delete_elem(&collapse, &st->self);
	}
}

/*
 * A socket that connect(AF_UNSPEC) disconnected starts again (design.md, I37): it connects elsewhere, or
 * listens. tcp_disconnect() purges the queues of TCP and knows neither the hop queue nor the sockhash;
 * without this the bytes that waited there would be the first ones of the new connection. (Not at TCP_CLOSE:
 * after a reset, which looks the same there, unread bytes stay readable as on TCP.) With its storage goes all
 * that was known of the old connection, but for a peer that may have a hop in flight: see old_quiet().
 */
static __always_inline void forget(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct hop_end *self;
	struct hop_sock *st;
	__u64 cookie, old_sk, old_cookie;

	if (!sk)
		return;
	guard_forget(sk);
	st = bpf_sk_storage_get(&socks, sk, 0, 0);
	if (!st)
		return;
	cookie = st->cookie;
	if (hop_registered(st->state)) { /* another program has cleared the flag of the STATE callback */
		self = bpf_map_lookup_elem(&ends, &st->self);
		on_close(st, self && self->cookie == cookie ? self : NULL);
	}
	if (cookie)
		bpf_map_delete_elem(&members, &cookie);
	old_sk = st->peer_sk ? st->peer_sk : st->old_sk;
	old_cookie = st->peer_sk ? st->peer_cookie : st->old_cookie;
	__builtin_memset(st, 0, sizeof(*st));
	st->old_sk = old_sk;
	st->old_cookie = old_cookie;
	if (old_quiet(st))
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
	if (!st || !hop_registered(st->state))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	self = bpf_map_lookup_elem(&ends, &st->self);
	if (self && self->cookie != st->cookie)
		self = NULL;
	if (state == BPF_TCP_CLOSE)
		on_close(st, self);
	else if (state == BPF_TCP_FIN_WAIT1 && hop_in(st->state) && self)
		on_fin_wait(tp, self);
	else if (state == BPF_TCP_CLOSE_WAIT) /* also of one that has left before its peer could */
		on_close_wait(ctx, st);
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
	if (!sk)
		return;
	bpf_sk_storage_delete(&socks, sk);
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
