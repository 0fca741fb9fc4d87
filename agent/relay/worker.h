/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * worker.h: what one worker process has: its pairs, their sockets and directions, and the loop that they all
 * belong to. Only data, and what works on the loop's epoll set and lists; what happens to it is in the other
 * files.
 */
#ifndef SOCKHOP_RELAY_WORKER_H
#define SOCKHOP_RELAY_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <linux/types.h>

#include "relay.h"
#include "walk.h"
#include "bpf/hop.h"

#define RELAY_NS 1000000000ull

struct relay_worker;

/* What an epoll event points to. */
struct relay_event {
	void (*ready)(struct relay_worker *w, struct relay_event *ev, uint32_t events);
};

struct relay_pair;

struct relay_sock {
	struct relay_event ev;
	struct relay_pair *pair;
	int fd;
	uint32_t armed; /* what epoll watches for, if `polled` */
	bool polled;
	bool hup; /* EPOLLHUP was seen: it cannot be masked, so an fd that nobody waits for leaves epoll */
	bool stream_tcp; /* TCP; otherwise a Unix socket */
	uint64_t base;	 /* relay_written() before the first byte */
};

enum relay_dir_mode {
	DIR_COPY,   /* read and write */
	DIR_SPLICE, /* splice(2) through a pipe */
	DIR_KERNEL, /* the source is in the sock map `from` */
	DIR_LEAVE,  /* the same, waiting for the leave pass */
	DIR_FLUSH,  /* out of the map; what the kernel took is on its way to the sink */
};

struct relay_dir {
	struct relay_pair *pair;
	TAILQ_ENTRY(relay_dir) poll; /* worker->polls, while `polling` */
	enum relay_dir_mode mode;
	bool polling;
	bool eof;     /* the source's FIN was seen; bytes may still be under way */
	bool done;    /* all is delivered and the sink was shut down */
	bool blocked; /* the sink's send queue is full: wait for EPOLLOUT */
	bool stay;    /* never enters the kernel (again) */
	char *held;   /* read but not written yet; owned */
	size_t held_at, held_len;
	int pipe[2];
	size_t piped; /* bytes in the pipe */
	unsigned int big_reads, small_reads;
	/* byte counts, for the proofs in flow.c and for `status` */
	uint64_t plain_read; /* read by user space while the source was not in `from` */
	uint64_t user_sent;  /* sent by user space, a PROXY header included */
	uint64_t copied, spliced;
	uint64_t taken;	   /* of the bytes left to user space, those read from the psock */
	uint64_t clean_at; /* value of ep->redirected for which all of it was seen in the send queue */
	/* is it chatty? (choice.c) */
	unsigned int turns, turns_wanted;
	uint64_t turn_bytes, last_ns, other_seen;
};

/* collapse.c; in this order */
enum relay_collapse_state {
	COLLAPSE_NO,	    /* not wanted, or impossible */
	COLLAPSE_MARKED,    /* our sockets are known to the instance */
	COLLAPSE_WANTED,    /* chatty: in worker->wanting */
	COLLAPSE_PUBLISHED, /* C and S may join each other */
};

/* What hops past us in one direction, as of the last look. */
struct relay_hopped {
	bool member;
	uint64_t messages, bytes;
};

enum relay_pair_state { PAIR_WAITING, PAIR_CONNECTING, PAIR_JOINED, PAIR_DEAD };

struct relay_pair {
	TAILQ_ENTRY(relay_pair) all;   /* worker->pairs, least recently active first */
	TAILQ_ENTRY(relay_pair) queue; /* worker->connecting (by deadline), or worker->dead */
	enum relay_pair_state state;
	struct relay_worker *worker;
	struct relay_sock sock[2];
	struct relay_dir dir[2];
	int slot; /* of sock[0]; sock[1] has slot + 1; -1: not known to the kernel side */
	int last_dir;
	uint64_t active_ns, start_ns;
	uint64_t seen; /* kernel bytes when activity was last looked at */
	uint64_t deadline_ns;
	size_t target, address, tried; /* connecting: the present target, its address, targets tried */
	enum relay_collapse_state collapse;
	TAILQ_ENTRY(relay_pair) want; /* worker->wanting */
	int tag;		      /* in our records: 2 * tag + end */
	bool asked;		      /* a pass that looks for its keys is under way */
	unsigned int marked;	      /* sockets, by bit */
	bool opened[2];		      /* sock[i] is the end that connected */
	unsigned int skip;	      /* bytes of our own that sock[1] is sent first: a PROXY header */
	struct hop_key end[2];	      /* keys of C and S */
	struct relay_hopped hopped[2];
};

TAILQ_HEAD(relay_pairs, relay_pair);
TAILQ_HEAD(relay_dirs, relay_dir);

struct relay_totals {
	uint64_t pairs, refused, failed;
	uint64_t kernel, splice, copy; /* bytes of pairs that are gone */
	uint64_t trimmed; /* received twice (retransmitted), forwarded once, in the kernel path */
};

/* At most one message a second of a kind; the next one says how many were left out. */
struct relay_limit {
	uint64_t next_ns;
	unsigned int left_out;
};

struct relay_kern;
struct relay_collapse;

struct relay_worker {
	const struct relay_conf *conf;
	unsigned int index;
	int epoll_fd, listen_fd, signal_fd, state_fd;
	struct relay_event on_listen, on_signal, on_state, on_ring, on_walk;
	struct relay_walk walk;	 /* runs the passes over the namespace's sockets */
	struct relay_kern *kern; /* NULL: user space carries everything */
	const char *no_kernel;	 /* why --path kernel cannot be had */
	uint64_t events_lost;
	struct relay_collapse *collapse; /* NULL: no hop collapse */
	uint64_t collapse_ns;		 /* earliest next attempt to open an instance */
	struct relay_pairs pairs, connecting, dead, wanting;
	struct relay_dirs polls;
	struct relay_pair *waiting; /* pair mode: the client that waits for another */
	size_t n_pairs;
	size_t next_target;
	uint64_t now;	      /* CLOCK_MONOTONIC ns at the last wake-up */
	unsigned int poll_ms; /* present interval of the flush checks */
	uint64_t poll_ns;     /* next flush check */
	bool leave_wanted;
	uint64_t leave_ns;  /* earliest next leave pass */
	bool accepting;	    /* the listener is in the epoll set */
	uint64_t accept_ns; /* try again to accept at this time; 0: when a pair ends */
	bool draining, stop;
	uint64_t drain_ns;
	struct relay_limit limit_full, limit_files, limit_connect;
	struct relay_totals total;
	char *scratch;
	char state_path[108];
};

/* Add, change, or (events 0) remove an fd of the epoll set. */
int relay_epoll(struct relay_worker *w, int op, int fd, uint32_t events, struct relay_event *ev);
/* Before each pass over the sockets of the namespace: the process that runs it is there and watched. 0 or
 * -errno. */
int relay_pass_ready(struct relay_worker *w);
/* msg_warn(), limited. */
void relay_warn(struct relay_worker *w, struct relay_limit *l, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Bytes of the pair have moved: it is the most recently active one. */
void relay_pair_active(struct relay_pair *p);

#endif
