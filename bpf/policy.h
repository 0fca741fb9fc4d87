/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy.h: what a policy says about a connection. Pure: BPF programs include it after vmlinux.h, user space
 * and unit tests as it is. Conventions of addresses, ports and rules: abi.h.
 *
 * Written for the verifier, which walks every path of every rule: addresses are two words under a mask, and
 * misses are computed, not branched on, so that a rule costs four branches.
 */
#ifndef SOCKHOP_POLICY_H
#define SOCKHOP_POLICY_H

#ifndef __bpf__
#include <stdbool.h>
#include <string.h>
#include <linux/types.h>
#endif
#include "hop.h"

/* An address, or a mask, as two words in network order. */
struct hop_words {
	__u64 hi, lo;
};

static inline __u64 hop_cpu_to_be64(__u64 v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap64(v);
#else
	return v;
#endif
}

/* By memcpy, because struct hop_tuple promises no more than 2-byte alignment; it becomes plain loads. */
static inline struct hop_words hop_words(const __u8 *addr)
{
	struct hop_words w;

	__builtin_memcpy(&w.hi, addr, 8);
	__builtin_memcpy(&w.lo, addr + 8, 8);
	return w;
}

/* The network mask of a prefix of len bits, 0..128. */
static inline struct hop_words hop_prefix_mask(__u32 len)
{
	__u64 part = ~(~0ull >> (len & 63));		/* the word in which the prefix ends */
	__u64 hi = -(__u64)((len >> 6 | len >> 7) & 1); /* all ones: the upper word is full */
	__u64 lo = -(__u64)(len >> 7 & 1);		/* all ones: the lower word is full */
	struct hop_words m = {.hi = hop_cpu_to_be64(part | hi), .lo = hop_cpu_to_be64((part & hi) | lo)};

	return m;
}

/* 0 if the address lies in the prefix. */
static inline __u64 hop_prefix_miss(const struct hop_prefix *p, struct hop_words addr)
{
	struct hop_words net = hop_words(p->addr), mask = hop_prefix_mask(p->len);

	return ((net.hi ^ addr.hi) & mask.hi) | ((net.lo ^ addr.lo) & mask.lo);
}

/* Does the address (network order, IPv4 as v4-mapped) lie in the prefix? Length 0 matches everything. */
static inline bool hop_prefix_match(const struct hop_prefix *p, const __u8 addr[16])
{
	return !hop_prefix_miss(p, hop_words(addr));
}

/* Negative if the port is below lo or above hi. */
static inline __s32 hop_port_miss(__s32 lo, __s32 hi, __s32 port)
{
	return (port - lo) | (hi - port);
}

/* The tuple part of a rule; the addresses of t are passed as words, so that a walk converts them once. */
static inline bool hop_rule_match_words(const struct hop_rule *r, const struct hop_tuple *t,
					struct hop_words local, struct hop_words peer)
{
	__s32 ports = hop_port_miss(r->local_lo, r->local_hi, t->lport) |
		      hop_port_miss(r->peer_lo, r->peer_hi, t->rport) |
		      (hop_port_miss(r->port_lo, r->port_hi, t->lport) &
		       hop_port_miss(r->port_lo, r->port_hi, t->rport));

	if (ports < 0 || (hop_prefix_miss(&r->local, local) | hop_prefix_miss(&r->peer, peer)))
		return false;
	return !hop_prefix_miss(&r->any, local) || !hop_prefix_miss(&r->any, peer);
}

/* Do all parts of the rule but its program match this end? */
static inline bool hop_rule_match_tuple(const struct hop_rule *r, const struct hop_tuple *t)
{
	return hop_rule_match_words(r, t, hop_words(t->local), hop_words(t->peer));
}

/*
 * Kernel side: the action of the first rule whose tuple part matches this end. HOP_ACTION_ASK if that rule
 * names a program, which the kernel cannot judge; HOP_ACTION_LATE if no rule matches.
 */
static inline __u32 hop_policy_eval(const struct hop_policy *policy, const struct hop_tuple *t)
{
	struct hop_words local = hop_words(t->local), peer = hop_words(t->peer);

	for (__u32 i = 0; i < HOP_RULES_MAX; i++) {
		const struct hop_rule *r = &policy->rule[i];

		if (i >= policy->count)
			break;
		if (hop_rule_match_words(r, t, local, peer))
			return r->program[0] ? HOP_ACTION_ASK : r->action;
	}
	return HOP_ACTION_LATE;
}

/*
 * The action for a pair from the actions of its ends. never beats everything; then early, for which it is
 * enough that one end asks for it and to which an end that must ask user space does not object; then ask;
 * then trust; else late.
 */
static inline __u32 hop_policy_pair(__u32 a, __u32 b)
{
	if (a == HOP_ACTION_NEVER || b == HOP_ACTION_NEVER)
		return HOP_ACTION_NEVER;
	if (a == HOP_ACTION_EARLY || b == HOP_ACTION_EARLY)
		return HOP_ACTION_EARLY;
	if (a == HOP_ACTION_ASK || b == HOP_ACTION_ASK)
		return HOP_ACTION_ASK;
	if (a == HOP_ACTION_TRUST || b == HOP_ACTION_TRUST)
		return HOP_ACTION_TRUST;
	return HOP_ACTION_LATE;
}

#ifndef __bpf__
/* What the kernel appends to /proc/PID/exe once the file is gone, as it is after an upgrade. */
#define HOP_DELETED " (deleted)"

/*
 * Does the program part of the rule match? comm: the process's name; exe: the path of its executable as
 * /proc/PID/exe shows it. Either may be NULL when it is not known: then a rule that needs it does not match.
 */
static inline bool hop_rule_match_program(const struct hop_rule *r, const char *comm, const char *exe)
{
	size_t n = strlen(r->program);

	if (!n)
		return true;
	if (!strchr(r->program, '/'))
		return comm && !strcmp(comm, r->program);
	return exe && !strncmp(exe, r->program, n) && (!exe[n] || !strcmp(exe + n, HOP_DELETED));
}

/* User side: the action of the first rule that matches in all its parts. Never HOP_ACTION_ASK. */
static inline __u32 hop_policy_eval_program(const struct hop_policy *policy, const struct hop_tuple *t,
					    const char *comm, const char *exe)
{
	for (__u32 i = 0; i < policy->count && i < HOP_RULES_MAX; i++) {
		const struct hop_rule *r = &policy->rule[i];

		if (hop_rule_match_tuple(r, t) && hop_rule_match_program(r, comm, exe))
			return r->action;
	}
	return HOP_ACTION_LATE;
}
#endif

#endif
