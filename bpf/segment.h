/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * segment.h: a received segment, as sk_skb programs see it. The including file declares
 * bpf_cast_to_kern_ctx() (6.2).
 */
#ifndef SOCKHOP_SEGMENT_H
#define SOCKHOP_SEGMENT_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define SEGMENT_SYN 2 /* in tcp_flags */
/* bpf_skb_adjust_room() in sk_skb programs takes at most this much off at a time (sk_skb_adjust_room()). */
#define SEGMENT_CUT_MAX 4095
/* A segment has at most 512 KB (GSO_MAX_SIZE). */
#define SEGMENT_CUTS 132

/* The sequence number of its first byte of payload. */
static __always_inline __u32 segment_seq(struct __sk_buff *skb)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);
	struct tcp_skb_cb *cb = (void *)kskb->cb;

	return BPF_CORE_READ(cb, seq) + !!(BPF_CORE_READ(cb, tcp_flags) & SEGMENT_SYN);
}

/* Cut n bytes off its front; false if that failed (no memory to make the header writable). */
static __always_inline bool segment_cut(struct __sk_buff *skb, __s32 n)
{
	for (int i = 0; i < SEGMENT_CUTS && n > 0; i++) {
		__s32 cut = n < SEGMENT_CUT_MAX ? n : SEGMENT_CUT_MAX;

		if (bpf_skb_adjust_room(skb, -cut, 0, 0))
			return false;
		n -= cut;
	}
	return !n;
}

#endif
