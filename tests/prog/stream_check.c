// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream_check: many connections between two processes, epoll, non-blocking, all bytes position-coded and
 * checked. Each connection alternates between request-response, streams one way, streams both ways and floods
 * of one-byte sends, so that it joins (and leaves) in mid-stream; every sixth reader is slow (not with -L);
 * both ends half-close at the end.
 *
 * stream_check [server|client] [-a ADDR] [-p PORT] [-n CONNS] [-s SECONDS | -b BYTES] [-4|-6|-m] [-T] [-H
 * PERCENT] without a role: both, in two processes     -m: the listener is [::], clients are IPv4 and
 * v4-mapped in turn -T: one thread reads, another one writes the same sockets -H: fail unless this share of
 * the bytes sent hopped     -c: quiet phases only (request-response)     -L: large messages, long streams -w
 * SECONDS: at first quiet phases only, so that all have joined when the others begin. One summary line a role
 * on stdout. Exit status: see sock.h.
 */
#include "sock.h"
#include "pattern.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

enum frame_kind { HELLO = 0x51500001, DATA, END };

/* Every stream is a sequence of frames; the mark names connection, direction and position of the frame. */
struct frame {
	uint32_t kind, len, reply, pad; /* payload bytes that follow; payload bytes wanted in return */
	uint64_t mark;
};

/*
 * After a large message: to check takes longer than to send, and who is behind all the time is sent no hops.
 */
#define LARGE_PAUSE_US 200

enum phase { RR, STREAM, BOTH, FLOOD };

struct half {
	uint64_t off; /* stream position */
	struct frame frame;
	size_t head;   /* bytes of the header done */
	uint32_t left; /* payload bytes of the frame still to do */
	size_t chop;
	bool active, end, done;
	unsigned int seed;
};

struct conn {
	int fd, dir; /* direction of what we send */
	uint32_t id;
	struct half tx, rx;
	bool slow, want_out, finish;
	double pause_until;
	enum phase phase;
	int rounds;
	uint64_t asked; /* client: reply bytes asked for */
	/* written by the reading side, read by the writing side */
	_Atomic bool ready, rx_end, failed;
	_Atomic uint64_t owed, got;
	_Atomic int halves;
};

struct loop {
	int ep, wake;
	bool rx, tx;
};

static struct {
	const char *addr;
	int port, conns, min_hop, family;
	double secs, warm;
	uint64_t bytes;
	bool threads, client, chat, large;
} opt = {.addr = "127.0.0.1", .conns = 20, .secs = 3, .family = '4'};

static struct conn *conns;
static struct loop loops[2];
static int listener = -1, accepted;
static double deadline, last_progress, quiet_until;
static _Atomic int closed;
static _Atomic uint64_t tx_bytes, rx_bytes, hop_bytes, hop_ends, faults, eagain, epipe, errors;

static uint32_t rnd(unsigned int *seed, uint32_t n)
{
	return ((uint32_t)rand_r(seed) << 8 ^ (uint32_t)rand_r(seed)) % n;
}

static uint32_t message_size(unsigned int *seed)
{
	uint32_t r = rnd(seed, 100);

	if (opt.large)
		return 50000 + rnd(seed, 150000);
	if (r < 50)
		return 1 + rnd(seed, 200);
	if (r < 85)
		return 1 + rnd(seed, 4096);
	return 1 + rnd(seed, r < 98 ? 32768 : 200000);
}

static void half_done(struct conn *c)
{
	if (++c->halves == 2) {
		close(c->fd);
		closed++;
		if (loops[1].wake >= 0)
			eventfd_write(loops[1].wake, 1);
	}
}

static void fail(struct conn *c)
{
	c->failed = true;
	shutdown(c->fd, SHUT_RDWR);
}

/* Small buffers and a reader that dawdles: the sender meets a full socket. */
static void make_slow(struct conn *c)
{
	c->slow = true;
	set_int(c->fd, SOL_SOCKET, SO_RCVBUF, 32768);
	set_int(c->fd, SOL_SOCKET, SO_SNDBUF, 32768);
}

