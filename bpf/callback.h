/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * callback.h: which callbacks of sockops.bpf.c a socket asks for. Other sockops programs share the flags, so
 * ours are added to theirs. A callback may come twice, where two cgroups above a socket are attached
 * (design.md, I41).
 */
#ifndef SOCKHOP_CALLBACK_H
#define SOCKHOP_CALLBACK_H

#include "ksock.h"

/* From a callback of the socket itself. */
static __always_inline __maybe_unused void flags_set(struct bpf_sock_ops *ctx, __u32 add, __u32 drop)
{
	if (cfg.keep_rtt)
		drop = 0;
	bpf_sock_ops_cb_flags_set(ctx, (ctx->bpf_sock_ops_cb_flags | add) & ~drop);
}

/*
 * From a pass: bpf_setsockopt() with TCP_BPF_SOCK_OPS_CB_FLAGS (include/uapi/linux/bpf.h): 6.12 can, 6.1
 * cannot; probed.
 */
static __always_inline __maybe_unused long cb_flags_add(struct tcp_sock *tp, __u32 add)
{
	int flags = BPF_CORE_READ(tp, bpf_sock_ops_cb_flags) | add;

	return bpf_setsockopt(tp, HOP_SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags));
}

#endif
