/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * peer.h: how the verdict reads the peer, whose lock it does not hold.
 *
 * The peer is read at every message, so how it is read matters: a pointer from bpf_rdonly_cast() (6.2) is
 * loaded through directly, faults included, where bpf_probe_read_kernel() costs a call each. `cast` is a
 * constant in each of the two programs of msg.bpf.c; READ() folds to one or the other.
 */
#ifndef SOCKHOP_PEER_H
#define SOCKHOP_PEER_H

#include "ksock.h"

extern void *bpf_rdonly_cast(void *obj, __u32 btf_id) __ksym __weak;

#define READ(ptr, field) (cast ? (ptr)->field : BPF_CORE_READ(ptr, field))

static __always_inline struct tcp_sock *peer_sock(struct hop_sock *st, const bool cast)
{
	void *p = (void *)(long)st->peer_sk;

	return cast ? bpf_rdonly_cast(p, bpf_core_type_id_kernel(struct tcp_sock)) : p;
}

static __always_inline struct file *peer_file(struct hop_sock *st, const bool cast)
{
	void *p = (void *)(long)st->peer_file;

	return cast ? bpf_rdonly_cast(p, bpf_core_type_id_kernel(struct file)) : p;
}

#endif
