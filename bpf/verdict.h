/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * verdict.h: the stream_verdict program. A part of sockops.bpf.c, because libbpf's linker (1.1) cannot merge
 * two objects that use the same kfunc.
 */
#ifndef SOCKHOP_VERDICT_H
#define SOCKHOP_VERDICT_H

#include "maps.h"
#include "segment.h"

/* The record of the receiver of this segment. */
static __always_inline struct hop_end *receiver(struct tcp_sock *tp)
{
	struct hop_key key;

	key = hop_key_derive(tp->snd_una, tp->bytes_acked, tp->rcv_nxt, tp->bytes_received);
	return bpf_map_lookup_elem(&ends, &key);
}

/*
 * Cut off what came before, or the reader would get it twice (design.md, I13): tcp_read_skb() hands over
 * whole skbs. A retransmitted segment may begin with bytes that were received already (tcp_data_queue()
 * queues it whole, tcp_recvmsg() skips what it knows); and when an end joins, the head of its queue may be
 * partly read (848 and 2 553 faults in 2.6 GB without this). False if that failed (no memory to make the
 * header writable).
 */
static __always_inline bool trim(struct __sk_buff *skb, struct tcp_sock *tp, struct hop_end *self)
{
	__u32 seq = segment_seq(skb), len = skb->len;
	__s32 old;

	/*
	 * A call that began before the join may have read on from the receive queue after it. Later
	 * copied_seq is behind: it moves when the reader takes what was handed over.
	 */
	if ((__s32)(tp->copied_seq - self->next) > 0)
		self->next = tp->copied_seq;
	old = self->next - seq;
	if (old <= 0) {
		self->next = seq + len;
		return true;
	}
	if ((__u32)old > len)
		old = len;
	else
		self->next = seq + len;
	if (cfg.force & HOP_FORCE_CUT || !segment_cut(skb, old))
		return false;
	count_add(HOP_CNT_TRIMMED, old);
	return true;
}

/*
 * This segment cannot be handed over, and its bytes are acknowledged: from here on the stream has a hole
 * (design.md, I39). No byte behind it may be read, whether it comes by TCP (hop_verdict drops all) or hops
 * (peer_sound()), and the connection ends with a reset, in the next pass: only iterators may destroy a
 * socket. The mark is a full barrier (its old value is used): it is there before copied_seq moves over the
 * segment (tcp_eat_skb()).
 */
static __always_inline void break_off(struct hop_end *self)
{
	struct hop_event ev = {.type = HOP_EV_LEAVE, .why = HOP_WHY_BROKEN};

	if (__sync_fetch_and_or(&self->flags, HOP_END_BROKEN) & HOP_END_BROKEN)
		return;
	count(HOP_CNT_WHY + HOP_WHY_BROKEN);
	ev.netns = ev.peer_netns = self->netns;
	emit(&ev);
}

/*
 * TCP bytes enter the hop queue, in order: a member has one receive queue, whose end is the end of all data,
 * and FIONREAD counts it (design.md, I31). It needs bpf_cast_to_kern_ctx() (6.2), and hop_visit with
 * bpf_sock_destroy() (6.5) for a segment that cannot be handed over (I39).
 */
SEC("sk_skb/stream_verdict")
int hop_verdict(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct hop_end *self = tp ? receiver(tp) : NULL;

	if (!self || !skb->len || cfg.force & HOP_FORCE_TRIM)
		return SK_PASS;
	if (!(self->flags & HOP_END_BROKEN)) {
		if (trim(skb, tp, self))
			return SK_PASS;
		break_off(self);
	}
	return SK_DROP;
}

#endif
