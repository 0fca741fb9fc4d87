/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ksock.h: what can be read from a socket, its psock and its file. Sockets are passed as 64-bit addresses,
 * since most of them are the *other* end, which is not locked and may be gone: every read is a CO-RE probe
 * read, every answer a snapshot. An answer is binding only for a socket whose lock the caller holds.
 */
#ifndef SOCKHOP_KSOCK_H
#define SOCKHOP_KSOCK_H

#include "maps.h"

#define HOP_O_NONBLOCK	     04000
#define HOP_S_IFMT	     0170000
#define HOP_S_IFSOCK	     0140000
#define HOP_IFF_LOOPBACK     8
#define HOP_SEND_SHUTDOWN    2
#define HOP_BOTH_SHUTDOWN    3
#define HOP_SOL_TCP	     6
#define HOP_TCP_USER_TIMEOUT 18
#define HOP_AF_INET	     2
#define HOP_AF_INET6	     10
#define HOP_EPOLLET	     (1u << 31)

/* include/linux/skmsg.h: the low bits of sk_user_data are flags, bit 2 says that it points to a psock. */
#define HOP_USER_DATA_PSOCK 4ul
#define HOP_USER_DATA_MASK  (~7ul)

/* Largest table of descriptors that is read at execve(), in words of 64. */
#define HOP_FD_WORDS 64

/* Longest wait queue and link list we follow; more counts as "busy". */
#define HOP_WALK 16

/* Who waits in a socket's wait queue. */
enum hop_wake {
	HOP_WAKE_OTHER,	  /* io_uring, for one */
	HOP_WAKE_SLEEPER, /* in recv or send */
	HOP_WAKE_POLL,	  /* in poll(2) or select(2): each holds a reference to the file; epoll takes none */
	HOP_WAKE_EPOLL,
};
extern int wake_kind(__u64 func); /* wait.bpf.c */

/* struct file: a counted reference before 6.13 (f_count), file_ref_t since (f_ref, 0 means one reference). */
struct file___count {
	atomic_long_t f_count;
} __attribute__((preserve_access_index));

static __always_inline struct file *sock_file(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_socket, file);
}

static __always_inline bool file_nonblock(struct file *file)
{
	return BPF_CORE_READ(file, f_flags) & HOP_O_NONBLOCK;
}

/* References to a file beyond the first. */
static __always_inline long file_shares(struct file *file)
{
	struct file___count *old = (void *)file;

	if (bpf_core_field_exists(old->f_count))
		return BPF_CORE_READ(old, f_count.counter) - 1;
	return BPF_CORE_READ(file, f_ref.refcnt.counter);
}

static __always_inline struct sk_psock *sock_psock(struct sock *sk)
{
	unsigned long data = (unsigned long)BPF_CORE_READ(sk, sk_user_data);

	if (!(data & HOP_USER_DATA_PSOCK))
		return NULL;
	return (void *)(data & HOP_USER_DATA_MASK);
}

/* References to a psock beyond those of its maps: threads inside tcp_bpf_sendmsg() or tcp_bpf_recvmsg(). */
static __always_inline int psock_users(struct sk_psock *psock)
{
	struct list_head *head = (void *)psock + bpf_core_field_offset(struct sk_psock, link);
	struct list_head *pos = BPF_CORE_READ(head, next);
	int links = 0;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		if (!pos || pos == head)
			break;
		links++;
		pos = BPF_CORE_READ(pos, next);
	}
	return BPF_CORE_READ(psock, refcnt.refs.counter) - links;
}

