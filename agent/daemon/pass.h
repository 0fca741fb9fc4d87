/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pass.h: passes over the sockets of network namespaces, as the agent and detach run them.
 */
#ifndef SOCKHOP_DAEMON_PASS_H
#define SOCKHOP_DAEMON_PASS_H

#include <stdbool.h>
#include <linux/types.h>

#include "agent/instance/netns.h"
#include "agent/instance/walk.h"

struct instance;

/*
 * What ends want: another pass soon, because they could not join (a thread slept on the socket) or leave (a
 * redirect was in flight); or later, because they are held back for a while. PASS_ASKS: with PASS_JOINS, some
 * have asked about translated addresses (translate.h).
 */
enum { PASS_JOINS = 1 << 0, PASS_LEAVES = 1 << 1, PASS_HELD = 1 << 2, PASS_ASKS = 1 << 3 };

/* What came of a pass. */
struct pass {
	int more;		       /* a set of PASS_* */
	unsigned long long held_until; /* when the first of those held back may look again (now_ns()) */
	unsigned long long cost;       /* CPU time, ours and the children's */
	unsigned int blocked;	       /* namespaces whose walk does not come back: see w->stuck */
	int err;		       /* of a namespace; the others were visited anyway */
	bool receives;		       /* the receive guard is for an end that it met */
	bool whole;		       /* of the whole pass: what was not visited is on the list */
};

/*
 * One hop_visit pass over each namespace of the list; mode: a set of enum hop_mode. It bears a namespace that
 * does not come back: that one is in w->stuck from then on, and left out until walks_reap() has taken its
 * child away.
 *
 * On return the list has what needs another pass: namespaces that were not visited because time was up
 * (`until`, 0: none) come first, then those whose ends want one soon. A namespace that is blocked, has
 * failed, or has no process any more is taken off the list.
 */
void pass_visit(const struct instance *in, struct walks *w, struct netns_list *l, __u32 mode,
		unsigned long long until, struct pass *out);

/* A namespace's child has come back: `status` need not say "blocked" any more. */
void pass_unblock(const struct instance *in, __u32 inum);
/* Forget what `status` was told: a new agent starts. */
void pass_forget(const struct instance *in);

/*
 * Let every member leave (config.draining is set, or their cgroups are leaving) until none is left that must,
 * or timeout_ms is over, give or take PASS_GRACE_MS. Returns the number of members left, or -errno.
 * -ETIMEDOUT: namespaces are blocked (w->stuck), so members may be left there, unseen.
 */
#define PASS_GRACE_MS 500
int drain(struct instance *in, struct walks *w, unsigned int timeout_ms);
/* The number of members (entries of the sockhash) that were told to leave, or all if `all`. */
int members_left(const struct instance *in, bool all);

#endif
