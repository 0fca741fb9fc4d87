// SPDX-License-Identifier: GPL-2.0-only
/*
 * collapse: both ends of relayed connections that hop past the relay: a connects to it, b is what the relay
 * connects to (or a second client, in pair mode). Non-blocking, every byte checked by its position.
 *
 * collapse SCENARIO RELAY-PORT TARGET-PORT(0: pair mode) [CONNECTIONS]
 *   hop     request-response until all hop; both ends must then hop for 200 round trips without a byte on TCP
 *   plain   request-response; fails if one hops
 *   half    half-close of either side while the other one goes on
 *   reset   a reset of either side arrives as a reset
 *   close   close of either side with nothing unread: all that was sent arrives, then the end of the stream
 *   unread  an end closes while the other one is blocked and bytes wait for it: that fails within 10 s
 *   proxy   b gets a PROXY v2 header first
 *   sleeper a reader that sleeps blocks the sender within bounds, and then gets everything
 *   hold    hop; says "hopping", then request-response until a line comes; then a checked transfer each way
 *   silent  hop; says "hopping", then waits for the reset that a silent connection gets
 *   cut     hop; says "hopping", streams both ways until the relay is gone: both sides must have a prefix
 * Exit status: see sock.h.
 */
#include "sock.h"
#include "pattern.h"

#define MESSAGE	 200
#define PATIENCE 10

static int relay_port, target_port, listener = -1, conns = 1;

/* Both ends of a relayed connection, and how far each direction is. */
struct ends {
	int fd[2];
	uint64_t sent[2], got[2]; /* sent[i] by fd[i]; got[i] of it by fd[!i] */
	int id;
};

