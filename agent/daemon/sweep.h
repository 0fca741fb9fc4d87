/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sweep.h: records of ends whose socket is gone, and places of members that were not given back (design.md,
 * I44).
 *
 * A record goes with TCP_CLOSE, by a callback that asks for BPF_SOCK_OPS_STATE_CB_FLAG. Another sockops
 * program that sets the flags of a socket instead of adding to them takes that away, and what the socket had
 * would stay until the detach.
 */
#ifndef SOCKHOP_DAEMON_SWEEP_H
#define SOCKHOP_DAEMON_SWEEP_H

#include <stddef.h>
#include "bpf/hop.h"

struct instance;

struct orphan {
	struct hop_key key;
	__u64 cookie;
};

/* What the last look found. Starts zeroed. */
struct sweep {
	struct orphan *orphan; /* sorted by cookie */
	size_t n, room;
	long long excess;	       /* of config.members over what is counted */
	unsigned long long not_before; /* a look costs a system call a record: 1/60 of a CPU at most */
};

/*
 * Look at all records. What was without a socket the last time, too, is deleted, and config.members is
 * corrected by an excess that is the same as the last time. Returns 1 if there is something to look at again,
 * 0, or -errno. config.swept grows.
 */
int sweep_run(struct sweep *s, const struct instance *in);
void sweep_free(struct sweep *s);

#endif
