// SPDX-License-Identifier: GPL-2.0-only
/*
 * receive.bpf.c: the receive guard, an object of its own, since some hosts refuse its programs. It shares the
 * maps of an instance. It sees each receive call before that takes the socket's lock or chooses its function
 * (sock_recvmsg(), net/socket.c), and whether it may wait: recv(2), read(2) and io_uring add MSG_DONTWAIT
 * themselves where the file or the request does not wait (__sys_recvfrom(), sock_read_iter(), io_recv()).
 * The later messages of one recvmmsg(2) are not seen (sock_recvmsg_nosec()); they have the flags of the
 * first.
 *
 * Every receive call of the host passes here, so what is none of ours leaves first.
 */
#include "maps.h"
#include "preempt.h"

#define RECEIVE_IPPROTO_TCP  6
#define RECEIVE_MSG_DONTWAIT 0x40
#define RECEIVE_MSG_ERRQUEUE 0x2000 /* reads no bytes, and never waits (inet_recv_error()) */

/* A socket whose calls are looked for, and what was seen: how user space finds out that we act. */
__u64 receive_probe; /* inode number */
__u32 receive_seen;  /* calls that may wait; in the upper half those that do not */
__u32 receive_preempt;

static __always_inline void probed(struct socket *sock, int flags)
{
	struct file *file = sock->file;

	if (!file || BPF_CORE_READ(file, f_inode, i_ino) != receive_probe)
		return;
	receive_seen += flags & RECEIVE_MSG_DONTWAIT ? 1 << 16 : 1;
	receive_preempt = preempts();
}

/* Take the pair out. Nothing hops to this end any more: its peer's verdict looks at `recv`. */
static __always_inline void ask_to_leave(struct hop_sock *st)
{
	struct hop_event ev = {.type = HOP_EV_LEAVE, .why = HOP_WHY_BLOCKS};
	struct hop_key key = st->self;
	struct hop_end *e = bpf_map_lookup_elem(&ends, &key);

	count(HOP_CNT_WAITED);
	if (!e || e->cookie != st->cookie)
		return;
	e->ask = HOP_WHY_BLOCKS;
	ev.netns = ev.peer_netns = e->netns;
	key = st->peer;
	e = bpf_map_lookup_elem(&ends, &key);
	if (e)
		ev.peer_netns = e->netns;
	emit(&ev);
}

static __always_inline void received(struct socket *sock, int flags)
{
	struct sock *sk = sock->sk;
	struct hop_sock *st;

	if (receive_probe)
		probed(sock, flags);
	if (!sk || sk->sk_protocol != RECEIVE_IPPROTO_TCP || !sk->sk_bpf_storage)
		return;
	st = bpf_sk_storage_get(&socks, sk, 0, 0);
	if (!st || (st->recv != HOP_RECV_WATCHED && st->recv != HOP_RECV_MEMBER))
		return;
	if (flags & (RECEIVE_MSG_DONTWAIT | RECEIVE_MSG_ERRQUEUE)) {
		if (st->recv == HOP_RECV_WATCHED)
			st->recv_calls++; /* of two at once one may not count */
		return;
	}
	if (__sync_val_compare_and_swap(&st->recv, HOP_RECV_WATCHED, HOP_RECV_WAITED) == HOP_RECV_WATCHED ||
	    cfg.force & HOP_FORCE_WAIT)
		return;
	if (__sync_val_compare_and_swap(&st->recv, HOP_RECV_MEMBER, HOP_RECV_WAITED) == HOP_RECV_MEMBER)
		ask_to_leave(st);
}

/* Where "bpf" is in the list of active security modules. */
SEC("lsm/socket_recvmsg")
int BPF_PROG(receive_lsm, struct socket *sock, struct msghdr *msg, int size, int flags)
{
	received(sock, flags);
	return 0;
}

/* Elsewhere. It refuses nothing, so it need not modify what is returned. */
SEC("fentry/security_socket_recvmsg")
int BPF_PROG(receive_entry, struct socket *sock, struct msghdr *msg, int size, int flags)
{
	received(sock, flags);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