static __attribute__((format(printf, 1, 2), noreturn)) void fault(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("FAULT ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAULT);
}

static void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

static int accept_within(int s)
{
	if (!wait_for(listener, POLLIN, s * 1000))
		fault("the relay does not connect");
	return tcp_accept_nonblock(listener);
}

static struct ends *relayed(void)
{
	static int id;
	struct ends *e = calloc(1, sizeof(*e));

	if (!e)
		die("calloc");
	e->id = id++;
	e->fd[0] = tcp_connect_nonblock("127.0.0.1", relay_port);
	e->fd[1] = target_port ? accept_within(PATIENCE) : tcp_connect_nonblock("127.0.0.1", relay_port);
	return e;
}

static void put(struct ends *e, int i, size_t n)
{
	unsigned char buf[65536];
	int err;

	while (n) {
		size_t part = n < sizeof(buf) ? n : sizeof(buf);

		pattern_fill(e->id, i, e->sent[i], buf, part);
		err = send_all(e->fd[i], buf, part, PATIENCE);
		if (err)
			fault("connection %d: send of end %d at %llu: %s", e->id, i,
			      (unsigned long long)e->sent[i], err_name(err));
		e->sent[i] += part;
		n -= part;
	}
}

static void check(struct ends *e, int i, const unsigned char *buf, size_t n)
{
	ssize_t k = pattern_check(e->id, i, e->got[i], buf, n);

	if (k < 0) {
		e->got[i] += n;
		return;
	}
	pattern_blame(e->id, i, e->got[i] + k, buf + k, n - k);
	exit(EXIT_FAULT);
}

/* The other end of fd[i] reads up to what was sent. */
static void get(struct ends *e, int i)
{
	unsigned char buf[65536];
	int err;

	while (e->got[i] < e->sent[i]) {
		uint64_t left = e->sent[i] - e->got[i];
		size_t part = left < sizeof(buf) ? left : sizeof(buf);

		err = recv_all(e->fd[!i], buf, part, PATIENCE);
		if (err)
			fault("connection %d: recv of end %d at %llu: %s", e->id, !i,
			      (unsigned long long)e->got[i], err_name(err));
		check(e, i, buf, part);
	}
}

/* What recv() of an end says next: 0 end of stream, 1 bytes, else an errno. */
static int next_read(int fd)
{
	char byte;

	wait_for(fd, POLLIN, PATIENCE * 1000);
	switch (recv(fd, &byte, 1, 0)) {
	case 0:
		return 0;
	case 1:
		return 1;
	default:
		return errno;
	}
}

static void expect_end(struct ends *e, int i)
{
	int r = next_read(e->fd[i]);

	if (r)
		fault("connection %d, end %d: no clean end: %s", e->id, i,
		      r == 1 ? "more bytes" : err_name(r));
}

static void turn(struct ends *e)
{
	put(e, 0, MESSAGE);
	get(e, 0);
	put(e, 1, MESSAGE);
	get(e, 1);
}

/* A round trip without a byte on TCP? */
static bool turn_hops(struct ends *e)
{
	uint64_t a = path_sent(e->fd[0]), b = path_sent(e->fd[1]);

	turn(e);
	return a == path_sent(e->fd[0]) && b == path_sent(e->fd[1]);
}

static void warm(struct ends **e, int n)
{
	double until = now() + join_wait() + n * 0.01;
	int *streak = calloc(n, sizeof(*streak)), joined = 0;

	while (joined < n && now() < until) {
		joined = 0;
		for (int i = 0; i < n; i++) {
			streak[i] = turn_hops(e[i]) ? streak[i] + 1 : 0;
			joined += streak[i] >= JOIN_STREAK;
		}
	}
	free(streak);
	if (joined < n) {
		fprintf(stderr, "never joined: %d of %d connections hop\n", joined, n);
		exit(EXIT_NEVER_JOINED);
	}
}

static struct ends *hopping(void)
{
	struct ends *e = relayed();

	warm(&e, 1);
	return e;
}

static void finish(struct ends *e)
{
	for (int i = 0; i < 2; i++)
		close(e->fd[i]);
	free(e);
}

static struct ends **all_relayed(void)
{
	struct ends **e = calloc(conns, sizeof(*e));

	if (!e)
		die("calloc");
	for (int i = 0; i < conns; i++)
		e[i] = relayed();
	return e;
}

/*
 * The order rule is met only when the two ends' sequence numbers are compared exactly: with a byte too many
 * or too few, request-response would never hop.
 */
static void hop(void)
{
	struct ends **e = all_relayed();
	int stays = 0;

	warm(e, conns);
	for (int k = 0; k < 200; k++)
		for (int i = 0; i < conns; i++)
			stays += !turn_hops(e[i]);
	for (int i = 0; i < conns; i++) {
		put(e[i], 0, 300000 - 1);
		get(e[i], 0);
		finish(e[i]);
	}
	free(e);
	/* a pass may let one leave and come back */
	if (stays > conns * 10)
		fault("%d of %d round trips used TCP", stays, conns * 200);
}

static void plain(void)
{
	struct ends **e = all_relayed();
	double until = now() + 1;
	int hopped = 0;

	while (now() < until)
		for (int i = 0; i < conns; i++)
			hopped += turn_hops(e[i]);
	if (hopped)
		fault("%d round trips hopped", hopped);
}

static void half(void)
{
	for (int i = 0; i < 2; i++) {
		struct ends *e = hopping();

		put(e, i, 50000);
		shutdown(e->fd[i], SHUT_WR);
		get(e, i);
		expect_end(e, !i);
		for (int k = 0; k < 50; k++) {
			put(e, !i, 1 + k * 997);
			get(e, !i);
		}
		shutdown(e->fd[!i], SHUT_WR);
		expect_end(e, i);
		finish(e);
	}
}

static void reset(void)
{
	const struct linger at_once = {.l_onoff = 1};

	for (int i = 0; i < 2; i++) {
		struct ends *e = hopping();
		int r;

		setsockopt(e->fd[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(e->fd[i]);
		r = next_read(e->fd[!i]);
		if (r != ECONNRESET)
			fault("a reset of end %d arrived as %s", i,
			      r ? err_name(r) : "the end of the stream");
		close(e->fd[!i]);
		free(e);
	}
}

static void close_ends(void)
{
	for (int i = 0; i < 2; i++) {
		struct ends *e = hopping();

		put(e, i, 20000);
		close(e->fd[i]);
		get(e, i);
		expect_end(e, !i);
		close(e->fd[!i]);
		free(e);
	}
}

static void fill(struct ends *e, int i)
{
	unsigned char buf[16384];
	ssize_t r;

	while (wait_for(e->fd[i], POLLOUT, 300)) {
		pattern_fill(e->id, i, e->sent[i], buf, sizeof(buf));
		r = send(e->fd[i], buf, sizeof(buf), MSG_NOSIGNAL);
		if (r < 0 && errno != EAGAIN)
			fault("send: %s", strerror(errno));
		if (r > 0)
			e->sent[i] += r;
	}
}

static void unread(void)
{
	for (int i = 0; i < 2; i++) {
		struct ends *e = hopping();
		double start, took;
		int err;

		fill(e, i);
		close(e->fd[!i]);
		start = now();
		do {
			err = send_all(e->fd[i], "x", 1, 1);
		} while ((!err || err == -ETIMEDOUT) && now() < start + 60);
		took = now() - start;
		fprintf(stderr, "unread: %s after %.2f s\n", err_name(err), took);
		if (took > PATIENCE)
			fault("end %d: a blocked sender fails after %.0f s only", i, took);
		close(e->fd[i]);
		free(e);
	}
}

/* Signature, version and command, family, length (of what follows): the first 16 bytes. */
static void proxy(void)
{
	static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
	struct ends *e = relayed();
	unsigned char head[16], rest[256];
	size_t n;

	if (recv_all(e->fd[1], head, sizeof(head), PATIENCE) || memcmp(head, signature, 12))
		fault("no PROXY header");
	n = head[14] << 8 | head[15];
	if (n > sizeof(rest) || recv_all(e->fd[1], rest, n, PATIENCE))
		fault("a PROXY header of %zu bytes", n);
	warm(&e, 1);
	for (int k = 0; k < 300; k++)
		turn(e);
	put(e, 0, 200000);
	put(e, 1, 200000);
	get(e, 0);
	get(e, 1);
	finish(e);
}

/* Small and large pieces; blocked is who cannot write for 0.4 s. */
static void sleeper(void)
{
	static const size_t pieces[] = {100, 65536};

	for (int k = 0; k < 4; k++) {
		struct ends *e = hopping();
		unsigned char buf[65536];
		int i = k % 2;

		while (wait_for(e->fd[i], POLLOUT, 400) && e->sent[i] < 64 << 20) {
			size_t n = pieces[k / 2];
			ssize_t r;

			pattern_fill(e->id, i, e->sent[i], buf, n);
			r = send(e->fd[i], buf, n, MSG_NOSIGNAL);
			if (r < 0 && errno != EAGAIN)
				fault("send: %s", strerror(errno));
			if (r > 0)
				e->sent[i] += r;
		}
		fprintf(stderr, "sleeper: %llu bytes in pieces of %zu\n", (unsigned long long)e->sent[i],
			pieces[k / 2]);
		if (e->sent[i] >= 64 << 20)
			fault("a sleeping reader let 64 MB through");
		get(e, i);
		turn(e);
		shutdown(e->fd[i], SHUT_WR);
		expect_end(e, !i);
		finish(e);
	}
}

static void hold(void)
{
	struct ends **e = all_relayed();
	struct pollfd in = {.fd = 0, .events = POLLIN};

	warm(e, conns);
	say("hopping");
	while (poll(&in, 1, 0) == 0)
		for (int i = 0; i < conns; i++)
			turn(e[i]);
	for (int i = 0; i < conns; i++) {
		for (int k = 0; k < 20; k++)
			turn(e[i]);
		put(e[i], 0, 100000);
		put(e[i], 1, 100000);
		get(e[i], 0);
		get(e[i], 1);
		finish(e[i]);
	}
}

static void silent(void)
{
	struct ends *e = hopping();

	say("hopping");
	for (int i = 0; i < 2; i++) {
		int r = next_read(e->fd[i]);

		if (r != ECONNRESET)
			fault("end %d: %s", i, r == EAGAIN ? "nothing happened" : err_name(r));
	}
}

/* Bytes of fd[i] as they come; false at the end. */
static bool drain_some(struct ends *e, int i)
{
	unsigned char buf[65536];
	ssize_t r = recv(e->fd[!i], buf, sizeof(buf), 0);

	if (r > 0)
		check(e, i, buf, r);
	return r > 0 || (r < 0 && errno == EAGAIN);
}

static bool pour_some(struct ends *e, int i, size_t n)
{
	unsigned char buf[4096];
	ssize_t r;

	pattern_fill(e->id, i, e->sent[i], buf, n);
	r = send(e->fd[i], buf, n, MSG_NOSIGNAL);
	if (r > 0)
		e->sent[i] += r;
	return r >= 0 || errno == EAGAIN;
}

static void cut(void)
{
	struct ends **e = all_relayed();
	int alive = conns;
	unsigned int seed = 1;
	double until;

	warm(e, conns);
	say("hopping");
	until = now() + 30;
	while (alive) {
		if (now() > until)
			fault("%d connections outlive the relay", alive);
		for (int i = 0; i < conns; i++) {
			int d = rand_r(&seed) % 2;

			if (!e[i] || (pour_some(e[i], d, 1 + rand_r(&seed) % 4096) && drain_some(e[i], d)))
				continue;
			while (drain_some(e[i], d) && wait_for(e[i]->fd[!d], POLLIN, 0))
				;
			finish(e[i]);
			e[i] = NULL;
			alive--;
		}
	}
	free(e);
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{"hop", hop},	    {"plain", plain},	   {"half", half},   {"reset", reset},
	{"unread", unread}, {"close", close_ends}, {"proxy", proxy}, {"sleeper", sleeper},
	{"hold", hold},	    {"silent", silent},	   {"cut", cut},
};

int main(int argc, char **argv)
{
	if (argc < 4)
		return EXIT_SETUP;
	signal(SIGPIPE, SIG_IGN);
	raise_fd_limit();
	relay_port = atoi(argv[2]);
	target_port = atoi(argv[3]);
	if (argc > 4)
		conns = atoi(argv[4]);
	if (target_port)
		listener = tcp_listen("127.0.0.1", target_port);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (strcmp(scenarios[i].name, argv[1]))
			continue;
		scenarios[i].run();
		return 0;
	}
	fprintf(stderr, "unknown scenario %s\n", argv[1]);
	return EXIT_SETUP;
}