/* ---- sending ---- */

static void begin_frame(struct conn *c, uint32_t kind, uint32_t len, uint32_t reply)
{
	struct half *t = &c->tx;

	t->frame = (struct frame){.kind = kind, .len = len, .reply = reply};
	t->frame.mark = pattern_word(c->id, c->dir, t->off);
	t->head = 0;
	t->left = len;
	t->active = true;
	t->chop = c->phase == FLOOD  ? 1
		  : rnd(&t->seed, 4) ? sizeof(struct frame) + len
				     : message_size(&t->seed);
}

static void next_phase(struct conn *c)
{
	unsigned int *s = &c->tx.seed;

	if (opt.large && c->phase == RR) {
		c->phase = STREAM;
		c->rounds = 2000 + rnd(s, 2000);
		return;
	}
	c->phase = opt.chat || now() < quiet_until || c->phase != RR ? RR : 1 + rnd(s, 3);
	c->rounds = c->phase == RR ? 150 + rnd(s, 350) : c->phase == FLOOD ? 1 : 3 + rnd(s, 30);
}

/* Chooses what the client sends next; false: nothing now. */
static bool client_frame(struct conn *c)
{
	unsigned int *s = &c->tx.seed;
	uint32_t len, reply = 0;

	if (c->finish) {
		begin_frame(c, END, 0, 0);
		return true;
	}
	if (c->rounds <= 0)
		next_phase(c);
	if (c->phase == RR && c->got < c->asked)
		return false;
	c->rounds--;
	switch (c->phase) {
	case RR:
		len = 1 + rnd(s, rnd(s, 50) ? 300 : 20000);
		reply = 1 + rnd(s, rnd(s, 50) ? 300 : 20000);
		break;
	case FLOOD:
		len = 100 + rnd(s, 1000);
		break;
	case BOTH:
		len = message_size(s);
		reply = message_size(s);
		break;
	default:
		len = message_size(s);
	}
	c->asked += reply;
	begin_frame(c, DATA, len, reply);
	return true;
}

static bool server_frame(struct conn *c)
{
	uint64_t owed = c->owed;
	uint32_t len;

	if (!owed && c->rx_end) {
		begin_frame(c, END, 0, 0);
		return true;
	}
	if (!owed)
		return false;
	len = owed > 100000 ? 100000 : owed;
	c->owed -= len;
	c->phase = len < 1500 && !rnd(&c->tx.seed, 50) ? FLOOD : STREAM;
	begin_frame(c, DATA, len, 0);
	return true;
}

/* Puts the rest of the frame, at most chop bytes, into buf. */
static size_t next_chunk(struct conn *c, unsigned char *buf)
{
	struct half *t = &c->tx;
	size_t head = sizeof(t->frame) - t->head, n;

	if (head > t->chop)
		head = t->chop;
	memcpy(buf, (char *)&t->frame + t->head, head);
	n = t->left < t->chop - head ? t->left : t->chop - head;
	pattern_fill(c->id, c->dir, t->off + head, buf + head, n);
	return head + n;
}

static void sent(struct conn *c, size_t n)
{
	struct half *t = &c->tx;
	size_t head = sizeof(t->frame) - t->head;

	t->off += n;
	tx_bytes += n;
	if (head > n)
		head = n;
	t->head += head;
	t->left -= n - head;
	t->active = t->head < sizeof(t->frame) || t->left;
}

/* The stream is complete: how much of it hopped? Then half-close. */
static void finish_tx(struct conn *c)
{
	uint64_t path = path_sent(c->fd);

	if (path < c->tx.off) {
		hop_bytes += c->tx.off - path;
		hop_ends++;
	}
	c->tx.done = true;
	c->want_out = false;
	shutdown(c->fd, SHUT_WR);
	half_done(c);
}

