// SPDX-License-Identifier: GPL-2.0-only
/*
 * nowait: a client with blocking files that never waits in a receive call, but by poll() and MSG_DONTWAIT, as
 * mysqlnd and libmariadb do; and then it does, once a connection.
 *
 * nowait [-n CONNS] [-b] [-w] [-t] [-k]
 *   -b  the server's files are blocking as well    -w  it waits from the start, so it must never join
 *   -t  another thread writes meanwhile            -k  it never waits: all must hop to the end
 *
 * Connections join; then each makes a call that waits: with nobody sending, or in the middle of a stream, by
 * recv, read, readv, recvfrom, recvmsg, recvmmsg, SO_RCVTIMEO, MSG_PEEK, io_uring. Each byte must arrive,
 * none of these calls may say EAGAIN, and nothing may hop to that end any more. The program has another name
 * each time, since the agent remembers who waited.
 *
 * Last line: "nowait conns=N waits=W eagain=E hopped_after=H short=S hop_percent=P faults=F". short: calls
 * with MSG_WAITALL that returned less (not a fault: docs/limits.md).
 */
#include "pattern.h"
#include "sock.h"

#include <liburing.h>
#include <pthread.h>
#include <sys/wait.h>
#include <sys/uio.h>

#define MSG	 64
#define STREAM	 2000 /* messages of one */
#define AFTER	 3    /* round trips after a call that waited */
#define DEADLINE 30   /* seconds for whatever is waited for */

/* What a client asks the server for; the rest of the message is zero. */
struct request {
	uint32_t id, count; /* messages to send, 0: none */
	uint32_t delay_ms, gap_ms;
};

struct conn {
	int fd;
	uint32_t id;
	uint64_t got; /* bytes received: the position in the pattern */
};

enum call { RECV, READ, READV, RECVFROM, RECVMSG, RECVMMSG, RCVTIMEO, PEEK, URING, WAITALL, CALLS };

static unsigned long waits, eagain, hopped_after, shorts, faults, hopped, talked;
static bool server_blocks, waits_always, another_thread, never_waits;

static void fault(const struct conn *c, const char *what, int err)
{
	fprintf(stderr, "FAULT connection %u: %s: %s\n", c->id, what, err_name(err));
	faults++;
}

/* ---- the server ---- */

struct served {
	char in[MSG];
	size_t have;
	uint64_t sent;
};

static void answer(int fd, struct served *s)
{
	struct request r;
	char out[MSG];

	memcpy(&r, s->in, sizeof(r));
	msleep(r.delay_ms);
	for (uint32_t k = 0; k < r.count; k++, s->sent += MSG) {
		pattern_fill(r.id, 1, s->sent, out, MSG);
		if (r.gap_ms) { /* in two pieces */
			if (send_all(fd, out, MSG / 2, DEADLINE))
				_exit(EXIT_SETUP);
			msleep(r.gap_ms);
			if (send_all(fd, out + MSG / 2, MSG / 2, DEADLINE))
				_exit(EXIT_SETUP);
		} else if (send_all(fd, out, MSG, DEADLINE)) {
			_exit(EXIT_SETUP);
		}
	}
}

static void serve(const int *fd, int n)
{
	struct pollfd *p = calloc(n, sizeof(*p));
	struct served *s = calloc(n, sizeof(*s));
	int open = n;

	for (int i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = fd[i], .events = POLLIN};
	while (open && poll(p, n, -1) > 0)
		for (int i = 0; i < n; i++) {
			ssize_t r;

			if (p[i].fd < 0 || !p[i].revents)
				continue;
			r = recv(p[i].fd, s[i].in + s[i].have, MSG - s[i].have, MSG_DONTWAIT);
			if (r == 0 || (r < 0 && errno != EAGAIN)) {
				p[i].fd = -1;
				open--;
			} else if (r > 0 && (s[i].have += r) == MSG) {
				answer(p[i].fd, &s[i]);
				s[i].have = 0;
			}
		}
	_exit(0);
}

/* ---- the client ---- */

static void ask(struct conn *c, uint32_t count, uint32_t delay_ms, uint32_t gap_ms)
{
	char out[MSG] = {};
	int err;

	memcpy(out, &(struct request){c->id, count, delay_ms, gap_ms}, sizeof(struct request));
	err = send_all(c->fd, out, MSG, DEADLINE);
	if (err)
		fault(c, "send", err);
}

