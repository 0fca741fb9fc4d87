/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * receive.h: what joins, leaves and verdicts ask of the receive guard (receive.bpf.c). A socket with a
 * blocking file may be a member as long as no receive call on it may wait (design.md, I53).
 */
#ifndef SOCKHOP_RECEIVE_H
#define SOCKHOP_RECEIVE_H

#include "ksock.h"
#include "receive_rule.h"

/*
 * sock_waiters(), global, as policy_of() is: its walk is verified once. `addr` is to be read from a record.
 */
__weak __noinline int sock_count(__u64 addr, int kind)
{
	return sock_waiters((void *)(long)addr, kind);
}

/* Is this file, which is blocking, one whose receive calls are to be watched? */
static __always_inline bool may_wait(struct file *file)
{
	return !(cfg.force & HOP_FORCE_BLOCKING) && !file_nonblock(file);
}

/*
 * No thread that has a reference to the file is inside a call on this socket, except sleepers in poll(2); and
 * no thread sleeps in a call. References are read before and after the walk over the sleepers, so that a
 * thread that comes meanwhile is not taken for one that was there. Under the socket's lock. Global, as
 * policy_of() is, so the address must be one that was read from a record.
 */
__weak __noinline int sock_alone(__u64 addr)
{
	struct sock *sk = (void *)(long)addr;
	struct file *file = sock_file(sk);
	long before = file ? file_shares(file) : -1, pollers;

	if (sock_count(addr, HOP_WAKE_SLEEPER))
		return 0;
	pollers = sock_count(addr, HOP_WAKE_POLL);
	return before == pollers && file_shares(file) == pollers;
}

static __always_inline void receives_watch(struct hop_sock *st, __u32 gen)
{
	st->recv_calls = 0;
	st->recv_ns = bpf_ktime_get_ns();
	st->recv_gen = gen;
	st->recv = HOP_RECV_WATCHED;
}

static __always_inline bool receives_enough(__u32 calls, __u64 since_ns)
{
	return hop_recv_enough(calls, bpf_ktime_get_ns() - since_ns, cfg.force & HOP_FORCE_YOUNG);
}

/*
 * May this end, whose file is blocking and which could join otherwise, do so? Calls of its are watched from
 * the first time on that it is asked. Returns enum hop_why. Global, as policy_of() is.
 */
__weak __noinline int receives_unfit(struct hop_sock *st)
{
	__u32 gen = cfg.receives;
	struct hop_vet *v;
	__u64 cookie;

	if (!st)
		return HOP_WHY_ERROR;
	cookie = st->cookie;
	v = bpf_map_lookup_elem(&vetted, &cookie);
	if ((v && v->gen == cfg.policy_gen && v->blocks) ||
	    (gen && st->recv == HOP_RECV_WAITED && st->recv_gen == gen))
		return HOP_WHY_BLOCKS;
	st->say |= HOP_SAY_GUARD;
	if (!gen)
		return HOP_WHY_BLOCKING;
	if (st->recv != HOP_RECV_WATCHED || st->recv_gen != gen) {
		receives_watch(st, gen);
		return HOP_WHY_BLOCKING;
	}
	return receives_enough(st->recv_calls, st->recv_ns) ? HOP_WHY_NONE : HOP_WHY_BLOCKING;
}

/* The same of the peer, whose lock nobody holds: it finds out itself when its turn comes. */
__weak __noinline int receives_fit(__u64 addr)
{
	struct hop_sock *st = (void *)(long)addr, seen;

	if (!cfg.receives || bpf_probe_read_kernel(&seen.recv, 16, &st->recv) ||
	    bpf_probe_read_kernel(&seen.recv_gen, 4, &st->recv_gen) || seen.recv_gen != cfg.receives)
		return 0;
	return seen.recv == HOP_RECV_MEMBER ||
	       (seen.recv == HOP_RECV_WATCHED && receives_enough(seen.recv_calls, seen.recv_ns));
}

