/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * receive_rule.h: the decisions of receive.h, of plain numbers: BPF programs include it after vmlinux.h, unit
 * tests after <linux/types.h>.
 */
#ifndef SOCKHOP_RECEIVE_RULE_H
#define SOCKHOP_RECEIVE_RULE_H

#include "tuning.h"

#define HOP_RECV_YOUNG 16 /* calls, where connections are young (HOP_FORCE_YOUNG) */

/* Have receive calls been watched for long enough: so many calls, for so long? */
static inline bool hop_recv_enough(__u32 calls, __u64 ns, bool young)
{
	return young ? calls >= HOP_RECV_YOUNG : calls >= HOP_RECV_CALLS && ns >= HOP_RECV_NS;
}

/*
 * Have all calls that are under way on a socket that was just inserted chosen the member's function? users:
 * references to its psock; refs: to its file beyond the first; pollers: sleepers in poll(2), with one
 * reference each, -1: too many to tell. The only thread of a program has no reference to the file.
 */
static inline bool hop_recv_chose_member(int users, long refs, int pollers)
{
	return pollers >= 0 && users > 0 && users >= refs - pollers;
}

/* What is known of the calls under way on a member that is to leave. */
struct hop_calls {
	int asleep;  /* sleepers in calls, -1: too many to tell */
	int senders; /* of these, who wait for memory */
	int users;   /* references to its psock */
	long refs;   /* to its file beyond the first; -1: it has none */
	bool waited; /* a receive call on it may wait */
	bool roomy;  /* a sender finds room */
};

/*
 * Would a thread sleep in a call that outlives the membership? A reader would sleep on bytes that no longer
 * come to it. While a sender waits for memory, all reads find the empty hop queue of the psock that this
 * sender holds. A thread that has no reference to the file is the only thread: it reads when its send() is
 * over.
 */
static inline bool hop_recv_may_sleep(const struct hop_calls *c)
{
	if (c->asleep < 0 || c->asleep > c->senders)
		return true;
	if (c->users <= 0)
		return false;
	if (c->waited)
		return c->users > c->senders || c->refs;
	return c->refs && (c->senders || !c->roomy);
}

#endif