static void send_failed(struct conn *c)
{
	if (!c->failed) {
		fprintf(stderr, "send: connection %u direction %d offset %llu: %s\n", c->id, c->dir,
			(unsigned long long)c->tx.off, strerror(errno));
		if (errno == EPIPE)
			epipe++;
		else
			errors++;
	}
	fail(c);
	c->tx.done = true;
	c->want_out = false;
	half_done(c);
}

/* Sends until the socket is full, nothing is to be sent now, or it is another connection's turn. */
static void tx_step(struct conn *c)
{
	static __thread unsigned char buf[sizeof(struct frame) + 200000];
	int budget = 32;
	ssize_t r;

	if (c->tx.done || !c->ready)
		return;
	if (opt.client && (now() > deadline || (opt.bytes && c->tx.off > opt.bytes)))
		c->finish = true;
	while (budget--) {
		if (!c->tx.active && c->tx.frame.kind == END)
			return finish_tx(c);
		if (!c->tx.active && !(opt.client ? client_frame(c) : server_frame(c))) {
			c->want_out = false;
			return;
		}
		r = send(c->fd, buf, next_chunk(c, buf), MSG_NOSIGNAL);
		if (r < 0) {
			if (errno != EAGAIN)
				return send_failed(c);
			eagain++;
			break;
		}
		sent(c, r);
		if (opt.large)
			usleep(LARGE_PAUSE_US);
	}
	c->want_out = true;
}

/* ---- receiving ---- */

static void fault(struct conn *c, uint64_t off, const void *data, size_t n)
{
	pattern_blame(c->id, !c->dir, off, data, n);
	faults++;
	fail(c);
}

static bool got_header(struct conn *c)
{
	struct frame *f = &c->rx.frame;
	uint64_t at = c->rx.off - sizeof(*f);

	if (!opt.client && !at && f->kind == HELLO) {
		c->id = pattern_decode(f->mark) >> 41 & 0x7fff;
		if (c->id % 6 == 1 && !opt.large)
			make_slow(c);
	}
	if (f->kind < HELLO || f->kind > END || f->mark != pattern_word(c->id, !c->dir, at)) {
		fprintf(stderr, "a frame header is wrong\n");
		fault(c, at, f, sizeof(*f));
		return false;
	}
	c->rx.left = f->len;
	c->rx.end = f->kind == END;
	c->owed += f->reply;
	c->ready = true;
	return true;
}

static bool parse(struct conn *c, const unsigned char *b, size_t n)
{
	struct half *r = &c->rx;
	size_t m;
	ssize_t k;

	while (n) {
		if (r->left) {
			m = n < r->left ? n : r->left;
			k = pattern_check(c->id, !c->dir, r->off, b, m);
			if (k >= 0) {
				fault(c, r->off + k, b + k, m - k);
				return false;
			}
			r->left -= m;
			c->got += m;
		} else {
			m = sizeof(r->frame) - r->head;
			m = n < m ? n : m;
			memcpy((char *)&r->frame + r->head, b, m);
			r->head += m;
		}
		b += m;
		n -= m;
		r->off += m;
		if (r->head == sizeof(r->frame)) {
			r->head = 0;
			if (!got_header(c))
				return false;
		}
	}
	return true;
}

static void finish_rx(struct conn *c, int err)
{
	if (err && !c->failed) {
		fprintf(stderr, "recv: connection %u direction %d offset %llu: %s\n", c->id, !c->dir,
			(unsigned long long)c->rx.off, strerror(err));
		errors++;
		fail(c);
	} else if (!c->failed && (!c->rx.end || c->rx.left || c->rx.head)) {
		fprintf(stderr, "FAULT connection %u direction %d ends early, at offset %llu\n", c->id,
			!c->dir, (unsigned long long)c->rx.off);
		faults++;
		fail(c);
	}
	c->rx_end = true;
	c->rx.done = true;
	half_done(c);
}

