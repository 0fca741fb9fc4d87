// SPDX-License-Identifier: GPL-2.0-only
/*
 * random: random programs of socket operations on both ends of a connection, drawn from a seed, every byte
 * position-coded and checked. The two ends live in two processes; each writes and reads in one thread or in
 * two. A script has chatty phases (so that the connection joins), bursts, large messages, pauses, small
 * buffers, slow readers, readers that wait for edges and take a short read for drained, peeks, switches of
 * O_NONBLOCK and of options, and ends in one of several ways.
 *
 * random [-s SEED] [-n SEEDS] [-t SECONDS] [-j PARALLEL] [-H PERCENT] [-c] [-e] [-v]
 *   -s first seed (default: from the clock)   -n so many seeds   -t or as many as fit into so many seconds
 *   -c more conversation, fewer large messages: connections that live for seconds and hop most of the time
 *   -e all readers that are non-blocking wait for edges (else one in four)
 *   SIGTERM: begins no more seeds
 *   -j at a time (8)   -H fail unless this share of the bytes hopped   -v say what each seed does
 * A failing seed is printed with what went wrong; `random -s SEED -n 1` (and -c, -e) replays it.
 * SOCKHOP_PLAIN=1: no share. Exit status: 0, 1 a fault, 2 the set-up failed.
 */
#include "../prog/pattern.h"
#include "../prog/sock.h"

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* Seconds in which not one byte is written or read, and after which a seed hangs. How long it may live nobody
 * can say: other load may leave it next to no CPU time. */
#define STALL 30
/* Seconds in which an edge-triggered reader must have got what was sent to it. */
#define EDGE_STALL 8
/* So many bytes unread are more than a conversation has. */
#define BEHIND 2000

enum act { CHAT, BURST, LARGE, TINY, PAUSE, BUFFERS, BLOCK, LOWAT, CORK, ACTS };

/* One direction of the script: what its writer sends, in messages. Both ends derive it from the seed. */
struct script {
	uint64_t total;
	unsigned int seed;
	bool blocking_reader, slow, peeks, edge;
};

static bool chatty, edges; /* -c, -e */
static volatile sig_atomic_t stopped;

static void on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

/* Shared by all processes of one seed. */
struct shared {
	uint64_t sent[2], got[2]; /* by direction */
	uint64_t hopped[2];
	uint64_t moved_ms; /* when the last byte was written or read */
	int faults;
};

struct side {
	struct shared *s;
	struct script script[2];
	unsigned int seed; /* the number that replays */
	int fd, dir;	   /* dir: the direction that this side writes */
	bool two_threads, verbose;
	pthread_mutex_t lock;
};

static void moved(struct side *d)
{
	__atomic_store_n(&d->s->moved_ms, (uint64_t)(now() * 1000), __ATOMIC_RELAXED);
}

static bool hangs(struct side *d)
{
	return now() > __atomic_load_n(&d->s->moved_ms, __ATOMIC_RELAXED) / 1000.0 + STALL;
}

static unsigned int rnd(unsigned int *seed, unsigned int n)
{
	return rand_r(seed) % n;
}

static void fault(struct side *d, const char *what, uint64_t at, int err)
{
	fprintf(stderr, "FAULT seed %u side %d: %s at offset %llu: %s\n", d->seed, d->dir, what,
		(unsigned long long)at, err ? strerror(err) : "wrong");
	__atomic_fetch_add(&d->s->faults, 1, __ATOMIC_RELAXED);
}

/* ---- writing ---- */

/* The bytes [at, at + n) by one of the calls that write. */
static ssize_t write_some(struct side *d, unsigned int *seed, uint64_t at, size_t n)
{
	static __thread unsigned char b[1 << 17];
	struct iovec v[2];
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};

	pattern_fill(d->seed, d->dir, at, b, n);
	switch (rnd(seed, 5)) {
	case 0:
		return write(d->fd, b, n);
	case 1:
		v[0] = (struct iovec){b, n / 3};
		v[1] = (struct iovec){b + n / 3, n - n / 3};
		return writev(d->fd, v, 2);
	case 2:
		v[0] = (struct iovec){b, n / 2};
		v[1] = (struct iovec){b + n / 2, n - n / 2};
		return sendmsg(d->fd, &m, MSG_NOSIGNAL | (rnd(seed, 8) ? 0 : MSG_MORE));
	default:
		return send(d->fd, b, n, MSG_NOSIGNAL | (rnd(seed, 4) ? 0 : MSG_DONTWAIT));
	}
}

