/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * walk.h: a process beside the worker that runs iterators over TCP sockets for it.
 *
 * iter/tcp sleeps uninterruptibly in the lock of every socket of the namespace, as long as a call holds it
 * (see agent/instance/walk.h). In the worker's loop that would stop all its connections. So a process that
 * has none of them reads the iterators: it is started before the first connection, and holds nothing that
 * others wait for. Until it comes back the worker goes on without the results of the pass.
 */
#ifndef SOCKHOP_RELAY_WALK_H
#define SOCKHOP_RELAY_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a pass is for. */
enum relay_walk_purpose {
	RELAY_WALK_LEAVE, /* directions out of the kernel path */
	RELAY_WALK_ENDS,  /* keys of our sockets, for hop collapse */
};

/* Starts as RELAY_WALK_INIT: no process yet. */
struct relay_walk {
	int fd; /* to the process: readable when it has answered or is gone; -1: there is none */
	pid_t pid;
	bool busy; /* a pass is under way */
	enum relay_walk_purpose purpose;
};
#define RELAY_WALK_INIT  \
	{                \
		.fd = -1 \
	}

/* What came of a pass. */
struct relay_walked {
	enum relay_walk_purpose purpose;
	int err;      /* 0 or -errno; -ECHILD: the process was killed */
	uint64_t cpu; /* ns that it took */
};

/* Start the process, if there is none. 0 or -errno. */
int relay_walk_open(struct relay_walk *w);
/*
 * Have the iterator of a link read to its end, in this network namespace. 0: it is under way; -EBUSY: another
 * one is; -errno.
 */
int relay_walk_begin(struct relay_walk *w, int link_fd, enum relay_walk_purpose purpose);
/* Is it over? Then *out says how, and the next one may begin. Does not wait. */
bool relay_walk_end(struct relay_walk *w, struct relay_walked *out);
/* The same, but wait so long for it. How it ended, or -ETIMEDOUT: it is still under way. */
int relay_walk_wait(struct relay_walk *w, int ms, struct relay_walked *out);
/* End the process; if it is in a pass, it dies when it can. */
void relay_walk_close(struct relay_walk *w);

#endif
