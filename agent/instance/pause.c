// SPDX-License-Identifier: GPL-2.0-only
#include <linux/membarrier.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "instance.h"
#include "pause.h"
#include "agent/lib/util.h"

#define SECOND 1000000000ull

void instance_pause(struct instance *in, unsigned int seconds)
{
	__u64 until = seconds ? now_ns() + seconds * SECOND : 0;

	__atomic_store_n(&in->config->pause_until_ns, until, __ATOMIC_SEQ_CST);
	/*
	 * A verdict that has read the old word may not be at its end yet. This waits until it is:
	 * MEMBARRIER_CMD_GLOBAL is synchronize_rcu() (kernel/sched/membarrier.c), and verdicts run under
	 * rcu_read_lock() (sk_psock_msg_verdict(), net/core/skmsg.c). Refused with nohz_full=: a
	 * microsecond is at stake.
	 */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

unsigned int instance_paused(const struct instance *in)
{
	__u64 until = in->config->pause_until_ns, now = now_ns();

	return until > now ? (until - now + SECOND - 1) / SECOND : 0;
}
