/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * relay.h: the relay: one epoll loop per worker process that joins pairs of stream sockets.
 *
 * Vocabulary: a *pair* is two sockets and two *directions*. Direction i carries what sock[i] receives to
 * sock[!i]; its *source* is sock[i], its *sink* sock[!i]. Each direction has a *path* of its own, chosen
 * while it runs: read and write, splice(2) for bulk, or the kernel (sk_skb redirect) for chatty traffic.
 */
#ifndef SOCKHOP_RELAY_H
#define SOCKHOP_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <linux/types.h>

#include "relay_addr.h"
#include "relay_walk.h"
#include "bpf/hop.h"

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
	/* byte counts, for the proofs in relay_kern_flow.c and for `status` */
	uint64_t plain_read; /* read by user space while the source was not in `from` */
	uint64_t user_sent;  /* sent by user space, a PROXY header included */
	uint64_t copied, spliced;
	uint64_t taken;	   /* passed bytes that were read from the psock */
	uint64_t clean_at; /* value of ep->redirected for which all of it was seen in the send queue */
	/* is it chatty? (relay_choice.c) */
	unsigned int turns, turns_wanted;
	uint64_t turn_bytes, last_ns, other_seen;
};

/* relay_collapse.c; in this order */
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

#define RELAY_NS 1000000000ull

/* --- relay_loop.c --- */

/*
 * Run one worker on a listening socket, which it takes over, until SIGTERM or the end of --once. SIGTERM,
 * SIGINT must be blocked. Returns 0 or -errno, having said what failed.
 */
int relay_worker_run(const struct relay_conf *conf, unsigned int index, int listen_fd);
/* Add, change, or (events 0) remove an fd of the epoll set. */
int relay_epoll(struct relay_worker *w, int op, int fd, uint32_t events, struct relay_event *ev);
/* Start or stop accepting. */
void relay_accept_on(struct relay_worker *w, bool on);
/* msg_warn(), limited. */
void relay_warn(struct relay_worker *w, struct relay_limit *l, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A listening socket of `conf->listen` with SO_REUSEPORT if there are several workers. The fd or -errno. */
int relay_listen(struct relay_conf *conf);

/* --- relay_pass.c --- */

/* Before each pass: the process that runs it is there and watched. 0 or -errno. */
int relay_pass_ready(struct relay_worker *w);
/* It has answered, or is gone: who asked for the pass goes on. */
void relay_pass_over(struct relay_worker *w, struct relay_event *ev, uint32_t events);

/* --- relay_pair.c --- */

/* A new pair whose sock[0] is fd (taken over). NULL: out of memory, fd is closed. */
struct relay_pair *relay_pair_new(struct relay_worker *w, int fd, bool tcp);
/* Both sockets are there and connected: start. */
void relay_pair_join(struct relay_pair *p);
/* Let both sides see a reset (SO_LINGER 0), or close in good order; frees at the end of the loop's round. */
void relay_pair_reset(struct relay_pair *p);
void relay_pair_close(struct relay_pair *p);
/* Move on whatever can be moved on in both directions; resets the pair on errors. */
void relay_pair_run(struct relay_pair *p);
/* After any progress: shut down what is complete, close what is over, renew what epoll watches for. */
void relay_pair_update(struct relay_pair *p);
/* Set up one side of a pair: non-blocking, no delay, keepalive. */
void relay_sock_init(struct relay_pair *p, int i, int fd, bool tcp);
void relay_sock_arm(struct relay_sock *s, uint32_t events);
void relay_pair_active(struct relay_pair *p);
/* Bytes by the kernel path, so far. */
uint64_t relay_dir_kernel_bytes(const struct relay_dir *d);
/* Bytes that came twice and were cut off by the kernel path, so far. */
uint64_t relay_dir_trimmed(const struct relay_dir *d);

static inline int relay_dir_index(const struct relay_dir *d)
{
	return (int)(d - d->pair->dir);
}
static inline struct relay_sock *relay_source(struct relay_dir *d)
{
	return &d->pair->sock[relay_dir_index(d)];
}
static inline struct relay_sock *relay_sink(struct relay_dir *d)
{
	return &d->pair->sock[!relay_dir_index(d)];
}
static inline bool relay_in_kernel(const struct relay_dir *d)
{
	return d->mode == DIR_KERNEL || d->mode == DIR_LEAVE;
}
static inline bool relay_dir_empty(const struct relay_dir *d)
{
	return !d->held_len && !d->piped;
}

/* --- relay_connect.c --- */

/* Connect the pair's client to a target; with failover. The pair may be reset on return. */
void relay_connect(struct relay_pair *p);
void relay_connect_event(struct relay_pair *p, uint32_t events);
void relay_connect_timeout(struct relay_pair *p);
/* Send the target a PROXY protocol header that names the client. 0 or -errno. */
int relay_proxy_header(struct relay_pair *p);

/* --- relay_pump.c --- */

/* Bytes that one direction may move before others get their turn. */
#define RELAY_QUOTA   (1u << 20)
#define RELAY_SCRATCH (128u << 10)

/* Move bytes in user space until it would block, EOF or the quota. 0 or -errno: the pair must be reset. */
int relay_pump(struct relay_dir *d);
/* Send what is held. 0 (d->blocked says if some is left) or -errno. */
int relay_send_held(struct relay_dir *d);
/* Send n bytes of buf; what the sink does not take is held. 0 or -errno. */
int relay_send(struct relay_dir *d, const char *buf, size_t n);
void relay_dir_free(struct relay_dir *d);

/* --- relay_choice.c --- */

/* A read of n bytes in user space: is this direction chatty? */
void relay_note_read(struct relay_dir *d, size_t n);
bool relay_wants_kernel(const struct relay_dir *d);
bool relay_wants_splice(struct relay_dir *d, size_t n);
/* It turned to bulk in the kernel: harder to come back. */
void relay_note_bulk(struct relay_dir *d);

/* --- relay_flow.c: directions that are, or were, in the kernel --- */

/* Try to enter the kernel; the direction must be empty. 0 (in or not), or -errno: reset. */
int relay_flow_enter(struct relay_dir *d);
/* Advance: carry passed bytes, leave, flush, finish. 0 or -errno: reset. */
int relay_flow_step(struct relay_dir *d);
/* What epoll should watch the source for. */
uint32_t relay_flow_events(const struct relay_dir *d);
/* Check again soon: the kernel has no event for "the backlog is gone". */
void relay_flow_poll(struct relay_dir *d);
void relay_flow_unpoll(struct relay_dir *d);
/* All directions that wait for a check, when it is time. */
void relay_flow_check(struct relay_worker *w);
/* Begin the leave pass, when one is wanted and it is time; and when it is over, having cost ns of CPU time.
 */
void relay_flow_leave(struct relay_worker *w);
void relay_flow_left(struct relay_worker *w, uint64_t cost);
/* After lost ring buffer events: look at every direction. */
void relay_flow_lost(struct relay_worker *w);
/* Ring buffer events. */
void relay_flow_ring(struct relay_worker *w, struct relay_event *ev, uint32_t events);

#endif
