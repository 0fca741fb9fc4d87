// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "instance.h"
#include "pause.h"
#include "agent/lib/util.h"

#define SECOND 1000000000ull

static void set(__u64 *word, __u64 value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/*
 * A verdict that has read the old word may not be at its end yet. This waits until it is:
 * MEMBARRIER_CMD_GLOBAL is synchronize_rcu() (kernel/sched/membarrier.c), and verdicts run under
 * rcu_read_lock() (sk_psock_msg_verdict(), net/core/skmsg.c). Refused with nohz_full=: a microsecond is at
 * stake.
 */
static void wait_for_verdicts(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static unsigned int seconds_left(__u64 until)
{
	__u64 now = now_ns();

	return until > now ? (until - now + SECOND - 1) / SECOND : 0;
}

void instance_pause(struct instance *in, unsigned int seconds)
{
	struct hop_config *c = in->config;

	if (!seconds) {
		set(&c->pause_some_ns, 0);
		for (unsigned int i = 0; i < HOP_PAUSES; i++)
			set(&c->pause[i].until_ns, 0);
	}
	set(&c->pause_until_ns, seconds ? now_ns() + seconds * SECOND : 0);
	wait_for_verdicts();
}

/* The place of this cgroup, else one that is free; NULL: there is none. */
static struct hop_pause *place_of(struct hop_config *c, __u64 cgroup)
{
	struct hop_pause *found = NULL;
	__u64 now = now_ns();

	for (unsigned int i = 0; i < HOP_PAUSES; i++) {
		if (c->pause[i].until_ns <= now)
			found = found ?: &c->pause[i];
		else if (c->pause[i].cgroup == cgroup)
			return &c->pause[i];
	}
	return found;
}

static int write_places(struct hop_config *c, const __u64 *cgroup, size_t n, __u64 until)
{
	for (size_t i = 0; i < n; i++) {
		struct hop_pause *p = place_of(c, cgroup[i]);

		if (!p)
			return -ENOSPC;
		if (p->cgroup != cgroup[i])
			set(&p->until_ns, 0); /* no verdict takes the old time for the new cgroup's */
		set(&p->cgroup, cgroup[i]);
		set(&p->until_ns, until);
	}
	return 0;
}

static __u64 latest(const struct hop_config *c)
{
	__u64 end = 0;

	for (unsigned int i = 0; i < HOP_PAUSES; i++)
		if (c->pause[i].until_ns > end)
			end = c->pause[i].until_ns;
	return end;
}

int instance_pause_some(struct instance *in, const __u64 *cgroup, size_t n, unsigned int seconds)
{
	__u64 now = now_ns(), until = seconds ? now + seconds * SECOND : 0;
	struct hop_config trial = *in->config;
	int err = write_places(&trial, cgroup, n, until ?: now + SECOND);

	/* a pause that ends needs no place: one that is not there has ended */
	if (err && seconds)
		return err;
	for (size_t i = 0; i < n && !seconds; i++)
		for (unsigned int k = 0; k < HOP_PAUSES; k++)
			if (in->config->pause[k].cgroup == cgroup[i])
				set(&in->config->pause[k].until_ns, 0);
	if (seconds)
		write_places(in->config, cgroup, n, until);
	set(&in->config->pause_some_ns, latest(in->config));
	wait_for_verdicts();
	return 0;
}

unsigned int instance_paused(const struct instance *in)
{
	return seconds_left(in->config->pause_until_ns);
}

unsigned int instance_paused_one(const struct instance *in, unsigned int place, __u64 *cgroup)
{
	*cgroup = in->config->pause[place].cgroup;
	return seconds_left(in->config->pause[place].until_ns);
}
