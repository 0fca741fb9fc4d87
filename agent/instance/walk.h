/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * walk.h: iterators over the TCP sockets of network namespaces, run in a process of their own (design.md,
 * I42).
 *
 * iter/tcp takes lock_sock() of every socket of the namespace before it calls the program, members or not, in
 * attached cgroups or not (bpf_iter_tcp_seq_show(), net/ipv4/tcp_ipv4.c). It sleeps, and no signal ends that,
 * for as long as a call holds the socket: a program that receives into a page that is not there decides how
 * long. So a process that runs such an iterator may never come back. A child runs it, which holds no lock of
 * ours and no stream of our caller's; we wait for it only while it makes progress, and then go on without it.
 */
#ifndef SOCKHOP_INSTANCE_WALK_H
#define SOCKHOP_INSTANCE_WALK_H

#include <sys/types.h>

#include "instance.h"
#include "netns.h"

/* A child that does not come back from a namespace. It is killed, but dies only when the lock is free. */
struct walk_stuck {
	pid_t pid;
	int fd;		   /* readable (end of file) once it is gone */
	__u32 inum;	   /* where it is */
	unsigned int told; /* for the owner of the list */
};

/* Starts zeroed. Kept from one walk to the next: a namespace with a child in it is left out. */
struct walks {
	struct walk_stuck *stuck;
	size_t n, room;
};

struct walk {
	enum instance_iter iter;
	__u32 mode;  /* what it is asked for: a set of enum hop_mode */
	size_t size; /* of the records that its program writes */
	/*
	 * In the child: call fn(fd, inum, to) for each namespace, or with -errno for fd where there is none.
	 * Of the instance only the iterator, what starts it, and the map of cgroups are open there.
	 */
	int (*each)(netns_fn *fn, void *to, void *arg);
	/* In the parent. A record, which may be NULL: they are discarded. */
	int (*record)(__u32 inum, const void *record, void *arg);
	/* A namespace is done: 0, -errno, or -ETIMEDOUT: its child does not come back. */
	void (*done)(__u32 inum, int err, void *arg);
	void *arg;
};

/*
 * Walk all namespaces but those in w->stuck, one after the other, until `until` (now_ns(); 0: for as long as
 * it takes). 0: all were visited, or are stuck; -ETIMEDOUT: time was up, and of some done() heard nothing;
 * what record() returned if that is not zero; -errno. *cpu (may be NULL) grows by the CPU time of the
 * children.
 */
int walk_run(const struct instance *in, struct walks *w, const struct walk *walk, unsigned long long until,
	     unsigned long long *cpu);

/* Forget the children that have come back; back(inum, arg), which may be NULL, for each. */
void walks_reap(struct walks *w, void (*back)(__u32 inum, void *arg), void *arg);
bool walks_stuck_in(const struct walks *w, __u32 inum);
/* Let go of them all: they die when they can. */
void walks_free(struct walks *w);

#endif
