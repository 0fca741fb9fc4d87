/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memory.h: has the receiver memory for what hops to it (design.md, I34)?
 *
 * A redirect charges the receiver in the sender's thread (bpf_tcp_ingress(): __sk_rmem_schedule()). Where
 * that fails, send() returns ENOMEM; and since the thread may block, the charge reclaims in the receiver's
 * cgroup first and may call the OOM killer there (gfp_memcg_charge(): GFP_KERNEL). On TCP a softirq charges:
 * it forces the charge, or drops the segment, and the sender sees a window that closes. So where memory is
 * short the message takes TCP.
 *
 * The peer is not locked: every read is a snapshot.
 */
#ifndef SOCKHOP_MEMORY_H
#define SOCKHOP_MEMORY_H

#include "peer.h"

#define HOP_PAGE_MASK 4095u

/* Pages that may still be charged to a counter (include/linux/page_counter.h) before it is at its limit. */
static __always_inline bool counter_full(struct page_counter *pc, const bool cast)
{
	__u64 usage = READ(pc, usage.counter), max = READ(pc, max);

	return usage + cfg.memory_room > max;
}

/*
 * What one cgroup says. With cgroup v2 sockets are charged to `memory`, like everything else; with v1 to
 * `tcpmem`, and only if that has a limit, else sk_memcg is NULL (mem_cgroup_sk_alloc(), mm/memcontrol.c). A
 * cgroup under pressure (vmpressure(): reclaim finds little) says so for a second, by jiffies.
 */
static __always_inline bool memcg_short(struct mem_cgroup *memcg, __u64 now, const bool cast)
{
	if (bpf_core_field_exists(memcg->tcpmem_active) && READ(memcg, tcpmem_active))
		return READ(memcg, tcpmem_pressure) || counter_full(&memcg->tcpmem, cast);
	if (bpf_core_field_exists(memcg->socket_pressure) && (__s64)(now - READ(memcg, socket_pressure)) < 0)
		return true;
	return counter_full(&memcg->memory, cast);
}

/* The peer's cgroup and those above it: each limit counts. */
static __always_inline bool memcgs_short(struct sock *peer, __u64 now, const bool cast)
{
	struct mem_cgroup *memcg;

	if (!bpf_core_field_exists(peer->sk_memcg))
		return false;
	memcg = READ(peer, sk_memcg);
	for (int i = 0; i < HOP_MEMORY_DEPTH && memcg; i++) {
		void *up;

		if (memcg_short(memcg, now, cast))
			return true;
		up = READ(memcg, css.parent); /* the css is the first member of struct mem_cgroup */
		if (!up)
			break;
		memcg = cast ? bpf_rdonly_cast(up, bpf_core_type_id_kernel(struct mem_cgroup)) : up;
	}
	return false;
}

/*
 * TCP's own limit, net.ipv4.tcp_mem: beyond the second number (pressure) a charge may fail, beyond the third
 * it does (__sk_mem_raise_allocated(), net/core/sock.c). What CPUs have in reserve is not counted yet.
 */
static __always_inline bool tcp_short(struct sock *peer)
{
	struct proto *prot = BPF_CORE_READ(peer, __sk_common.skc_prot);
	long limit = 0;

	if (bpf_probe_read_kernel(&limit, sizeof(limit), BPF_CORE_READ(prot, sysctl_mem) + 1))
		return false;
	return BPF_CORE_READ(prot, memory_allocated, counter) + (long)cfg.memory_room > limit;
}

/* A cgroup's own number, which none other ever has; 0 for none (a load through NULL is 0). */
static __always_inline __u64 memcg_serial(struct mem_cgroup *memcg, const bool cast)
{
	return READ(memcg, css.serial_nr);
}

/*
 * The last look that this CPU has had at receivers of this cgroup. (Whoever preempts us may have its own
 * there: then one message too many goes without a look.)
 */
static __always_inline struct hop_roomy *last_look(__u64 memcg)
{
	__u32 slot = memcg % HOP_MEMORY_SLOTS;

	return bpf_map_lookup_elem(&roomy, &slot);
}

/* Does a look of this jiffy cover so many bytes more? A receiver is charged in whole pages. */
static __always_inline bool look_covers(struct hop_roomy *r, __u64 memcg, __u32 now, __u32 size)
{
	__u32 charge = (size + HOP_PAGE_MASK) & ~HOP_PAGE_MASK;

	if (r->memcg != memcg || r->at != now || r->left < charge)
		return false;
	r->left -= charge;
	return true;
}

/*
 * Has the peer too little memory for a message of so many bytes? `rmem`: bytes queued at it. An end's own
 * look counts for a jiffy. Where many ends send little each, they share those of one another.
 */
static __always_inline bool memory_short(struct hop_sock *st, struct tcp_sock *peer, __u32 rmem, __u32 size,
					 const bool cast)
{
	struct sock *sk = &peer->inet_conn.icsk_inet.sk;
	bool little = rmem + size <= HOP_MEMORY_BLIND;
	__u64 now = bpf_jiffies64(), memcg = 0;
	struct hop_roomy *r;

	if (st->roomy_at == (__u32)now && little)
		return false;
	if (bpf_core_field_exists(sk->sk_memcg))
		memcg = memcg_serial(READ(sk, sk_memcg), cast);
	r = last_look(memcg);
	if (r && little && look_covers(r, memcg, now, size))
		return false;
	if (memcgs_short(sk, now, cast) || tcp_short(sk))
		return true;
	st->roomy_at = now;
	if (r)
		*r = (struct hop_roomy){.memcg = memcg, .at = now, .left = HOP_MEMORY_SHARED};
	return false;
}

#endif
