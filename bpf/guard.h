/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard.h: what joins ask of the splice guard (guard.bpf.c). A socket of a program that can splice may join
 * if the guard has seen all that was done with it since it was established, and no splice was among that. The
 * argument is in the rule (design.md, I48).
 */
#ifndef SOCKHOP_GUARD_H
#define SOCKHOP_GUARD_H

#include "ksock.h"

/* Sockets that were spliced from, or may not be. Freed with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct hop_spliced);
} spliced SEC(".maps") __weak;

/* The generation of the guard under which this socket was established, as callback flags. */
static __always_inline __u32 guard_flags(void)
{
	return cfg.guard & HOP_GUARD_FLAGS;
}

/* Was a guard there when this socket was established, and has been ever since? */
static __always_inline bool sock_guarded(__u64 addr)
{
	struct tcp_sock *tp = (void *)(long)addr;
	__u32 flags = BPF_CORE_READ(tp, bpf_sock_ops_cb_flags);

	return cfg.guard && (flags & HOP_GUARD_FLAGS) == cfg.guard;
}

/* A veto, unless it is one that the guard answers for. */
static __always_inline __u32 guard_veto(const struct hop_vet *v, __u64 addr)
{
	return v->why && v->guarded && sock_guarded(addr) ? HOP_WHY_NONE : v->why;
}

/*
 * The record of this socket, made if need be; NULL: no memory. Two may do that at once; then the second one
 * fails, and looks again.
 */
static __always_inline struct hop_spliced *guard_record(void *sk)
{
	struct hop_spliced *s = bpf_sk_storage_get(&spliced, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	return s ?: bpf_sk_storage_get(&spliced, sk, 0, 0);
}

/*
 * This socket is about to become a member: from now on a splice from it is refused. HOP_WHY_SPLICES if one
 * was let through before, HOP_WHY_ERROR without memory. If it does not join after all, guard_leave() follows.
 */
static __always_inline __u32 guard_join(void *sk)
{
	struct hop_spliced *s = cfg.guard_kind ? guard_record(sk) : bpf_sk_storage_get(&spliced, sk, 0, 0);

	if (!s)
		return cfg.guard_kind ? HOP_WHY_ERROR : HOP_WHY_NONE;
	if (__sync_val_compare_and_swap(&s->state, HOP_SPLICE_NONE, HOP_SPLICE_MEMBER) != HOP_SPLICE_SEEN)
		return HOP_WHY_NONE;
	if (!(cfg.force & HOP_FORCE_MARK))
		return HOP_WHY_SPLICES;
	s->state = HOP_SPLICE_MEMBER;
	return HOP_WHY_NONE;
}

/* HOP_WHY_SPLICES if a splice from this socket was let through. */
static __always_inline __u32 guard_marked(void *sk)
{
	struct hop_spliced *s = bpf_sk_storage_get(&spliced, sk, 0, 0);

	return s && s->state == HOP_SPLICE_SEEN && !(cfg.force & HOP_FORCE_MARK) ? HOP_WHY_SPLICES
										 : HOP_WHY_NONE;
}

/* It is no member any more, or is not to be one. */
static __always_inline void guard_leave(void *sk)
{
	struct hop_spliced *s = bpf_sk_storage_get(&spliced, sk, 0, 0);

	if (s)
		__sync_val_compare_and_swap(&s->state, HOP_SPLICE_MEMBER, HOP_SPLICE_NONE);
}

/* Another connection begins, or it listens: the children of a listener that has storage may be trouble. */
static __always_inline void guard_forget(void *sk)
{
	bpf_sk_storage_delete(&spliced, sk);
}

#endif