/* All of [at, at + n); false: the connection or the program is at its end. */
static bool write_all(struct side *d, unsigned int *seed, uint64_t at, size_t n)
{
	double stalls = now() + EDGE_STALL;
	uint64_t before;
	ssize_t r;

	while (n) {
		before = path_sent(d->fd);
		r = write_some(d, seed, at, n);
		if (r > 0) {
			if (path_sent(d->fd) == before)
				d->s->hopped[d->dir] += r;
			at += r;
			n -= r;
			stalls = now() + EDGE_STALL;
			__atomic_store_n(&d->s->sent[d->dir], at, __ATOMIC_RELAXED);
			moved(d);
			continue;
		}
		if (errno != EAGAIN) {
			fault(d, "write", at, errno);
			return false;
		}
		if (d->script[d->dir].edge && now() > stalls) {
			fault(d, "edge-triggered reader stalls before", at, ETIMEDOUT);
			return false;
		}
		if (hangs(d)) {
			fault(d, "write hangs", at, ETIMEDOUT);
			return false;
		}
		wait_for(d->fd, POLLOUT, 50);
	}
	return true;
}

static void options(struct side *d, unsigned int *seed, enum act act)
{
	int v;

	switch (act) {
	case BUFFERS:
		v = 65536 << rnd(seed, 4);
		setsockopt(d->fd, SOL_SOCKET, rnd(seed, 2) ? SO_SNDBUF : SO_RCVBUF, &v, sizeof(v));
		break;
	case BLOCK: /* for a while; the other end sees what a blocking reader does */
		if (!rnd(seed, 4)) {
			set_nonblock(d->fd, false);
			msleep(rnd(seed, 20));
			set_nonblock(d->fd, true);
		}
		break;
	case LOWAT:
		v = 1 + rnd(seed, 64);
		if (rnd(seed, 6))
			break;
		setsockopt(d->fd, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v));
		v = 1;
		setsockopt(d->fd, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v));
		break;
	case CORK:
		v = 1;
		setsockopt(d->fd, IPPROTO_TCP, TCP_CORK, &v, sizeof(v));
		msleep(rnd(seed, 3));
		v = 0;
		setsockopt(d->fd, IPPROTO_TCP, TCP_CORK, &v, sizeof(v));
		break;
	default:
		msleep(rnd(seed, 30));
	}
}

/* Waits until the other side has sent as much as we have, more or less: a conversation. */
static void listen_first(struct side *d, uint64_t at)
{
	double until = now() + 0.003;
	uint64_t got;

	do {
		got = __atomic_load_n(&d->s->got[!d->dir], __ATOMIC_RELAXED);
		if (got + 1000 > at || got == d->script[!d->dir].total)
			return;
		sched_yield();
	} while (now() < until);
}

/*
 * An edge-triggered reader gets all that was sent, although nothing comes after it. (Else each further
 * message would bring an event, and no stall could be seen.) False: it does not.
 */
static bool drained(struct side *d, uint64_t at)
{
	double until = now() + EDGE_STALL;

	if (!d->script[d->dir].edge)
		return true;
	while (__atomic_load_n(&d->s->got[d->dir], __ATOMIC_RELAXED) < at) {
		if (__atomic_load_n(&d->s->faults, __ATOMIC_RELAXED))
			return false;
		if (now() > until) {
			fault(d, "edge-triggered reader stalls before", at, ETIMEDOUT);
			return false;
		}
		msleep(1);
	}
	return true;
}

/* A conversation, long enough to join; where it got to. */
static uint64_t warm_up_chat(struct side *d, unsigned int seed, uint64_t total)
{
	double until = now() + 0.8;
	uint64_t at = 0;
	size_t n;

	while (now() < until && at < total / 2) {
		n = 1 + rnd(&seed, 200);
		if (!write_all(d, &seed, at, n))
			return total;
		at += n;
		listen_first(d, at);
	}
	return at;
}

static void *writer(void *arg)
{
	struct side *d = arg;
	unsigned int seed = d->script[d->dir].seed;
	uint64_t total = d->script[d->dir].total, at = warm_up_chat(d, seed + 1, total);
	int k, count;
	size_t n;

	while (at < total) {
		enum act act = rnd(&seed, chatty ? 15 : 3) ? CHAT : rnd(&seed, ACTS);

		count = act == CHAT ? 50 + rnd(&seed, 400) : act == TINY ? 300 : act == BURST ? 40 : 1;
		if (act >= PAUSE) {
			options(d, &seed, act);
			continue;
		}
		for (k = 0; k < count && at < total; k++) {
			n = act == CHAT	   ? 1 + rnd(&seed, 300)
			    : act == TINY  ? 1
			    : act == BURST ? 1 + rnd(&seed, 9000)
					   : 1 + rnd(&seed, 1 << 17);
			if (n > total - at)
				n = total - at;
			if (!write_all(d, &seed, at, n))
				return NULL;
			at += n;
			if (act == CHAT)
				listen_first(d, at);
		}
		if (rnd(&seed, 2) && !drained(d, at))
			break;
	}
	shutdown(d->fd, SHUT_WR);
	return NULL;
}

