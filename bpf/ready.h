/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ready.h: what hop_msg asks once about the peer, before the first hop: is it ready, and whose is it?
 */
#ifndef SOCKHOP_READY_H
#define SOCKHOP_READY_H

#include "end.h"
#include "ksock.h"

/*
 * May hops to the peer begin (design.md, I7)? It must be a member; its reader must be past any call that
 * began before it joined: it has consumed a byte since, and its file has one reference, so no other thread is
 * inside a call. (An early member was inserted before anybody could read.) Caches the peer's file.
 */
static __noinline int become_ready(struct hop_sock *st)
{
	struct tcp_sock *peer;
	struct hop_end *e;
	struct hop_key key;
	struct file *file;

	if (!st)
		return HOP_STAY_PEER_OUT;
	key = st->peer;
	e = bpf_map_lookup_elem(&ends, &key);
	if (!e || !hop_in(e->state))
		return HOP_STAY_PEER_OUT;
	if (!st->peer_cookie && (e->flags & HOP_END_EARLY))
		st->peer_cookie = e->cookie; /* an early client joined before its peer existed */
	if (e->cookie != st->peer_cookie || !(e->flags & HOP_END_COLLAPSED) != !st->relay)
		return HOP_STAY_PEER_OUT;
	peer = (void *)(long)e->sk;
	if (!(e->flags & HOP_END_EARLY) && BPF_CORE_READ(peer, copied_seq) == e->cseq)
		return HOP_STAY_NOT_READ;
	file = sock_file((struct sock *)peer);
	if (!file)
		return HOP_STAY_NO_FILE;
	if (!(e->flags & HOP_END_EARLY) && !sock_unshared(e->sk))
		return HOP_STAY_SHARED;
	st->peer_sk = (__u64)(long)peer;
	st->peer_file = (__u64)(long)file;
	st->peer_recv = e->st + offsetof(struct hop_sock, recv);
	return HOP_STAY_NONE;
}

/*
 * Do both ends belong to one user and lie in one cgroup (not merely below one)? Whoever owns both can stop
 * each by other means, and by this one on plain TCP: a thread in recv() on a page of its own filesystem
 * holds the lock that another thread's send() on the same socket waits for. Neither changes in a socket's
 * life but by fchown() of root.
 */
static __noinline int hop_kin(__u64 own, __u64 peer)
{
	struct sock *a = (void *)(long)own, *b = (void *)(long)peer;

	return BPF_CORE_READ(a, sk_cgrp_data.cgroup) == BPF_CORE_READ(b, sk_cgrp_data.cgroup) &&
	       BPF_CORE_READ(a, sk_uid.val) == BPF_CORE_READ(b, sk_uid.val);
}

#endif