static bool check(struct conn *c, const void *data, size_t n)
{
	if (pattern_check(c->id, 1, c->got, data, n) >= 0) {
		pattern_blame(c->id, 1, c->got, data, n);
		fault(c, "bytes", EILSEQ);
		return false;
	}
	c->got += n;
	return true;
}

/* Up to n bytes without waiting in the call. */
static bool receive(struct conn *c, size_t n)
{
	char in[4 * MSG];
	ssize_t r;

	for (;;) {
		r = recv(c->fd, in, n < sizeof(in) ? n : sizeof(in), waits_always ? 0 : MSG_DONTWAIT);
		if (r > 0)
			return check(c, in, r);
		if (r == 0 || errno != EAGAIN || !wait_for(c->fd, POLLIN, DEADLINE * 1000)) {
			fault(c, "recv", r ? errno : ENODATA);
			return false;
		}
	}
}

static bool receive_all(struct conn *c, uint64_t until)
{
	while (c->got < until)
		if (!receive(c, until - c->got))
			return false;
	return true;
}

static uint64_t path_received(int fd)
{
	struct tcp_info ti = {};
	socklen_t len = sizeof(ti);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len))
		die("TCP_INFO");
	return ti.tcpi_bytes_received;
}

/* One request and its answer: did that hop? */
static bool trip(struct conn *c)
{
	uint64_t before = path_received(c->fd);

	ask(c, 1, 0, 0);
	if (!receive_all(c, c->got + MSG))
		return false;
	return path_received(c->fd) == before;
}

static void warm_up_conns(struct conn *c, int n)
{
	double until = now() + join_wait();
	int *streak = calloc(n, sizeof(*streak)), joined = 0;

	for (int k = 0; on_plain() && k < PLAIN_WARM_UP; k++)
		for (int i = 0; i < n; i++)
			trip(&c[i]);
	while (!on_plain() && joined < n && now() < until && !faults)
		for (int i = joined = 0; i < n; i++) {
			streak[i] = trip(&c[i]) ? streak[i] + 1 : 0;
			joined += streak[i] >= JOIN_STREAK;
		}
	free(streak);
	if (on_plain() || joined == n)
		return;
	fprintf(stderr, "never joined: %d of %d connections hop\n", joined, n);
	exit(faults ? EXIT_FAULT : EXIT_NEVER_JOINED);
}

/* One ring for all: the end of one would wake the next call, as a signal does. */
static ssize_t by_uring(int fd, void *buf, size_t n)
{
	static struct io_uring ring;
	static bool made;
	struct io_uring_cqe *cqe;
	ssize_t r;

	if (!made && io_uring_queue_init(4, &ring, 0))
		die("io_uring");
	made = true;
	io_uring_prep_recv(io_uring_get_sqe(&ring), fd, buf, n, 0);
	if (io_uring_submit_and_wait(&ring, 1) < 1 || io_uring_wait_cqe(&ring, &cqe))
		die("io_uring");
	r = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

static ssize_t waiting(enum call call, int fd, void *buf, size_t n)
{
	struct iovec v = {buf, n};
	struct mmsghdr m = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};
	struct timeval t = {DEADLINE, 0};
	ssize_t r;

	switch (call) {
	case READ:
		return read(fd, buf, n);
	case READV:
		return readv(fd, &v, 1);
	case RECVFROM:
		return recvfrom(fd, buf, n, 0, NULL, NULL);
	case RECVMSG:
		return recvmsg(fd, &m.msg_hdr, 0);
	case RECVMMSG:
		r = recvmmsg(fd, &m, 1, 0, NULL);
		return r == 1 ? (ssize_t)m.msg_len : r;
	case RCVTIMEO:
		if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)))
			die("SO_RCVTIMEO");
		return recv(fd, buf, n, 0);
	case PEEK:
		r = recv(fd, buf, n, MSG_PEEK);
		return r > 0 ? recv(fd, buf, n, 0) : r;
	case URING:
		return by_uring(fd, buf, n);
	case WAITALL:
		return recv(fd, buf, n, MSG_WAITALL);
	default:
		return recv(fd, buf, n, 0);
	}
}

/* Everything up to `until` by calls that may wait. */
static void wait_all(struct conn *c, enum call call, uint64_t until)
{
	char in[4 * MSG];

	while (c->got < until) {
		size_t n = until - c->got < sizeof(in) ? until - c->got : sizeof(in);
		ssize_t r = waiting(call, c->fd, in, n);

		waits++;
		if (r <= 0) {
			eagain += r < 0 && errno == EAGAIN;
			fault(c, "a call that waits", r ? errno : ENODATA);
			return;
		}
		shorts += call == WAITALL && (size_t)r < n;
		if (!check(c, in, r))
			return;
	}
}