/* ---- reading ---- */

/* By one of the calls that read; peeked bytes are compared and read again. */
static ssize_t read_some(struct side *d, unsigned int *seed, unsigned char *b, size_t n, uint64_t at)
{
	struct iovec v[2] = {{b, n / 2}, {b + n / 2, n - n / 2}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
	ssize_t r;

	if (d->script[!d->dir].peeks && !rnd(seed, 10)) {
		r = recv(d->fd, b, n, MSG_PEEK | MSG_DONTWAIT);
		if (r > 0 && pattern_check(d->seed, !d->dir, at, b, r) >= 0)
			fault(d, "peek", at, 0);
	}
	switch (rnd(seed, 4)) {
	case 0:
		return read(d->fd, b, n);
	case 1:
		return readv(d->fd, v, 2);
	case 2:
		return recvmsg(d->fd, &m, 0);
	default:
		return recv(d->fd, b, n, rnd(seed, 2) ? MSG_DONTWAIT : 0);
	}
}

/* How a reader waits: by poll(2), or for edges. */
struct waiting {
	int ep;	    /* -1: by poll(2) */
	bool ready; /* an edge came, and no read was short since */
	bool end;   /* the end of the stream was announced: it reads on to that */
};

/*
 * Until there may be something to read; false: not yet. Who waits for edges and is behind is busy elsewhere
 * now and then, so that one event stands for many messages.
 */
static bool await_bytes(struct side *d, struct waiting *w, unsigned int *seed)
{
	struct epoll_event ev;
	uint64_t behind;

	if (w->ep < 0 || w->end) {
		wait_for(d->fd, POLLIN, 50);
		return true;
	}
	if (w->ready)
		return true;
	if (epoll_wait(w->ep, &ev, 1, 50) != 1)
		return false;
	w->ready = true;
	w->end = ev.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	behind = __atomic_load_n(&d->s->sent[!d->dir], __ATOMIC_RELAXED) -
		 __atomic_load_n(&d->s->got[!d->dir], __ATOMIC_RELAXED);
	if (behind > BEHIND && !rnd(seed, 2))
		msleep(rnd(seed, 30));
	return true;
}

/* -1: this reader is not edge-triggered. */
static int watch_edges(const struct side *d)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
	int ep;

	if (!d->script[!d->dir].edge)
		return -1;
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, d->fd, &ev))
		die("epoll");
	return ep;
}

static void *reader(void *arg)
{
	static __thread unsigned char b[1 << 17];
	struct side *d = arg;
	const struct script *in = &d->script[!d->dir];
	unsigned int seed = in->seed * 31 + 7;
	struct waiting w = {.ep = watch_edges(d)};
	uint64_t at = 0;
	ssize_t r, k, n;

	for (;;) {
		n = 1 + rnd(&seed, in->slow ? 3000 : sizeof(b));
		errno = EAGAIN;
		r = await_bytes(d, &w, &seed) ? read_some(d, &seed, b, n, at) : -1;
		w.ready = r == n;
		if (r > 0) {
			k = pattern_check(d->seed, !d->dir, at, b, r);
			if (k >= 0) {
				pattern_blame(d->seed, !d->dir, at + k, b + k, r - k);
				fault(d, "read", at + k, 0);
				return NULL;
			}
			at += r;
			__atomic_store_n(&d->s->got[!d->dir], at, __ATOMIC_RELAXED);
			moved(d);
			if (in->slow && !rnd(&seed, 20))
				msleep(1);
			continue;
		}
		if (!r)
			break;
		if (errno != EAGAIN) {
			fault(d, "read", at, errno);
			return NULL;
		}
		if (hangs(d)) {
			fault(d, "read hangs", at, ETIMEDOUT);
			return NULL;
		}
	}
	if (at != in->total)
		fault(d, "end of stream", at, 0);
	return NULL;
}

/* ---- a seed ---- */

static void derive(struct script s[2], unsigned int seed)
{
	unsigned int r = seed;
	int k;

	for (k = 0; k < 2; k++) {
		s[k].total = rnd(&r, 6) ? 500000 + rnd(&r, 1500000) : rnd(&r, 8 << 20);
		s[k].total *= chatty ? 4 : 1;
		s[k].seed = rand_r(&r);
		s[k].blocking_reader = !rnd(&r, 8);
		s[k].slow = !rnd(&r, 5);
		s[k].peeks = !rnd(&r, 4);
		s[k].edge = (!rnd(&r, 4) || edges) && !s[k].blocking_reader;
	}
}

