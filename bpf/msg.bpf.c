// SPDX-License-Identifier: GPL-2.0-only
/*
 * msg.bpf.c: the verdict. hop_msg decides for each message that a member sends whether it hops, that is,
 * whether it goes straight to the receive queue of the peer, or stays on the TCP path.
 *
 * It runs under the sender's socket lock (tcp_bpf_send_verdict()), so the sender's own state is exact. The
 * peer is read without its lock. A stale or torn read can only make the message stay, or hop to the right
 * socket (design.md, I5), because the redirect itself looks the peer up by its cookie in the sockhash (I3).
 *
 * Never used here: apply_bytes, cork_bytes, push_data, pop_data (use-after-free fixes as late as 2026). The
 * helper's own verdict is never returned, since a miss would give the application EACCES (design.md, I10).
 */
#include "memory.h"
#include "pause.h"
#include "ready.h"
#include "receive.h"
#include "review.h"

/* sock_tcp_only_options() by direct loads; `tp` may be the peer if it was cast. */
static __always_inline bool tcp_only_options(struct tcp_sock *tp)
{
	struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	return sk->__sk_common.skc_flags & HOP_TSTAMP_FLAGS || sk->sk_tsflags || sk->sk_filter ||
	       sk->sk_peek_off >= 0 || BPF_CORE_READ_BITFIELD(tp, recvmsg_inq);
}

/* Has the sender itself set SO_ZEROCOPY? (sock_flag() by a direct load.) */
static __always_inline bool sends_zerocopy(struct tcp_sock *tp)
{
	return tp->inet_conn.icsk_inet.sk.__sk_common.skc_flags & (1ul << SOCK_ZEROCOPY);
}

static __always_inline enum hop_stay peer_blocked(struct hop_sock *st, struct tcp_sock *peer, const bool cast)
{
	struct file *file = peer_file(st, cast);
	__u32 force = cfg.force;

	if (!(force & HOP_FORCE_BLOCKING) && !(READ(file, f_flags) & HOP_O_NONBLOCK) && !peer_never_waits(st))
		return HOP_STAY_BLOCKING;
	if (force & HOP_FORCE_OPTIONS)
		return HOP_STAY_NONE;
	if (READ(peer, inet_conn.icsk_inet.sk.sk_rcvlowat) > 1)
		return HOP_STAY_LOWAT;
	if (READ(peer, inet_conn.icsk_ulp_ops))
		return HOP_STAY_ULP;
	if (READ(peer, inet_conn.icsk_inet.sk.__sk_common.skc_flags) & (1ul << SOCK_URGINLINE))
		return HOP_STAY_OOB;
	if (cast && tcp_only_options(peer)) /* else it finds out when it sends */
		return HOP_STAY_OPTION;
	return HOP_STAY_NONE;
}

/* The sender's own shutdown (design.md, I9) and options; direct reads, the socket is ours. */
static __always_inline enum hop_stay own_blocked(struct tcp_sock *tp)
{
	struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	if (!(cfg.force & HOP_FORCE_SHUTDOWN) && (sk->sk_shutdown & HOP_SEND_SHUTDOWN))
		return HOP_STAY_SHUTDOWN; /* tcp_bpf_sendmsg() does not look: TCP answers EPIPE */
	if (BPF_CORE_READ_BITFIELD(tp, repair))
		return HOP_STAY_REPAIR;
	if (cfg.force & HOP_FORCE_OPTIONS)
		return HOP_STAY_NONE;
	if (tp->inet_conn.icsk_ulp_ops)
		return HOP_STAY_ULP;
	if (sends_zerocopy(tp))
		return HOP_STAY_ZEROCOPY;
	if (tcp_only_options(tp))
		return HOP_STAY_OPTION;
	return HOP_STAY_NONE;
}

/*
 * One message of each direction takes TCP in every `beat`, for firewalls and NAT on the way (design.md, I35).
 */
