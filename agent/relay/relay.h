/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * relay.h: the relay: one epoll loop per worker process that joins pairs of stream sockets.
 *
 * Vocabulary: a *pair* is two sockets and two *directions*. Direction i carries what sock[i] receives to
 * sock[!i]; its *source* is sock[i], its *sink* sock[!i]. Each direction has a *path* of its own, chosen
 * while it runs: read and write, splice(2) for bulk, or the kernel (sk_skb redirect) for chatty traffic.
 *
 * The door of agent/relay. It owns the relay's processes, its sockets and its kernel path; a connection that
 * hops past it belongs to an instance, with which it talks by that instance's maps. From the top down:
 *
 *   loop               signals, the clock; state and list answer `sockhop status` and `list`
 *   listen             accepts clients and makes pairs of them
 *   connect, watch     find a target; what the kernel path reports
 *   pair               a pair from its first byte to its last; collapse lets it hop past
 *   flow, pump         one direction, in the kernel and in user space; choice says which
 *   direction, worker  what all of them know of a direction and of a worker
 *   probe, kern        the kernel path itself, proved and loaded
 *   addr               addresses, targets, the PROXY header
 *
 * It may call daemon and what is below; check and cmd call it.
 */
#ifndef SOCKHOP_AGENT_RELAY_H
#define SOCKHOP_AGENT_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"

enum relay_mode { RELAY_PAIR, RELAY_FORWARD };

/* --path: AUTO chooses by traffic; the others are for measuring and for tests. */
enum relay_path { RELAY_AUTO, RELAY_KERNEL, RELAY_SPLICE, RELAY_COPY };

struct relay_conf {
	enum relay_mode mode;
	enum relay_path path;
	struct relay_addr listen;
	struct relay_target *targets;
	size_t n_targets;
	struct relay_addr source; /* len 0: any */
	bool once;
	bool proxy_v2;
	bool collapse;
	const char *instance; /* of --collapse; NULL: the default */
	unsigned int workers;
	unsigned int max_pairs; /* per worker */
	/* seconds; 0: none */
	unsigned int connect_timeout, idle_timeout, drain_timeout;
};

#endif