/* Entries of the socket's wait queue of this kind, -1: too many to tell. */
static __always_inline int sock_waiters(struct sock *sk, enum hop_wake kind)
{
	struct socket_wq *wq = BPF_CORE_READ(sk, sk_wq);
	struct list_head *head, *pos;
	int n = 0;

	if (!wq)
		return 0;
	head = (void *)wq + bpf_core_field_offset(struct socket_wq, wait) +
	       bpf_core_field_offset(struct wait_queue_head, head);
	pos = BPF_CORE_READ(head, next);
	for (int i = 0; i < HOP_WALK; i++) {
		struct wait_queue_entry *e;

		if (!pos || pos == head)
			return n;
		e = (void *)pos - bpf_core_field_offset(struct wait_queue_entry, entry);
		if (wake_kind((__u64)(long)BPF_CORE_READ(e, func)) == kind)
			n++;
		pos = BPF_CORE_READ(pos, next);
	}
	return -1;
}

/*
 * Is a watcher told of new bytes only once (design.md, I32)? Then a short read may count as "drained"
 * (epoll(7), Q9), and where a member has two receive queues, the end of the first one is a short read.
 * EPOLLET, SIGIO and unknown wake functions (io_uring's multishot poll) are such watchers. 1: yes; 0: no; -1:
 * one that is not known, or a walk that went astray, since the list is not locked.
 */
static __noinline __maybe_unused int sock_edge(__u64 addr)
{
	struct sock *sk = (void *)(long)addr;
	struct socket_wq *wq = BPF_CORE_READ(sk, sk_wq);
	struct list_head *head, *pos;
	int strange = 0;

	if (BPF_CORE_READ(sk, __sk_common.skc_flags) & (1ul << SOCK_FASYNC))
		return 1;
	if (!wq)
		return 0;
	head = (void *)wq + bpf_core_field_offset(struct socket_wq, wait) +
	       bpf_core_field_offset(struct wait_queue_head, head);
	pos = BPF_CORE_READ(head, next);
	for (int i = 0; i < HOP_WALK && pos; i++) {
		struct wait_queue_entry *e;
		struct eppoll_entry *ep;
		int kind;

		if (pos == head)
			return strange;
		e = (void *)pos - bpf_core_field_offset(struct wait_queue_entry, entry);
		ep = (void *)e - bpf_core_field_offset(struct eppoll_entry, wait);
		kind = wake_kind((__u64)(long)BPF_CORE_READ(e, func));
		if (kind == HOP_WAKE_OTHER)
			strange = -1;
		if (kind == HOP_WAKE_EPOLL && BPF_CORE_READ(ep, base, event.events) & HOP_EPOLLET)
			return 1;
		pos = BPF_CORE_READ(pos, next);
	}
	return -1;
}

/* Threads that sleep in a system call on the socket; epoll and poll waiters do not count. */
static __always_inline int sock_sleepers(struct sock *sk)
{
	return sock_waiters(sk, HOP_WAKE_SLEEPER);
}

/*
 * No thread is inside a system call on this socket except sleepers in poll(2) and, perhaps, the only thread
 * that has the file (which takes no reference, fdget()).
 */
static __noinline __maybe_unused int sock_unshared(__u64 addr)
{
	struct sock *sk = (void *)(long)addr;
	struct file *file = sock_file(sk);
	long shares = file ? file_shares(file) : 0;

	return !shares || shares == sock_waiters(sk, HOP_WAKE_POLL);
}

/*
 * No redirect out of this socket is in flight. tcp_bpf_sendmsg() holds a psock reference from before the
 * verdict until the bytes are queued at the other end; so does a sleeping reader, which is told apart by its
 * wait queue entry. Exact only under the socket's lock, of an end that is LEAVING: then no new redirect can
 * start and no sleeper can leave (design.md, I17).
 */
static __noinline __maybe_unused int sock_quiet(__u64 addr)
{
	struct sock *sk = (void *)(long)addr;
	struct sk_psock *psock = sock_psock(sk);
	int users;

	if (!psock)
		return 1;
	users = psock_users(psock);
	return users <= 0 || users == sock_sleepers(sk);
}

