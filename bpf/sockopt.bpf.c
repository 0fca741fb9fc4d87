// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockopt.bpf.c: a member that is about to set an option which no member may have leaves. The hook runs
 * before the kernel acts and without the socket lock, so it only leaves a note and wakes the agent; meanwhile
 * the verdict sees the option itself and sends nothing more to that socket (design.md, I14).
 */
#include "end.h"
#include "ksock.h"

#define HOP_SOL_SOCKET		1
#define HOP_SO_OOBINLINE	10
#define HOP_SO_RCVLOWAT		18
#define HOP_SO_ZEROCOPY		60
#define HOP_SO_ATTACH_FILTER	26
#define HOP_SO_ATTACH_BPF	50
#define HOP_SO_PEEK_OFF		42
#define HOP_SO_TIMESTAMP	29
#define HOP_SO_TIMESTAMPNS	35
#define HOP_SO_TIMESTAMPING	37
#define HOP_SO_MAX_PACING_RATE	47
#define HOP_SO_TIMESTAMP_NEW	63
#define HOP_SO_TIMESTAMPING_NEW 65
#define HOP_TCP_REPAIR		19
#define HOP_TCP_ULP		31
#define HOP_TCP_INQ		36
#define HOP_SOL_TLS		282
#define HOP_TLS_RX		2
#define HOP_EBUSY		16

/* The start of the value; what is shorter than an int, or cannot be read, is no value that says "off". */
static __always_inline bool value_of(struct bpf_sockopt *ctx, __s32 *value)
{
	void *at = ctx->optval;

	if (at + sizeof(*value) > ctx->optval_end)
		return false;
	*value = *(__s32 *)at;
	return true;
}

/*
 * A value by which the option is, or stays, what a member may have: programs that set SO_RCVLOWAT to 1, or
 * switch time stamps off, need not leave. What has no such value (a filter, a ULP) is none.
 */
static __always_inline bool harmless(__s32 level, __s32 name, __s32 value)
{
	if (level == HOP_SOL_TCP)
		return name != HOP_TCP_ULP && !value; /* TCP_REPAIR_OFF, no TCP_INQ */
	if (name == HOP_SO_ATTACH_FILTER || name == HOP_SO_ATTACH_BPF)
		return false;
	if (name == HOP_SO_RCVLOWAT) /* a negative one means INT_MAX (sk_setsockopt(), net/core/sock.c) */
		return value == 0 || value == 1;
	if (name == HOP_SO_PEEK_OFF)
		return value < 0;
	if (name == HOP_SO_MAX_PACING_RATE) /* ~0: none. Half of a long with these bits is 4 GB/s and more */
		return value == -1;
	return !value;
}

static __always_inline __u32 option_why(__s32 level, __s32 name)
{
	if (level == HOP_SOL_SOCKET) {
		if (name == HOP_SO_RCVLOWAT)
			return HOP_WHY_LOWAT;
		if (name == HOP_SO_ZEROCOPY)
			return HOP_WHY_ZEROCOPY;
		if (name == HOP_SO_OOBINLINE)
			return HOP_WHY_OOB;
		if (name == HOP_SO_ATTACH_FILTER || name == HOP_SO_ATTACH_BPF || name == HOP_SO_PEEK_OFF ||
		    name == HOP_SO_MAX_PACING_RATE || name == HOP_SO_TIMESTAMP ||
		    name == HOP_SO_TIMESTAMPNS || name == HOP_SO_TIMESTAMPING ||
		    (name >= HOP_SO_TIMESTAMP_NEW && name <= HOP_SO_TIMESTAMPING_NEW))
			return HOP_WHY_OPTION;
	} else if (level == HOP_SOL_TCP) {
		if (name == HOP_TCP_ULP)
			return HOP_WHY_ULP;
		if (name == HOP_TCP_REPAIR)
			return HOP_WHY_REPAIR;
		if (name == HOP_TCP_INQ)
			return HOP_WHY_OPTION;
	}
	return HOP_WHY_NONE;
}

static __noinline int ask_to_leave(struct hop_sock *st, __u32 why)
{
	struct hop_event ev = {.type = HOP_EV_LEAVE, .why = why};
	struct hop_end *self, *peer;
	struct hop_key key;

	if (!st || !hop_in(st->state))
		return 0;
	key = st->self;
	self = bpf_map_lookup_elem(&ends, &key);
	/* an end that was asked has already caused an event (design.md, I43); settle() clears the mark */
	if (!self || self->cookie != st->cookie || self->ask)
		return 0;
	self->ask = why;
	ev.netns = self->netns;
	key = st->peer;
	peer = bpf_map_lookup_elem(&ends, &key);
	ev.peer_netns = peer ? peer->netns : self->netns;
	emit(&ev);
	return 0;
}

/*
 * kTLS is about to take over a member that has bytes of a hop, or of the verdict program, to read.
 * tls_sw_recvmsg() (net/tls/tls_sw.c) takes what lies in the hop queue as it is: records would be delivered
 * undecrypted. Asked again at TLS_RX, for what hopped before the peer saw TCP_ULP.
 */
static __noinline int tls_too_early(struct hop_sock *st)
{
	struct hop_end *self;
	struct hop_key key;

	if (!st || !hop_in(st->state))
		return 0;
	key = st->self;
	self = bpf_map_lookup_elem(&ends, &key);
	return self && self->cookie == st->cookie && !sock_hop_queue_empty(self->sk);
}

static __always_inline bool sets_tls(__s32 level, __s32 name)
{
	return (level == HOP_SOL_TCP && name == HOP_TCP_ULP) || (level == HOP_SOL_TLS && name == HOP_TLS_RX);
}

SEC("cgroup/setsockopt")
int hop_setsockopt(struct bpf_sockopt *ctx)
{
	__s32 level = ctx->level, name = ctx->optname, value = 0;
	struct bpf_sock *sk = ctx->sk;
	struct hop_sock *st;
	__u32 why;

	/* read once: from a pointer into the context that the compiler has made the verifier takes no load */
	barrier_var(level);
	barrier_var(name);
	why = option_why(level, name);
	/* a value larger than a page is not shown whole, and the kernel reads it again; say that it was not
	 * touched */
	if (ctx->optlen > 4096)
		ctx->optlen = 0;
	else if (value_of(ctx, &value) && harmless(level, name, value))
		why = HOP_WHY_NONE;
	if ((!why && level != HOP_SOL_TLS) || !sk)
		return 1;
	st = bpf_sk_storage_get(&socks, sk, 0, 0);
	if (why)
		ask_to_leave(st, why);
	if (sets_tls(level, name) && tls_too_early(st)) {
		bpf_set_retval(-HOP_EBUSY);
		return 0;
	}
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
