// SPDX-License-Identifier: GPL-2.0-only
/*
 * relay.bpf.c: the relay's kernel side. The verdict program runs for each segment that a relayed socket
 * receives and hands it to the other socket's transmit side; the leave pass takes a socket out again without
 * a loss.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "relay.h"

extern void *bpf_cast_to_kern_ctx(void *) __ksym; /* 6.2 */

#include "segment.h"

char LICENSE[] SEC("license") = "GPL";

/* All maps are resized by user space before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} from SEC(".maps"), to SEC(".maps");

/*
 * Cookie of a relayed socket -> slot: sk_skb programs are not offered socket storage (sk_skb_func_proto()).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct relay_ep);
} eps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

volatile const struct relay_conf_bpf conf;
/* Events that found the ring full; user space then looks at every direction. */
volatile __u64 events_lost;

static __always_inline void tell(__u32 type, __u32 slot)
{
	struct relay_ev ev = {.type = type, .slot = slot};

	if (bpf_ringbuf_output(&events, &ev, sizeof(ev), 0))
		__sync_fetch_and_add(&events_lost, 1);
}

/* The sink's write_seq: what has reached its send queue. False if the sink is not in `to`. */
static __always_inline bool sink_write_seq(__u32 slot, __u32 *seq)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&to, &slot);
	struct tcp_sock *tp;
	bool found = false;

	if (!sk)
		return false;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp) {
		*seq = tp->write_seq;
		found = true;
	}
	bpf_sk_release(sk);
	return found;
}

/* Would one more segment overrun what may wait in front of the sink's send queue? */
static __always_inline bool backlog_full(struct relay_ep *ep, __u32 sink, __u32 len)
{
	__u32 enter = ep->enter, seq, backlog, done = ep->redirected + ep->forwarded;

	if (!sink_write_seq(sink, &seq))
		return true;
	/* Nothing of this direction is in flight when its source enters, so the two counts agree now. */
	if (ep->entered != enter) {
		ep->base = seq - done;
		ep->entered = enter;
		ep->burst = 0;
		ep->turn_bytes = 0;
	}
	backlog = done - (seq - ep->base);
	if (!backlog)
		ep->burst = 0;
	if (ep->burst >= conf.burst_limit)
		return true;
	return backlog + len > (ep->leave ? conf.leave_limit : conf.limit);
}

static __always_inline void count_turn(struct relay_ep *ep, __u32 slot, __u32 len)
{
	__u64 now = bpf_ktime_get_ns(), other_seen;
	__u32 other = slot ^ 1;
	struct relay_ep *oep = bpf_map_lookup_elem(&eps, &other);

	other_seen = oep ? oep->seen : 0;
	if (other_seen != ep->other_seen || now - ep->last_ns > conf.turn_pause)
		ep->turn_bytes = 0;
	ep->other_seen = other_seen;
	ep->last_ns = now;
	ep->turn_bytes += len;
	if (ep->turn_bytes > conf.turn_limit && ep->told != ep->enter) {
		ep->told = ep->enter;
		tell(RELAY_EV_BULK, slot);
	}
}

static __always_inline int leave_to_user(struct relay_ep *ep, __u32 len)
{
	ep->burst = 0;
	ep->to_user += len;
	return SK_PASS;
}

/*
 * Order is kept by two rules: while user space owes bytes (to_user != forwarded) nothing is redirected, and
 * user space sends such bytes only when all redirected ones are in the sink's send queue.
 */
static __always_inline int verdict(struct __sk_buff *skb, struct relay_ep *ep, __u32 slot)
{
	volatile __u64 *forwarded = &ep->forwarded;
	__u32 len = skb->len;

	if (ep->to_user != *forwarded)
		return leave_to_user(ep, len);
	if (backlog_full(ep, slot ^ 1, len) || bpf_sk_redirect_map(skb, &to, slot ^ 1, 0) != SK_PASS) {
		leave_to_user(ep, len);
		tell(RELAY_EV_TO_USER, slot);
		return SK_PASS;
	}
	ep->burst++;
	ep->redirected += len;
	return SK_PASS;
}

/*
 * Cut off what came before. A retransmitted segment may begin with bytes that were received already:
 * tcp_data_queue() queues it whole, tcp_recvmsg() skips what it knows, but tcp_read_skb() hands all of it to
 * the verdict, and the bytes would go out twice (measured: 2 of 22 transfers of 600 MB on a busy host, each
 * time one segment of 65 483 bytes). The helper moves skb->data, so tcp_eat_skb() and the psock count what is
 * left.
 */
static __always_inline bool trim(struct __sk_buff *skb, struct relay_ep *ep)
{
	__u32 seq = segment_seq(skb), len = skb->len;
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tp;
	__s32 old;

	if (ep->started != ep->enter) {
		tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
		if (!tp)
			return false;
		/* user space has read all before */
		ep->next_seq = tp->copied_seq;
		ep->started = ep->enter;
	}
	old = ep->next_seq - seq;
	ep->next_seq = seq + len;
	if (old < 0 || (__u32)old >= len)
		return false;
	ep->trimmed += old;
	return segment_cut(skb, old);
}

SEC("sk_skb/stream_verdict")
int relay_verdict(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	__u32 *slot = bpf_map_lookup_elem(&slots, &cookie);
	struct relay_ep *ep;
	volatile __u64 *seen;
	int ret;

	/* A segment that only carries the FIN: redirected, it would break the sink's pipe (EPIPE). */
	if (!skb->len)
		return SK_DROP;
	ep = slot ? bpf_map_lookup_elem(&eps, slot) : NULL;
	if (!ep)
		return SK_PASS;
	if (!trim(skb, ep)) {
		tell(RELAY_EV_LOST, *slot);
		return SK_DROP;
	}
	ret = verdict(skb, ep, *slot);
	count_turn(ep, *slot, skb->len);
	/* Last: user space takes `seen` for the proof that the other counts are complete. */
	seen = &ep->seen;
	*seen += skb->len;
	return ret;
}

/*
 * The leave pass. bpf_iter_tcp_seq_show() holds the socket's lock, so no verdict is running and none can
 * start before the source is out of the map: without the lock, a segment that tcp_read_skb() has unlinked at
 * that moment would meet a psock without a program and be dropped. The psock itself lives on, because the
 * socket stays in `to`; what was redirected is in the sink's psock and goes out.
 */
SEC("iter/tcp")
int relay_leave(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct relay_ep *ep;
	__u64 cookie;
	__u32 *slot;

	if (!skc)
		return 0;
	cookie = bpf_get_socket_cookie(skc);
	slot = bpf_map_lookup_elem(&slots, &cookie);
	ep = slot ? bpf_map_lookup_elem(&eps, slot) : NULL;
	if (!ep || !ep->leave || ep->left == ep->enter)
		return 0;
	/* Bytes left to user space are in the psock, and count as read only when they are read through it. */
	if (ep->to_user != ep->forwarded)
		return 0;
	if (!bpf_map_delete_elem(&from, slot))
		ep->left = ep->enter;
	return 0;
}