static __always_inline bool heartbeat_due(struct tcp_sock *tp)
{
	__u32 beat = cfg.beat;

	return beat && (__u32)bpf_jiffies64() - tp->lsndtime >= beat;
}

/*
 * The peer's backlog is bounded (design.md, I8) in bytes (half its receive buffer, as its own window would
 * be) and in messages (even a small one costs about 1 KB of kernel memory; counted since its queue was last
 * empty).
 */
static __always_inline enum hop_stay no_room(struct hop_sock *st, struct tcp_sock *peer, __u32 size,
					     const bool cast)
{
	__u32 rmem = READ(peer, inet_conn.icsk_inet.sk.sk_backlog.rmem_alloc.counter);
	__u32 rcvbuf = READ(peer, inet_conn.icsk_inet.sk.sk_rcvbuf);

	if (cfg.force & HOP_FORCE_BACKLOG)
		return HOP_STAY_NONE;
	if (rmem > rcvbuf / 2)
		return HOP_STAY_BACKLOG;
	if (!rmem)
		st->burst = 0;
	if (st->burst >= cfg.max_burst)
		return HOP_STAY_MESSAGES;
	return memory_short(st, peer, rmem, size, cast) ? HOP_STAY_MEMORY : HOP_STAY_NONE;
}

/* Long messages without answers between two ends of one owner: a hop gains more than the wait costs. */
static __always_inline bool worth_waiting(struct hop_sock *st, __u32 size)
{
	return st->one_way && st->kin && size >= HOP_WAIT_LARGE * cfg.large;
}

/*
 * There are two receive queues, and the peer's program has begun to wait with EPOLLET: it may take the end of
 * the hop queue for the end of all data, so nothing may go to the TCP queue while hop bytes are unread
 * (design.md, I32). They are read soon; until then messages follow them, up to the receive buffer, and the
 * first one after that makes the pair leave. (A walk that went astray is tried again: entries of poll(2) come
 * and go.)
 */
static __always_inline bool peer_edge(struct hop_sock *st)
{
	return !cfg.verdict && !(cfg.force & HOP_FORCE_EDGE) && sock_edge(st->peer_sk) &&
	       sock_edge(st->peer_sk);
}

static __always_inline enum hop_stay behind_hops(struct hop_sock *st, struct tcp_sock *peer, const bool cast)
{
	__u32 rmem = READ(peer, inet_conn.icsk_inet.sk.sk_backlog.rmem_alloc.counter);
	__u32 rcvbuf = READ(peer, inet_conn.icsk_inet.sk.sk_rcvbuf);

	return rmem > rcvbuf || sock_hop_queue_empty(st->peer_sk) ? HOP_STAY_EDGE : HOP_STAY_NONE;
}

/*
 * Would the redirect wait for a call of the peer (design.md, I33)? It sleeps as long as that call lasts; TCP
 * does not wait. The field is read without the lock, as late as possible: what remains is the way from here
 * to lock_sock(). An end that finds its peer held too often leaves (I30).
 */
static __always_inline enum hop_stay held(struct hop_sock *st, struct tcp_sock *peer, __u32 size,
					  const bool cast)
{
	__u32 weight = size >= cfg.large && size < HOP_WAIT_LARGE * cfg.large ? HOP_CONTENTION_LARGE : 1;

	if (cfg.force & HOP_FORCE_HELD || worth_waiting(st, size))
		return HOP_STAY_NONE;
	if (!READ(peer, inet_conn.icsk_inet.sk.sk_lock.owned)) {
		st->contention -= st->contention < weight ? st->contention : weight;
		return HOP_STAY_NONE;
	}
	st->contention += HOP_CONTENTION_HELD * weight;
	return st->contention > HOP_CONTENTION_MAX && !cfg.force ? HOP_STAY_CONTENDED : HOP_STAY_HELD;
}

/*
 * The peer may have been reset, or have disconnected (connect(AF_UNSPEC) clears sk_shutdown), while the RST
 * is still on its way to this end (design.md, I37).
 */
