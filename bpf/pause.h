/* SPDX-License-Identifier: GPL-2.0-only */
/* pause.h: `sockhop pause` takes messages to TCP for a while: those of the instance, or of some cgroups. */
#ifndef SOCKHOP_PAUSE_H
#define SOCKHOP_PAUSE_H

#include "maps.h"

/*
 * Is the time in this word still to come? A pause ends by itself when its time is over, so no process of ours
 * need be alive then (design.md, I49). The first look after it clears the word, unless a new pause has begun:
 * later looks do not ask for the time.
 */
#define PAUSE_LASTS(word)                                               \
	({                                                              \
		__u64 until = (word);                                   \
		bool lasts = until && bpf_ktime_get_ns() < until;       \
		if (until && !lasts)                                    \
			__sync_val_compare_and_swap(&(word), until, 0); \
		lasts;                                                  \
	})

/* Is any pause in effect, whomever it is for? */
static __always_inline bool pausing(void)
{
	return PAUSE_LASTS(cfg.pause_until_ns) || PAUSE_LASTS(cfg.pause_some_ns);
}

/* Is the cgroup of this socket paused, or one above it? */
static __noinline __maybe_unused int sock_paused(__u64 addr)
{
	struct sock *sk = (void *)(long)addr;
	struct cgroup *cgrp = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	__u64 now = bpf_ktime_get_ns();

	for (int i = 0; i < 32 && cgrp; i++) {
		__u64 id = BPF_CORE_READ(cgrp, kn, id);

		for (int k = 0; k < HOP_PAUSES; k++)
			if (cfg.pause[k].cgroup == id && cfg.pause[k].until_ns > now)
				return 1;
		/* the css is the first member of struct cgroup */
		cgrp = (void *)BPF_CORE_READ(cgrp, self.parent);
	}
	return 0;
}

/* May no message pass between these two sockets but by TCP? `peer`: 0 if there is none. */
static __always_inline bool paused(__u64 own, __u64 peer)
{
	if (PAUSE_LASTS(cfg.pause_until_ns))
		return true;
	return PAUSE_LASTS(cfg.pause_some_ns) && (sock_paused(own) || (peer && sock_paused(peer)));
}

#endif