static void run_side(struct side *d)
{
	pthread_t t;

	set_nonblock(d->fd, !d->script[!d->dir].blocking_reader);
	if (pthread_create(&t, NULL, reader, d))
		die("thread");
	writer(d);
	pthread_join(t, NULL);
	close(d->fd);
}

/* In a process of its own: this side's peer is made by a fork. */
static void run_seed(struct shared *s, unsigned int seed)
{
	struct side d = {.s = s, .seed = seed};
	int l = tcp_listen("127.0.0.1", 0), port = local_port(l), status;
	char name[16];
	pid_t peer;

	/*
	 * one that turns a member blocking speaks for its program, not for all seeds (agent/program/flips.h)
	 */
	snprintf(name, sizeof(name), "seed %u", seed);
	prctl(PR_SET_NAME, name);
	derive(d.script, seed);
	moved(&d);
	peer = fork_with_us();
	if (!peer) {
		close(l);
		d.dir = 1;
		/* as some libraries do; a blocking reader it becomes after that, so `early` lets it in */
		d.fd = tcp_connect_nonblock("127.0.0.1", port);
		run_side(&d);
		_exit(0);
	}
	d.fd = tcp_accept(l);
	close(l);
	run_side(&d);
	waitpid(peer, &status, 0);
	_exit(0);
}

struct slot {
	pid_t pid;
	unsigned int seed;
	double started;
};

int main(int argc, char **argv)
{
	unsigned int first = (unsigned int)time(NULL) * 2654435761u >> 8, seeds = 0, begun = 0, i;
	int c, parallel = 8, running = 0, min_hop = 0, bad = 0, verbose = 0, status;
	uint64_t bytes = 0, hopped = 0;
	double secs = 0, start = now();
	struct shared *s;
	struct slot slot[64] = {};

	while ((c = getopt(argc, argv, "s:n:t:j:H:cev")) != -1) {
		if (c == 's')
			first = strtoul(optarg, NULL, 0);
		else if (c == 'n')
			seeds = strtoul(optarg, NULL, 0);
		else if (c == 't')
			secs = atof(optarg);
		else if (c == 'j')
			parallel = atoi(optarg);
		else if (c == 'H')
			min_hop = atoi(optarg);
		else if (c == 'c')
			chatty = true;
		else if (c == 'e')
			edges = true;
		else if (c == 'v')
			verbose = 1;
		else
			return EXIT_SETUP;
	}
	if (!seeds && secs <= 0)
		seeds = 50;
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
	s = mmap(NULL, 64 * sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	printf("random first seed %u\n", first);
	fflush(stdout);
	for (;;) {
		bool more = !stopped && (secs > 0 ? now() < start + secs && !bad : begun < seeds);

		for (i = 0; more && i < (unsigned int)parallel && i < 64; i++) {
			if (slot[i].pid)
				continue;
			slot[i].seed = first + begun++;
			slot[i].started = now();
			memset(&s[i], 0, sizeof(s[i]));
			slot[i].pid = fork_with_us();
			if (!slot[i].pid)
				run_seed(&s[i], slot[i].seed);
			running++;
			break;
		}
		if (!running)
			break;
		if (more && running < parallel)
			continue;
		pid_t pid = wait(&status);

		for (i = 0; i < 64 && slot[i].pid != pid; i++)
			;
		if (i == 64)
			continue;
		slot[i].pid = 0;
		running--;
		bytes += s[i].sent[0] + s[i].sent[1];
		hopped += s[i].hopped[0] + s[i].hopped[1];
		if (s[i].faults || !WIFEXITED(status) || WEXITSTATUS(status)) {
			bad++;
			printf("random FAILED seed %u: replay with -s %u -n 1%s%s\n", slot[i].seed,
			       slot[i].seed, chatty ? " -c" : "", edges ? " -e" : "");
		} else if (verbose) {
			printf("seed %u secs %.1f bytes %llu hopped %llu\n", slot[i].seed,
			       now() - slot[i].started, (unsigned long long)(s[i].sent[0] + s[i].sent[1]),
			       (unsigned long long)(s[i].hopped[0] + s[i].hopped[1]));
		}
	}
	printf("random seeds=%u bytes=%llu hop=%llu hop_percent=%.1f failed=%d secs=%.1f\n", begun,
	       (unsigned long long)bytes, (unsigned long long)hopped, bytes ? 100.0 * hopped / bytes : 0, bad,
	       now() - start);
	if (!on_plain() && bytes && 100.0 * hopped / bytes < min_hop) {
		printf("random: too few bytes hopped, %d %% were expected\n", min_hop);
		bad++;
	}
	return bad ? EXIT_FAULT : 0;
}