static __always_inline bool connected(__u8 state)
{
	return state == BPF_TCP_ESTABLISHED || state == BPF_TCP_CLOSE_WAIT;
}

/*
 * copied_seq moves over a segment that hop_verdict drops as well, but by then the peer is marked: see
 * break_off(). The caller has read copied_seq; the value of the atomic operation is used, so that it is a
 * full barrier and the mark is read after that.
 */
static __noinline int peer_sound(struct hop_sock *st)
{
	struct hop_end *e;
	struct hop_key key;

	if (!st)
		return 0;
	key = st->peer;
	e = bpf_map_lookup_elem(&ends, &key);
	return e && e->cookie == st->peer_cookie && !(__sync_fetch_and_or(&e->flags, 0) & HOP_END_BROKEN);
}

/*
 * The order rule (design.md, I6). The kernel reads the hop queue before the TCP queue, so hop -> TCP keeps
 * order by itself and TCP -> hop does not: hop only when the peer's reader has consumed every byte that was
 * ever sent on the TCP path. (The peer of a collapsed connection counts from elsewhere: `delta`.) Hops move
 * neither number, so what was found once holds until something goes by TCP again.
 */
static __always_inline bool in_order(struct hop_sock *st, struct tcp_sock *tp, struct tcp_sock *peer,
				     const bool cast)
{
	__u32 sent = tp->write_seq;

	if (!(cfg.force & HOP_FORCE_ORDER) && READ(peer, copied_seq) + st->delta != sent)
		return false;
	if (st->sound == sent)
		return true;
	if (!peer_sound(st))
		return false;
	st->sound = sent;
	return true;
}

static __always_inline enum hop_stay decide(struct hop_sock *st, struct tcp_sock *tp, __u32 size,
					    const bool cast)
{
	struct tcp_sock *peer;
	enum hop_stay stay;

	if (cfg.draining)
		return HOP_STAY_DRAINING;
	if (st->state != HOP_MEMBER)
		return HOP_STAY_STOPPED;
	if (st->gen != cfg.policy_gen)
		return HOP_STAY_POLICY;
	if (paused())
		return HOP_STAY_PAUSED;
	if (!st->peer_file) {
		stay = become_ready(st);
		if (stay)
			return stay;
		st->kin = hop_kin((__u64)(long)tp, st->peer_sk);
		st->sound = tp->write_seq - 1; /* not known */
	}
	peer = peer_sock(st, cast);
	if (!in_order(st, tp, peer, cast))
		return HOP_STAY_ORDER;
	if (heartbeat_due(tp))
		return HOP_STAY_HEARTBEAT;
	stay = own_blocked(tp);
	if (stay)
		return stay;
	if (!(cfg.force & HOP_FORCE_SHUTDOWN)) {
		if (READ(peer, inet_conn.icsk_inet.sk.sk_shutdown))
			return HOP_STAY_SHUTDOWN;
		if (!connected(READ(peer, inet_conn.icsk_inet.sk.__sk_common.skc_state)))
			return HOP_STAY_STATE;
	}
	stay = peer_blocked(st, peer, cast);
	if (stay)
		return stay;
	if (peer_edge(st))
		return behind_hops(st, peer, cast);
	stay = no_room(st, peer, size, cast);
	return stay ? stay : held(st, peer, size, cast);
}

/* Does this stay count for whether membership pays? Those that sockhop itself causes do not. */
static __always_inline bool stay_counts(enum hop_stay stay)
{
	return stay != HOP_STAY_PEER_OUT && stay != HOP_STAY_NOT_READ && /* the pair is not complete yet */
	       stay != HOP_STAY_HEARTBEAT && stay != HOP_STAY_POLICY && stay != HOP_STAY_PAUSED;
}

