/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * early.h: early joins, at ESTABLISHED. A part of sockops.bpf.c, which declares bpf_cast_to_kern_ctx() (6.2).
 */
#ifndef SOCKHOP_EARLY_H
#define SOCKHOP_EARLY_H

#include "callback.h"
#include "pair.h"

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

	if (cfg.observe) /* it shows as a late one whether it would join */
		return;
	if (cfg.members >= cfg.max_members) {
		count(HOP_CNT_WHY + HOP_WHY_FULL);
		return;
	}
	if (sock_is_mptcp(tp))
		return;
	/* a detach that runs, or was given up, makes no new members: nothing would take them out */
	if (sock_cgroup_attached((struct sock *)tp) & HOP_CG_LEAVING)
		return;
	st = bpf_sk_storage_get(&socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	/* below two attached cgroups of one instance the program runs twice */
	if (!st || st->state != HOP_NEW || !old_quiet(st))
		return;
	st->peer = *peer;
	st->peer_cookie = other ? other->cookie : 0;
	st->peer_sk = other ? other->sk : 0;
	st->gen = gen;
	if (register_as(tp, st, bpf_get_socket_cookie(ctx)))
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
	st->places = 1;
	self->cseq = tp->copied_seq;
	self->flags |= HOP_END_EARLY;
	end_move(st, self, HOP_MEMBER, HOP_WHY_NONE);
	flags_set(ctx, 0, BPF_SOCK_OPS_RTT_CB_FLAG);
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
	if (!peer || !hop_in(peer->state) || !(peer->flags & HOP_END_EARLY) ||
	    peer->userns != sock_userns((struct sock *)tp))
		return;
	join_early(ctx, sk, tp, &peer_key, peer, peer->gen);
}

#endif