/* What was sent before may still hop: the verdict was. */
static void after(struct conn *c)
{
	uint64_t before = path_received(c->fd);

	for (int k = 0; k < AFTER; k++)
		trip(c);
	if (path_received(c->fd) - before < AFTER * MSG)
		hopped_after++;
}

static void wait_once(struct conn *c, enum call call, unsigned int *seed)
{
	if (rand_r(seed) % 2) {
		ask(c, 1, rand_r(seed) % 20, rand_r(seed) % 2);
		wait_all(c, call, c->got + MSG);
	} else {
		uint64_t start = c->got;

		ask(c, STREAM, 0, 0);
		receive_all(c, start + rand_r(seed) % STREAM * MSG);
		wait_all(c, call, start + STREAM * MSG);
	}
	/* a request of io_uring does not wait: it is polled for */
	if (call != URING && !on_plain())
		after(c);
}

/* Requests that nobody answers, until told to end. */
static void *write_on(void *arg)
{
	struct conn *c = arg;
	char out[MSG] = {};

	while (!__atomic_load_n(&never_waits, __ATOMIC_RELAXED))
		if (send_all(c->fd, out, MSG, DEADLINE))
			break;
	return NULL;
}

static void each_waits(struct conn *c, int n, unsigned int *seed)
{
	pthread_t thread;

	for (int i = 0; i < n; i++) {
		enum call call = i % CALLS;

		if (!another_thread) {
			wait_once(&c[i], call, seed);
			continue;
		}
		never_waits = false;
		if (pthread_create(&thread, NULL, write_on, &c[i]))
			die("thread");
		uint64_t start = c[i].got;

		/* whole messages only: two threads ask here */
		ask(&c[i], STREAM, 0, 0);
		receive_all(&c[i], start + rand_r(seed) % STREAM * MSG);
		wait_all(&c[i], call, start + STREAM * MSG);
		__atomic_store_n(&never_waits, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
	}
}

static void talk_on(struct conn *c, int n)
{
	for (int k = 0; k < 300; k++)
		for (int i = 0; i < n; i++, talked++)
			hopped += trip(&c[i]);
}

static void run(int n)
{
	struct conn *c = calloc(n, sizeof(*c));
	int l = tcp_listen("127.0.0.1", 0), port = local_port(l), *served = calloc(n, sizeof(*served));
	unsigned int seed = getpid();
	char name[32]; /* the kernel takes 15 bytes of it */
	pid_t child;

	snprintf(name, sizeof(name), "nowait-%d", getpid());
	prctl(PR_SET_NAME, name);
	for (int i = 0; i < n; i++) {
		c[i] = (struct conn){.fd = tcp_connect("127.0.0.1", port), .id = i};
		served[i] = tcp_accept_type(l, server_blocks ? 0 : SOCK_NONBLOCK);
	}
	child = fork_with_us();
	if (!child) {
		prctl(PR_SET_NAME, "nowait-server");
		for (int i = 0; i < n; i++)
			close(c[i].fd);
		serve(served, n);
	}
	for (int i = 0; i < n; i++)
		close(served[i]);
	warm_up_conns(c, n);
	if (never_waits)
		talk_on(c, n);
	else
		each_waits(c, n, &seed);
	for (int i = 0; i < n; i++)
		close(c[i].fd);
	close(l);
	free(c);
	free(served);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	int opt, n = 20;

	while ((opt = getopt(argc, argv, "n:bwtk")) != -1) {
		if (opt == 'n')
			n = atoi(optarg);
		else if (opt == 'b')
			server_blocks = true;
		else if (opt == 'w')
			waits_always = true;
		else if (opt == 't')
			another_thread = true;
		else if (opt == 'k')
			never_waits = true;
		else
			return EXIT_SETUP;
	}
	raise_fd_limit();
	run(n);
	printf("nowait conns=%d waits=%lu eagain=%lu hopped_after=%lu short=%lu hop_percent=%d faults=%lu\n",
	       n, waits, eagain, hopped_after, shorts, talked ? (int)(hopped * 100 / talked) : 0, faults);
	return faults || hopped_after ? EXIT_FAULT : 0;
}