/* Which stays are a reason to leave at once, rather than a temporary state? */
static __always_inline __u32 stay_to_why(enum hop_stay stay)
{
	switch (stay) {
	case HOP_STAY_BLOCKING:
		return HOP_WHY_BLOCKING;
	case HOP_STAY_LOWAT:
		return HOP_WHY_LOWAT;
	case HOP_STAY_ULP:
		return HOP_WHY_ULP;
	case HOP_STAY_ZEROCOPY:
		return HOP_WHY_ZEROCOPY;
	case HOP_STAY_OOB:
		return HOP_WHY_OOB;
	case HOP_STAY_REPAIR:
		return HOP_WHY_REPAIR;
	case HOP_STAY_OPTION:
		return HOP_WHY_OPTION;
	case HOP_STAY_CONTENDED:
		return HOP_WHY_CONTENDED;
	case HOP_STAY_EDGE:
		return HOP_WHY_EDGE;
	default:
		return HOP_WHY_NONE;
	}
}

/*
 * A thread does one thing at a time: when it comes here again, its last redirect is over. So where all hops
 * came from one thread, and it is back while it leaves, none is in flight and none can start. (The refcount
 * latch alone never sees that of a thread that is always inside send(): a pass gets the lock while it waits
 * for it.)
 */
static __always_inline void thread_hops(struct hop_sock *st)
{
	__u32 thread = bpf_get_current_pid_tgid();

	if (st->hopper != thread)
		st->hopper = st->hopper ? HOP_THREADS : thread;
}

static __always_inline void thread_stays(struct hop_sock *st)
{
	if (st->state != HOP_MEMBER && st->hopper && st->hopper == (__u32)bpf_get_current_pid_tgid())
		st->hopper = 0;
}

/*
 * tcp_bpf_push() sends each piece of a message as a message of its own, and each with MSG_ZEROCOPY gets a
 * completion: one too many where two pages of the kernel's copy meet. So make it one piece. (What does not
 * fit into one struct sk_msg, some 500 KB, comes here in parts; without memory it stays as it is.)
 */
static __always_inline void one_completion(struct sk_msg_md *msg, struct tcp_sock *tp, __u32 size)
{
	if (sends_zerocopy(tp))
		bpf_msg_pull_data(msg, 0, size, 0);
}

static __always_inline void verdict(struct sk_msg_md *msg, const bool cast)
{
	struct bpf_sock *sk = msg->sk;
	struct tcp_sock *tp;
	struct hop_sock *st;
	enum hop_stay stay;
	__u32 size = msg->size;
	__u64 key;

	if (!sk)
		return;
	st = bpf_sk_storage_get(&socks, sk, 0, 0);
	if (!st || !hop_in(st->state))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;

	stay = decide(st, tp, size, cast);
	if (!stay) {
		key = st->peer_cookie;
		if (bpf_msg_redirect_hash(msg, &members, &key, BPF_F_INGRESS) != SK_PASS)
			stay = HOP_STAY_REFUSED;
	}
	if (!stay) {
		thread_hops(st);
		st->burst += size < cfg.large; /* the others the bound in bytes counts well enough */
		st->hops++;
		st->hop_bytes += size;
		if (st->counted_at != (__u32)bpf_jiffies64())
			count_hops(st);
	} else {
		st->stays += stay_counts(stay);
		st->stay_bytes += size;
		st->last_stay = stay;
		count(HOP_CNT_STAY + stay);
		count_add(HOP_CNT_STAY_BYTES, size);
		if (stay_to_why(stay))
			request_leave(st, stay_to_why(stay));
		thread_stays(st);
		one_completion(msg, tp, size);
	}
	if (st->hops + st->stays - st->review_at >= HOP_REVIEW ||
	    st->hop_bytes + st->stay_bytes - st->review_bytes >= HOP_REVIEW_BYTES)
		review(st);
}

SEC("sk_msg")
int hop_msg(struct sk_msg_md *msg)
{
	verdict(msg, true);
	return SK_PASS;
}

/* The same for kernels without bpf_rdonly_cast(). */
SEC("sk_msg")
int hop_msg_probe(struct sk_msg_md *msg)
{
	verdict(msg, false);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
