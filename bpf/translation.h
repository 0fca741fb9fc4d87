/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * translation.h: are the addresses of two ends in one network namespace translated into each other? Only
 * connection tracking knows, and no program can ask it where ends join; so the agent does
 * (agent/daemon/translate.h), and hop_visit goes by its answer (design.md, I52).
 */
#ifndef SOCKHOP_TRANSLATION_H
#define SOCKHOP_TRANSLATION_H

#include "ksock.h"
#include "maps.h"

/* 0 if the answer is one to this question. */
static __always_inline __u64 translation_differs(const struct hop_translation *a,
						 const struct hop_translation *b)
{
	const __u64 *x = (const void *)a, *y = (const void *)b;
	__u64 differs = 0;

#pragma unroll
	for (__u32 i = 1; i < sizeof(*a) / sizeof(*x); i++) /* but for `answer` */
		differs |= x[i] ^ y[i];
	return differs;
}

_Static_assert(sizeof(struct hop_translation) % sizeof(__u64) == 0 &&
		       __builtin_offsetof(struct hop_translation, answer) == 0,
	       "compared in words, all but the first");

/*
 * What connection tracking says of the two, HOP_WHY_NONE, _ADDRESS or _UNCONFIRMED: it has been asked now, or
 * has not answered yet. An answer is used up by this. Under the lock of the end that asks; the peer's
 * addresses may be those of another connection by now, but never be taken for those that were asked about.
 * Global, as policy_of() is.
 */
__weak __noinline int translation(struct hop_sock *st, struct hop_end *self, struct hop_end *peer)
{
	struct hop_translation now = {}, *asked;
	struct hop_key key;
	__u64 answer;

	if (!st || !self || !peer)
		return HOP_WHY_ADDRESS;
	key = st->self;
	now.cookie = st->cookie;
	now.peer_cookie = peer->cookie;
	now.peer_key = st->peer;
	now.netns = self->netns;
	sock_tuple((struct sock *)(long)self->sk, &now.tuple);
	sock_tuple((struct sock *)(long)peer->sk, &now.peer);
	asked = bpf_map_lookup_elem(&translations, &key);
	if (asked) {
		answer = *(volatile __u64 *)&asked->answer;
		if (answer && !translation_differs(asked, &now)) {
			bpf_map_delete_elem(&translations, &key);
			return answer == now.cookie ? HOP_WHY_NONE : HOP_WHY_ADDRESS;
		}
	}
	bpf_map_update_elem(&translations, &key, &now, BPF_ANY); /* a full map: again in a later pass */
	return HOP_WHY_UNCONFIRMED;
}

/* Its end is no more. */
static __always_inline void translation_over(const struct hop_key *self)
{
	struct hop_key key = *self;

	bpf_map_delete_elem(&translations, &key);
}

#endif