static void rx_step(struct conn *c)
{
	static __thread unsigned char buf[65536];
	ssize_t r;

	if (c->rx.done || c->pause_until > now())
		return;
	r = recv(c->fd, buf, 1 + rnd(&c->rx.seed, c->slow ? 3000 : sizeof(buf)), 0);
	if (r < 0 && errno == EAGAIN)
		return;
	if (r > 0) {
		rx_bytes += r;
		if (!parse(c, buf, r))
			finish_rx(c, 0);
		else if (c->slow && rnd(&c->rx.seed, 2))
			c->pause_until = now() + rnd(&c->rx.seed, 4000) * 1e-6;
		return;
	}
	finish_rx(c, r ? errno : 0);
}

/* ---- the loop: one for both halves, or one each in two threads ---- */

static void interest(struct loop *l, struct conn *c, int op)
{
	struct epoll_event ev = {.data.ptr = c};

	if (l->rx && !c->rx.done && c->pause_until <= now())
		ev.events |= EPOLLIN;
	if (l->tx && !c->tx.done && c->want_out)
		ev.events |= EPOLLOUT;
	if (c->halves < 2)
		epoll_ctl(l->ep, op, c->fd, &ev);
}

static void serve(struct loop *l, struct conn *c)
{
	last_progress = now();
	if (l->rx)
		rx_step(c);
	if (l->tx)
		tx_step(c);
	else
		eventfd_write(loops[1].wake, 1);
	interest(l, c, EPOLL_CTL_MOD);
}

static void add_conn(int fd, uint32_t id)
{
	struct conn *c = &conns[accepted];

	*c = (struct conn){.fd = fd, .id = id, .dir = !opt.client};
	c->tx.seed = id * 2 + 1;
	c->rx.seed = accepted * 7919 + 5;
	set_nonblock(fd, true);
	if (opt.client) {
		if (id % 6 == 0 && !opt.large)
			make_slow(c);
		begin_frame(c, HELLO, 0, 0);
		c->ready = c->want_out = true;
	}
	accepted++;
	interest(&loops[0], c, EPOLL_CTL_ADD);
	if (opt.threads)
		interest(&loops[1], c, EPOLL_CTL_ADD);
}

static void *run_loop(void *arg)
{
	struct loop *l = arg;
	struct epoll_event ev[64];
	int i, n, ms;

	while (closed < opt.conns && now() < last_progress + 15 && now() < deadline + 30) {
		for (ms = 100, i = 0; l->rx && i < accepted; i++) {
			if (!conns[i].pause_until)
				continue;
			ms = 1;
			if (conns[i].pause_until < now()) {
				conns[i].pause_until = 0;
				interest(l, &conns[i], EPOLL_CTL_MOD);
			}
		}
		n = epoll_wait(l->ep, ev, 64, ms);
		for (i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;
			eventfd_t v;
			int k;

			if (c) {
				serve(l, c);
				continue;
			}
			if (l->wake >= 0 && !eventfd_read(l->wake, &v))
				for (k = 0; k < accepted; k++)
					serve(l, &conns[k]);
			else if (accepted < opt.conns)
				add_conn(tcp_accept(listener), accepted);
		}
	}
	return NULL;
}

static void watch(int ep, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		die("epoll");
}

static void connect_all(void)
{
	int i;

	for (i = 0; i < opt.conns; i++) {
		const char *a = opt.addr;

		if (opt.family == 'm')
			a = i & 1 ? "::ffff:127.0.0.1" : "127.0.0.1";
		add_conn(tcp_connect_nonblock(a, opt.port), i);
	}
}