/*
 * Is a thread inside a receive call on this member in which it sleeps, or will (design.md, I38)? After the
 * member has left the sockhash that thread would get a wrong answer: woken by bytes in sk_receive_queue
 * tcp_bpf_recvmsg_parser() (net/ipv4/tcp_bpf.c) looks into its hop queue only, and says EAGAIN. Senders that
 * wait for memory sleep with the same function, and each counts in sk_write_pending (sk_stream_wait_memory(),
 * net/core/stream.c). A call that waits for the lock we hold shows as a reference to the psock only; it will
 * not sleep if the file is O_NONBLOCK. Exact under the socket's lock.
 */
static __noinline __maybe_unused int sock_reader_sleeps(__u64 addr)
{
	struct sock *sk = (void *)(long)addr;
	struct sk_psock *psock = sock_psock(sk);
	int asleep = sock_sleepers(sk), senders = BPF_CORE_READ(sk, sk_write_pending);
	struct file *file = sock_file(sk);

	if (!psock)
		return 0;
	if (asleep < 0 || asleep > senders)
		return 1;
	return file && !file_nonblock(file) && psock_users(psock) > senders;
}

/*
 * Nothing is queued for the reader of this member: neither skbs of the verdict program nor hop messages. In
 * this order: sk_psock_backlog() appends to ingress_msg before it takes the skb off ingress_skb, and needs no
 * lock.
 */
static __noinline __maybe_unused int sock_hop_queue_empty(__u64 addr)
{
	struct sk_psock *psock = sock_psock((void *)(long)addr);
	struct list_head *head;

	if (!psock)
		return 1;
	if (BPF_CORE_READ(psock, ingress_skb.qlen))
		return 0;
	head = (void *)psock + bpf_core_field_offset(struct sk_psock, ingress_msg);
	return BPF_CORE_READ(head, next) == head;
}

static __always_inline bool sock_flag(struct sock *sk, int bit)
{
	return BPF_CORE_READ(sk, __sk_common.skc_flags) & (1ul << bit);
}

static __always_inline bool sock_is_mptcp(struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->is_mptcp) && BPF_CORE_READ(tp, is_mptcp);
}

/*
 * Options that only the TCP path honours: SO_TIMESTAMP and SO_TIMESTAMPING (hops carry no time stamps, and
 * their skbs in the error queue would count against the receive buffer), TCP_INQ (no control message),
 * SO_PEEK_OFF (ignored), a socket filter (not run).
 */
#define HOP_TSTAMP_FLAGS \
	(1ul << SOCK_RCVTSTAMP | 1ul << SOCK_RCVTSTAMPNS | 1ul << SOCK_TIMESTAMPING_RX_SOFTWARE)

static __always_inline bool sock_tcp_only_options(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;

	return BPF_CORE_READ(sk, __sk_common.skc_flags) & HOP_TSTAMP_FLAGS ||
	       BPF_CORE_READ_BITFIELD_PROBED(sk, sk_tsflags) /* u16 before 6.6 */ ||
	       BPF_CORE_READ(sk, sk_filter) || BPF_CORE_READ(sk, sk_peek_off) >= 0 ||
	       BPF_CORE_READ_BITFIELD_PROBED(tp, recvmsg_inq);
}

/*
 * SO_MAX_PACING_RATE: TCP spreads what it sends over time, a redirect does not. Without the option the rate
 * is ~0 (sock_init_data_uid(), net/core/sock.c).
 */
static __always_inline bool sock_paced(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_max_pacing_rate) != ~0ul;
}

/*
 * Facts that must hold for an end to be a member, but those about its queue. Returns enum hop_why,
 * HOP_WHY_NONE if it is fit. `member`: it is one already, so its sk_user_data is ours.
 */