/*
 * Its calls may go on as they did: it is about to become a member. A thread that waits from here on says so
 * in the same word before it chooses its receive function.
 */
static __always_inline bool receives_join(struct hop_sock *st)
{
	return __sync_val_compare_and_swap(&st->recv, HOP_RECV_WATCHED, HOP_RECV_MEMBER) == HOP_RECV_WATCHED;
}

/*
 * The socket has been inserted. Is no thread inside a receive call that chose its function before that and
 * may wait in it? A thread that chose afterwards has the new psock; the socket must stay a member until that
 * call is over, or the call would sleep on bytes that do not come to it. This runs under the lock, so none of
 * these threads has got further. The atomic operation is a full barrier: either the insertion or the mark of
 * such a call is seen.
 */
__weak __noinline int sock_chose_member(__u64 addr)
{
	struct sock *sk = (void *)(long)addr;
	struct sk_psock *psock = sock_psock(sk);
	int users = psock ? psock_users(psock) : 0, pollers = sock_count(addr, HOP_WAKE_POLL);
	struct file *file = sock_file(sk);

	return file && hop_recv_chose_member(users, file_shares(file), pollers);
}

static __always_inline bool receives_joined(struct hop_sock *st, __u64 addr)
{
	if (__sync_val_compare_and_swap(&st->recv, HOP_RECV_MEMBER, HOP_RECV_MEMBER) == HOP_RECV_MEMBER &&
	    sock_alone(addr))
		return true;
	return sock_chose_member(addr);
}

/* It is no member any more, or is not to be one. (WAITED stays: it says more.) */
__weak __noinline int receives_leave(struct hop_sock *st, struct hop_end *self)
{
	if (!st || !self)
		return 0;
	self->flags &= ~HOP_END_NOWAIT;
	__sync_val_compare_and_swap(&st->recv, HOP_RECV_MEMBER, HOP_RECV_NONE);
	return 0;
}

/* Is the guard that saw the calls of this member still there, if it needs one? */
__weak __noinline int receives_vouched(struct hop_sock *st, struct hop_end *self)
{
	if (!st || !self || !(self->flags & HOP_END_NOWAIT))
		return 1;
	st->say |= HOP_SAY_GUARD;
	return st->recv_gen == cfg.receives;
}

/*
 * For the verdict: the peer's file is blocking. May it be hopped to? The order rule has read copied_seq
 * before: the atomic operation keeps these two reads in order, so that bytes which a call found before it
 * waits are not mistaken for read ones (design.md, I53).
 */
static __always_inline bool peer_never_waits(struct hop_sock *st)
{
	__u32 *recv = (void *)(long)st->peer_recv;
	__u32 state = HOP_RECV_NONE;

	if (!cfg.receives || !recv)
		return false;
	__sync_fetch_and_or(&st->barrier, 0);
	return !bpf_probe_read_kernel(&state, sizeof(state), recv) && state == HOP_RECV_MEMBER;
}

/* May this member with a blocking file not leave yet? Under the socket's lock. */
__weak __noinline int sock_may_sleep(__u64 addr, __u32 recv)
{
	struct sock *sk = (void *)(long)addr;
	struct sk_psock *psock = sock_psock(sk);
	struct file *file = sock_file(sk);
	struct hop_calls c;

	c.asleep = sock_count(addr, HOP_WAKE_SLEEPER);
	c.senders = BPF_CORE_READ(sk, sk_write_pending);
	c.users = psock ? psock_users(psock) : 0;
	c.refs = file ? file_shares(file) : -1;
	c.waited = recv != HOP_RECV_MEMBER;
	/* one that waits for our lock finds it, or shows as waiting for memory at the next look */
	c.roomy = BPF_CORE_READ(sk, sk_wmem_queued) <= BPF_CORE_READ(sk, sk_sndbuf) >> 1;
	return hop_recv_may_sleep(&c);
}

#endif
