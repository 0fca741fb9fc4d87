/* SPDX-License-Identifier: GPL-2.0-only */
/* pause.h: `sockhop pause` takes all messages of the instance to TCP, for a while. */
#ifndef SOCKHOP_PAUSE_H
#define SOCKHOP_PAUSE_H

#include "maps.h"

/*
 * Is it paused? A pause ends by itself when its time is over, so no process of ours need be alive then
 * (design.md, I49). The first look after it clears the word, unless a new pause has begun: later looks do not
 * ask for the time.
 */
static __always_inline bool paused(void)
{
	__u64 until = cfg.pause_until_ns;

	if (!until)
		return false;
	if (bpf_ktime_get_ns() < until)
		return true;
	__sync_val_compare_and_swap(&cfg.pause_until_ns, until, 0);
	return false;
}

#endif