static __noinline __maybe_unused int sock_unfit(__u64 addr, int member)
{
	struct sock *sk = (void *)(long)addr;
	struct inet_connection_sock *icsk = (void *)sk;
	struct tcp_sock *tp = (void *)sk;
	__u32 force = cfg.force;
	struct file *file;

	if (BPF_CORE_READ(sk, __sk_common.skc_state) != BPF_TCP_ESTABLISHED || BPF_CORE_READ(sk, sk_shutdown))
		return HOP_WHY_STATE;
	file = sock_file(sk);
	if (!file)
		return HOP_WHY_NO_FILE;
	if (!(force & HOP_FORCE_BLOCKING) && !file_nonblock(file))
		return HOP_WHY_BLOCKING;
	if (sock_is_mptcp(tp))
		return HOP_WHY_MPTCP;
	if (!(force & HOP_FORCE_OPTIONS)) {
		if (BPF_CORE_READ(sk, sk_rcvlowat) > 1)
			return HOP_WHY_LOWAT;
		if (BPF_CORE_READ(icsk, icsk_ulp_ops))
			return HOP_WHY_ULP;
		if (sock_flag(sk, SOCK_ZEROCOPY))
			return HOP_WHY_ZEROCOPY;
		if (sock_flag(sk, SOCK_URGINLINE) || BPF_CORE_READ(tp, urg_data))
			return HOP_WHY_OOB;
		if (sock_tcp_only_options(sk) || sock_paced(sk))
			return HOP_WHY_OPTION;
	}
	if (!cfg.verdict && !(force & HOP_FORCE_EDGE) && sock_edge(addr))
		return HOP_WHY_EDGE;
	if (BPF_CORE_READ_BITFIELD_PROBED(tp, repair))
		return HOP_WHY_REPAIR;
	if (!member && BPF_CORE_READ(sk, sk_user_data))
		return HOP_WHY_OTHER_USER;
	return HOP_WHY_NONE;
}

/* Both ends as this one sees them; IPv4 as v4-mapped. */
static __always_inline void sock_tuple(struct sock *sk, struct hop_tuple *t)
{
	__builtin_memset(t, 0, sizeof(*t));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == HOP_AF_INET6) {
		BPF_CORE_READ_INTO(&t->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&t->peer, sk, __sk_common.skc_v6_daddr);
	} else {
		t->local[10] = t->local[11] = t->peer[10] = t->peer[11] = 0xff;
		*(__be32 *)&t->local[12] = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		*(__be32 *)&t->peer[12] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	}
	t->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
	t->rport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

/* True when a is b seen from the other side. */
static __always_inline bool tuple_mirrors(const struct hop_tuple *a, const struct hop_tuple *b)
{
	const __u32 *al = (const void *)a->local, *ap = (const void *)a->peer;
	const __u32 *bl = (const void *)b->local, *bp = (const void *)b->peer;

	return a->lport == b->rport && a->rport == b->lport && al[0] == bp[0] && al[1] == bp[1] &&
	       al[2] == bp[2] && al[3] == bp[3] && ap[0] == bl[0] && ap[1] == bl[1] && ap[2] == bl[2] &&
	       ap[3] == bl[3];
}

static __always_inline __u32 sock_netns(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* Whoever has CAP_NET_ADMIN over this may choose sequence numbers in the namespace (TCP_REPAIR). */
static __always_inline __u64 sock_userns(struct sock *sk)
{
	return (__u64)(long)BPF_CORE_READ(sk, __sk_common.skc_net.net, user_ns);
}

/*
 * The attached cgroup that this one lies in, by walking up: its flags, or -1. The css is the first member of
 * struct cgroup, so the parent's css pointer is the parent cgroup.
 */
static __noinline __maybe_unused int cgroup_attached(__u64 addr)
{
	struct cgroup *cgrp = (void *)(long)addr;

	for (int i = 0; i < 32 && cgrp; i++) {
		__u64 id = BPF_CORE_READ(cgrp, kn, id);
		struct hop_cgroup *cg = bpf_map_lookup_elem(&cgroups, &id);

		if (cg)
			return cg->flags;
		cgrp = (void *)BPF_CORE_READ(cgrp, self.parent);
	}
	return -1;
}

static __always_inline int sock_cgroup_attached(struct sock *sk)
{
	return cgroup_attached((__u64)(long)BPF_CORE_READ(sk, sk_cgrp_data.cgroup));
}

#endif
