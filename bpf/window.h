/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * window.h: is the traffic of an end worth it? The kernel's own counters, compared over a window of some
 * segments.
 */
#ifndef SOCKHOP_WINDOW_H
#define SOCKHOP_WINDOW_H

#include "maps.h"

/* Counts from here: segments both ways, those received, bytes both ways. */
static __always_inline void window_open(struct hop_sock *st, __u32 segs, __u32 in, __u64 bytes)
{
	st->win_len = cfg.force & HOP_FORCE_YOUNG ? 1 : HOP_WINDOW;
	st->win_segs = segs;
	st->win_in = in;
	st->win_bytes = bytes;
	st->win_ns = bpf_ktime_get_ns();
}

/*
 * The traffic since the window was opened, n segments, of them `in` received: what is it? Returns enum
 * hop_why: NONE (worth it), YOUNG, SLOW or STREAM. Windows grow while nothing is gained, so a slow connection
 * or a stream is looked at ever more rarely.
 */
static __always_inline __u32 window_verdict(struct hop_sock *st, __u32 n, __u32 in, __u64 bytes)
{
	__u64 now = bpf_ktime_get_ns(), ns = now - st->win_ns, moved = bytes - st->win_bytes;
	__u32 less = in < n - in ? in : n - in, why = HOP_WHY_NONE;
	bool one_way = less < n / HOP_ONE_WAY;

	if (!n)
		return HOP_WHY_YOUNG;
	if (one_way && moved / n < cfg.large && ns / n < 1000000000ull / HOP_STREAM_RATE)
		why = HOP_WHY_STREAM;
	else if (ns / n > 1000000000ull / (cfg.min_rate | 1))
		why = HOP_WHY_SLOW;
	st->win_ns = now;
	st->win_bytes = bytes;
	st->win_in += in;
	st->win_segs += n;
	if (why && st->win_len < HOP_WINDOW << HOP_WINDOW_SHIFT)
		st->win_len *= 2;
	return why;
}

#endif
