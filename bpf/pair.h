/* SPDX-License-Identifier: GPL-2.0-only */
/* pair.h: what callbacks and passes both ask about an end: what the policy says, and who is its peer. */
#ifndef SOCKHOP_PAIR_H
#define SOCKHOP_PAIR_H

#include "end.h"
#include "guard.h"
#include "policy.h"

static __always_inline struct hop_policy *live_policy(void)
{
	__u32 slot = cfg.policy_slot & 1;

	return bpf_map_lookup_elem(&policy, &slot);
}

/*
 * The action of the live policy for a tuple (design.md, I16). A global function, so that the verifier walks
 * its loop over the rules once for a program, and not once for each path to each call (hop_visit: 950 000
 * instructions of the million that it may take).
 */
__weak __noinline int policy_of(struct hop_tuple *t)
{
	struct hop_policy *p = live_policy();

	return t && p ? hop_policy_eval(p, t) : HOP_ACTION_LATE;
}

/* The same for this end: a socket, or a request socket, which begins with the same addresses. */
static __noinline int policy_action(__u64 addr)
{
	struct hop_policy *p = live_policy();
	struct hop_tuple t;

	if (!p || !p->count)
		return HOP_ACTION_LATE;
	sock_tuple((struct sock *)(long)addr, &t);
	return policy_of(&t);
}

/*
 * The veto that the agent found for the program that made this socket, if that program still runs, or
 * HOP_WHY_NONE (design.md, I40). Only the agent knows who holds a socket now: it finds out when a socket that
 * is refused here was handed to another program.
 */
static __noinline __maybe_unused int known_veto(__u64 addr)
{
	struct sock *sk = (void *)(long)addr;
	struct file *file = sock_file(sk);
	__u64 cred = (__u64)(long)BPF_CORE_READ(file, f_cred), cookie;
	struct hop_program *p = bpf_map_lookup_elem(&programs, &cred);
	struct task_struct *task;
	int action;

	if (!p || p->vet.gen != cfg.policy_gen || cfg.force & HOP_FORCE_PROGRAM)
		return HOP_WHY_NONE;
	task = (void *)(long)p->task;
	if (BPF_CORE_READ(task, start_time) != p->start || BPF_CORE_READ(task, exit_state) ||
	    (__u64)(long)BPF_CORE_READ(task, real_cred) != cred)
		return HOP_WHY_NONE;
	if (!guard_veto(&p->vet, addr))
		return HOP_WHY_NONE;
	action = policy_action(addr);
	if (action == HOP_ACTION_TRUST || (action == HOP_ACTION_ASK && p->trust))
		return HOP_WHY_NONE;
	cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	bpf_map_update_elem(&vetted, &cookie, &p->vet, BPF_ANY);
	return p->vet.why;
}

/*
 * Is no hop in flight from the peer that this socket had before it connected again (design.md, I37)? A
 * redirect takes the psock that its receiver has after the verdict (tcp_bpf_sendmsg_redir(),
 * net/ipv4/tcp_bpf.c), so one from there would be delivered to a membership of the new connection. Asked
 * twice, as it is without the old peer's lock: its psock may go out of a map meanwhile, which takes a link
 * and then a reference. Global, as policy_of() is.
 */
__weak __noinline int old_quiet(struct hop_sock *st)
{
	struct sock *old;

	if (!st || !st->old_sk)
		return 1;
	old = (void *)(long)st->old_sk;
	if (BPF_CORE_READ(old, __sk_common.skc_cookie.counter) != st->old_cookie)
		return 1;
	return sock_quiet(st->old_sk) && sock_quiet(st->old_sk);
}

/*
 * Enter an end into `ends` under its derived key, under its lock. Returns enum hop_why. `st->gen` is the
 * policy that it was judged by: read before the rules were, which change first.
 */
static __always_inline __u32 register_as(struct tcp_sock *tp, struct hop_sock *st, __u64 cookie)
{
	struct sock *sk = (struct sock *)tp;
	struct hop_end e = {}, *other;
	long err;

	/*
	 * a relay's own socket must not join: collapse counts TCP bytes, and bytes that hop to it would be
	 * missing (design.md, I28)
	 */
	if (bpf_sk_storage_get(&relayed, tp, 0, 0))
		return HOP_WHY_RELAY;
	st->self = hop_key_derive(tp->snd_una, tp->bytes_acked, tp->rcv_nxt, tp->bytes_received);
	st->cookie = cookie;
	st->reg_una = tp->snd_una;
	st->reg_rcv = tp->rcv_nxt;
	e.cookie = cookie;
	e.sk = (__u64)(long)tp;
	e.st = (__u64)(long)st;
	e.net = (__u64)(long)BPF_CORE_READ(sk, __sk_common.skc_net.net);
	e.netns = sock_netns(sk);
	e.userns = sock_userns(sk);
	e.state = HOP_WATCHED;
	e.why = HOP_WHY_PEER_OUTSIDE;
	e.gen = st->gen;
	err = bpf_map_update_elem(&ends, &st->self, &e, BPF_NOEXIST);
	if (err) {
		other = bpf_map_lookup_elem(&ends, &st->self);
		if (!other)
			return HOP_WHY_FULL;
		other->dup = 1;
		return HOP_WHY_DUPLICATE;
	}
	end_move(st, NULL, HOP_WATCHED, st->why);
	return HOP_WHY_NONE;
}

/*
 * The record of the other end of the connection with this key: the one that a relay names (design.md, I26),
 * or else the one registered end whose key mirrors it. If both possible mirrors are registered, one of them
 * is forged, and neither is taken (I2). *peer is its key; *via the record of the relay, or NULL.
 */
static __always_inline struct hop_end *mirror_of(const struct hop_key *self, struct hop_key *peer,
						 struct hop_collapse **via)
{
	struct hop_collapse *c = bpf_map_lookup_elem(&collapse, self);
	struct hop_end *e0, *e1;
	struct hop_key m[2];

	*via = c;
	if (c) {
		*peer = c->peer;
		return bpf_map_lookup_elem(&ends, peer);
	}
	hop_key_mirrors(self, m);
	e0 = bpf_map_lookup_elem(&ends, &m[0]);
	e1 = bpf_map_lookup_elem(&ends, &m[1]);
	if (!!e0 == !!e1)
		return NULL;
	*peer = e0 ? m[0] : m[1];
	return e0 ? e0 : e1;
}

/*
 * An end that has just registered, and whose program is known to be vetoed, or that was spliced from: it is
 * refused at once, without an event, an examination and a pass. Returns the reason, or HOP_WHY_NONE.
 */
static __always_inline __u32 refuse_known(struct tcp_sock *tp, struct hop_sock *st, struct hop_end *self)
{
	__u32 why = known_veto((__u64)(long)tp);

	if (!why)
		why = guard_marked(tp);
	if (why)
		end_move(st, self, HOP_REFUSED, why);
	return why;
}

/*
 * Look for the other end. Writes the peer's key to st. Not for members: what they compare with must not
 * change.
 */
static __always_inline struct hop_end *find_peer(struct hop_sock *st)
{
	struct hop_collapse *c;
	struct hop_end *e;
	struct hop_key key = {};

	e = mirror_of(&st->self, &key, &c);
	st->delta = c ? hop_collapse_delta(c) : 0;
	st->relay = c ? c->owner : 0;
	st->relay_tag = c ? c->tag : 0;
	if (c || e)
		st->peer = key;
	return e;
}

#endif