static int run(const char *role)
{
	double start = now(), percent;
	pthread_t reader;
	int i, hangs;

	opt.client = role[0] == 'c';
	conns = calloc(opt.conns, sizeof(*conns));
	for (i = 0; i < 2; i++) {
		loops[i].ep = epoll_create1(EPOLL_CLOEXEC);
		loops[i].wake = -1;
	}
	loops[0].rx = true;
	loops[0].tx = !opt.threads;
	loops[1].tx = true;
	deadline = start + opt.secs;
	quiet_until = start + opt.warm;
	last_progress = start + 10; /* the other side may still be connecting */
	if (opt.threads) {
		loops[1].wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		watch(loops[1].ep, loops[1].wake);
	}
	if (opt.client)
		connect_all();
	else
		watch(loops[0].ep, listener);
	if (opt.threads)
		pthread_create(&reader, NULL, run_loop, &loops[1]);
	run_loop(&loops[0]);
	if (opt.threads)
		pthread_join(reader, NULL);

	hangs = opt.conns - closed;
	for (i = 0; i < opt.conns && hangs; i++)
		if (conns[i].halves < 2)
			fprintf(stderr, "HANG %s connection %u: sent %llu (%s), received %llu (%s)\n", role,
				conns[i].id, (unsigned long long)conns[i].tx.off,
				conns[i].tx.done ? "done" : "not done", (unsigned long long)conns[i].rx.off,
				conns[i].rx.done ? "done" : "not done");
	percent = tx_bytes ? 100.0 * hop_bytes / tx_bytes : 0;
	printf("stream_check role=%s conns=%d tx=%llu rx=%llu hop=%llu hop_percent=%.1f hop_ends=%llu "
	       "faults=%llu "
	       "eagain=%llu epipe=%llu errors=%llu hangs=%d secs=%.1f\n",
	       role, opt.conns, (unsigned long long)tx_bytes, (unsigned long long)rx_bytes,
	       (unsigned long long)hop_bytes, percent, (unsigned long long)hop_ends,
	       (unsigned long long)faults, (unsigned long long)eagain, (unsigned long long)epipe,
	       (unsigned long long)errors, hangs, now() - start);
	fflush(stdout);
	if (faults || epipe || errors || hangs || !tx_bytes)
		return EXIT_FAULT;
	if (!on_plain() && percent < opt.min_hop) {
		fprintf(stderr, "only %.1f %% of the bytes hopped, %d %% were expected\n", percent,
			opt.min_hop);
		return EXIT_FAULT;
	}
	return 0;
}

static int run_both(void)
{
	int status, r;
	pid_t child;

	child = fork_with_us();
	if (!child)
		_exit(run("server"));
	r = run("client");
	waitpid(child, &status, 0);
	return r ? r : WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAULT;
}

static void parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "a:p:n:s:b:46mTcLw:H:")) != -1) {
		switch (c) {
		case 'a':
			opt.addr = optarg;
			break;
		case 'p':
			opt.port = atoi(optarg);
			break;
		case 'n':
			opt.conns = atoi(optarg);
			break;
		case 's':
			opt.secs = atof(optarg);
			break;
		case 'b':
			opt.bytes = strtoull(optarg, NULL, 0);
			opt.secs = 600;
			break;
		case 'T':
			opt.threads = true;
			break;
		case 'c':
			opt.chat = true;
			break;
		case 'L':
			opt.large = true;
			break;
		case 'w':
			opt.warm = atof(optarg);
			break;
		case 'H':
			opt.min_hop = atoi(optarg);
			break;
		case '6':
			opt.addr = "::1";
			break;
		case 'm':
			opt.addr = "::";
			/* fall through */
		case '4':
			opt.family = c;
			break;
		default:
			exit(EXIT_SETUP);
		}
	}
}

int main(int argc, char **argv)
{
	const char *role = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;

	signal(SIGPIPE, SIG_IGN);
	raise_fd_limit();
	parse_options(role ? argc - 1 : argc, role ? argv + 1 : argv);
	if (opt.conns < 1 || opt.conns > 0x7fff || (role && !opt.port && role[0] == 'c')) {
		fprintf(stderr, "stream_check: 1 to 32767 connections; a client needs -p PORT\n");
		return EXIT_SETUP;
	}
	if (!role || role[0] == 's') {
		listener = tcp_listen(opt.addr, opt.port);
		opt.port = local_port(listener);
	}
	return role ? run(role) : run_both();
}
