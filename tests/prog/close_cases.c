// SPDX-License-Identifier: GPL-2.0-only
/*
 * close_cases: the ways in which a connection ends. Every case runs on a fresh warmed-up pair a <-> b and
 * gives a result in words; a caller compares the words with those of a run on plain TCP (SOCKHOP_PLAIN=1).
 *
 * close_cases [-n REPEATS] [CASE...]      close_cases -l lists the cases
 * Prints a line "close_cases case=NAME runs=N result=WORDS" for each result that was seen. Exit status 1 when
 * a result begins with BAD: bytes that were lost, a hang, or a wrong error whatever the path.
 */
#include "sock.h"
#include "pattern.h"

#include <pthread.h>
#include <sys/ioctl.h>

#define RESULT 200

static unsigned int seed = 1;

static __attribute__((format(printf, 2, 3))) void say(char *res, const char *fmt, ...)
{
	size_t n = strlen(res);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(res + n, RESULT - n, fmt, ap);
	va_end(ap);
}

/* Appends what recv() gives, waiting for it at most 2 s: bytes, EOF or an error. */
static ssize_t say_recv(char *res, int fd)
{
	char b[65536];
	ssize_t r;

	if (!wait_for(fd, POLLIN, 2000)) {
		say(res, "recv:nothing ");
		return -1;
	}
	r = recv(fd, b, sizeof(b), 0);
	if (r > 0)
		say(res, "recv:%zd ", r);
	else
		say(res, "recv:%s ", r ? err_name(errno) : "EOF");
	return r;
}

/* Appends the result of sending one byte until it fails, for at most 2 s. */
static void say_send_fails(char *res, int fd)
{
	double until = now() + 2;
	ssize_t r;

	do {
		r = send(fd, "x", 1, MSG_NOSIGNAL);
		if (r < 0 && errno != EAGAIN) {
			say(res, "send:%s ", err_name(errno));
			return;
		}
		wait_for(fd, 0, 5);
	} while (now() < until);
	say(res, "BAD:send-never-fails ");
}

/* Sends k messages of random size, n bytes in all; stops when the socket is full. */
static size_t send_some(int fd, int k)
{
	unsigned char b[3000];
	size_t n = 0, m;
	ssize_t r;

	while (k--) {
		m = 1 + rand_r(&seed) % sizeof(b);
		pattern_fill(1, 0, n, b, m);
		r = send(fd, b, m, MSG_NOSIGNAL);
		if (r < 0)
			break;
		n += r;
	}
	return n;
}

/* Reads to the end of the stream: are they the n bytes of send_some()? */
static void expect_all(char *res, int fd, size_t n, const char *end)
{
	unsigned char b[5000];
	size_t got = 0;
	ssize_t r;

	while (wait_for(fd, POLLIN, 2000)) {
		r = recv(fd, b, 1 + rand_r(&seed) % sizeof(b), 0);
		if (r <= 0) {
			if (got != n)
				say(res, "BAD:lost-%s ", got < n ? "bytes" : "count");
			else
				say(res, "all ");
			if (strcmp(end, r ? err_name(errno) : "EOF"))
				say(res, "then:%s ", r ? err_name(errno) : "EOF");
			return;
		}
		if (pattern_check(1, 0, got, b, r) >= 0) {
			say(res, "BAD:wrong-bytes ");
			return;
		}
		got += r;
	}
	say(res, "BAD:no-end ");
}

/* ---- cases ---- */

static void in_flight(int a, int b, char *res)
{
	size_t n = send_some(a, 1 + rand_r(&seed) % 200);

	close(a);
	if (rand_r(&seed) & 1)
		msleep(rand_r(&seed) % 20);
	expect_all(res, b, n, "EOF");
	close(b);
}

static void in_flight_shut(int a, int b, char *res)
{
	size_t n = send_some(a, 1 + rand_r(&seed) % 200);

	shutdown(a, SHUT_RDWR);
	expect_all(res, b, n, "EOF");
	say_send_fails(res, b);
	close(a);
	close(b);
}

static void unread(int a, int b, char *res)
{
	send_some(a, 3);
	close(b);
	say_recv(res, a);
	say_send_fails(res, a);
	close(a);
}

/* Fills the socket until it takes nothing for 100 ms. */
static void fill_up(int fd)
{
	char b[4096] = {0};

	while (send(fd, b, sizeof(b), MSG_NOSIGNAL) > 0 || wait_for(fd, POLLOUT, 100))
		;
}

struct closer {
	int fd, ms;
};

static void *close_later(void *arg)
{
	struct closer *c = arg;

	msleep(c->ms);
	close(c->fd);
	return NULL;
}

static void pollout(int a, int b, char *res)
{
	struct closer c = {b, 100};
	pthread_t t;
	double start;
	short ev;

	fill_up(a);
	pthread_create(&t, NULL, close_later, &c);
	start = now();
	ev = wait_for(a, POLLOUT, 5000);
	if (!ev || now() - start > 2.1)
		say(res, "BAD:woken-after-%.1fs ", now() - start);
	pthread_join(t, NULL);
	say_send_fails(res, a);
	close(a);
}

static void *send_blocking(void *arg)
{
	static char b[1 << 20];
	int fd = *(int *)arg;

	while (send(fd, b, sizeof(b), MSG_NOSIGNAL) > 0)
		;
	return (void *)(long)errno;
}

static void blocked_send(int a, int b, char *res)
{
	struct closer c = {b, 0};
	double start;
	pthread_t t;
	void *err;

	set_nonblock(a, false);
	pthread_create(&t, NULL, send_blocking, &a);
	msleep(300);
	start = now();
	close_later(&c);
	pthread_join(t, &err);
	if (now() - start > 2)
		say(res, "BAD:blocked-%.1fs ", now() - start);
	say(res, "send:%s ", err_name((int)(long)err));
	close(a);
}

static void reset(int fd)
{
	struct linger l = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

static void rst_idle(int a, int b, char *res)
{
	reset(a);
	say_recv(res, b);
	say_recv(res, b);
	say_send_fails(res, b);
	close(b);
}

static void rst_queued(int a, int b, char *res)
{
	send_all(a, "queued", 6, 1);
	wait_for(b, POLLIN, 1000);
	reset(a);
	say_recv(res, b);
	say_recv(res, b);
	say_send_fails(res, b);
	close(b);
}

struct both {
	int fd;
	size_t sent;
	pthread_barrier_t *start;
	bool close;
};

static void *shut_now(void *arg)
{
	struct both *s = arg;

	s->sent = send_some(s->fd, 20);
	pthread_barrier_wait(s->start);
	shutdown(s->fd, SHUT_WR);
	return NULL;
}

static void simultaneous(int a, int b, char *res)
{
	pthread_barrier_t bar;
	struct both x = {.fd = a, .start = &bar}, y = {.fd = b, .start = &bar};
	pthread_t t;

	pthread_barrier_init(&bar, NULL, 2);
	pthread_create(&t, NULL, shut_now, &x);
	seed++;
	shut_now(&y);
	pthread_join(t, NULL);
	expect_all(res, a, y.sent, "EOF");
	expect_all(res, b, x.sent, "EOF");
	close(a);
	close(b);
}

static void shut_rd(int a, int b, char *res)
{
	shutdown(b, SHUT_RD);
	say_recv(res, b);
	say(res, "send:%s ", send(a, "after", 5, MSG_NOSIGNAL) == 5 ? "ok" : err_name(errno));
	msleep(20);
	say_recv(res, b);
	say_recv(res, b);
	say(res, "back:%s ", send(b, "x", 1, MSG_NOSIGNAL) == 1 ? "ok" : err_name(errno));
	say_recv(res, a);
	close(a);
	close(b);
}

static void own_shut_wr(int a, int b, char *res)
{
	size_t n = send_some(a, 5);

	shutdown(a, SHUT_WR);
	say(res, "send:%s ", send(a, "x", 1, MSG_NOSIGNAL) < 0 ? err_name(errno) : "ok");
	expect_all(res, b, n, "EOF");
	say(res, "reply:%s ", send(b, "y", 1, MSG_NOSIGNAL) == 1 ? "ok" : err_name(errno));
	say_recv(res, a);
	close(a);
	close(b);
}

static volatile int pipes;

static void on_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static void sigpipe(int a, int b, char *res)
{
	signal(SIGPIPE, on_pipe);
	pipes = 0;
	shutdown(a, SHUT_WR);
	say(res, "send:%s ", send(a, "x", 1, 0) < 0 ? err_name(errno) : "ok");
	say(res, "signals:%d ", pipes);
	close(a);
	close(b);
}

static void eof_poll(int a, int b, char *res)
{
	short all = POLLIN | POLLRDHUP | POLLHUP | POLLERR | POLLPRI;

	send_all(a, "last", 4, 1);
	close(a);
	wait_for(b, POLLRDHUP, 1000);
	say(res, "poll:%#x ", wait_for(b, all, 1000));
	say_recv(res, b);
	say(res, "poll:%#x ", wait_for(b, all, 1000));
	say_recv(res, b);
	close(b);
}

static void peek(int a, int b, char *res)
{
	char buf[16] = "";
	int n = -1;

	send_all(a, "hello", 5, 1);
	wait_for(b, POLLIN, 1000);
	say(res, "peek:%zd ", recv(b, buf, 3, MSG_PEEK));
	say(res, "peek:%zd:%.5s ", recv(b, buf, sizeof(buf), MSG_PEEK), buf);
	ioctl(b, FIONREAD, &n);
	say(res, "fionread:%d ", n);
	say(res, "trunc:%zd ", recv(b, NULL, 2, MSG_TRUNC));
	memset(buf, 0, sizeof(buf));
	say(res, "recv:%zd:%s ", recv(b, buf, sizeof(buf), 0), buf);
	say(res, "empty:%s ", recv(b, buf, sizeof(buf), 0) < 0 ? err_name(errno) : "no");
	close(a);
	close(b);
}

static void empty_send(int a, int b, char *res)
{
	say(res, "send:%zd ", send(a, "", 0, MSG_NOSIGNAL));
	say(res, "poll:%#x ", wait_for(b, POLLIN, 50));
	say(res, "more:%s ", round_trip(a, b, 64) ? "bad" : "ok");
	close(a);
	close(b);
}

/* The same socket disconnected by connect(AF_UNSPEC): the peer sees what it sees on plain TCP. */
static void unspec(int a, int b, char *res)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	say(res, "connect:%s ", connect(a, &sa, sizeof(sa)) ? err_name(errno) : "ok");
	say_recv(res, b);
	close(a);
	close(b);
}

static const struct {
	const char *name;
	void (*run)(int a, int b, char *res);
} cases[] = {
	{"in-flight", in_flight},
	{"in-flight-shutdown", in_flight_shut},
	{"unread", unread},
	{"pollout", pollout},
	{"blocked-send", blocked_send},
	{"rst-idle", rst_idle},
	{"rst-queued", rst_queued},
	{"simultaneous", simultaneous},
	{"shut-rd", shut_rd},
	{"own-shut-wr", own_shut_wr},
	{"sigpipe", sigpipe},
	{"eof-poll", eof_poll},
	{"peek", peek},
	{"empty-send", empty_send},
	{"unspec", unspec},
};

/* Runs a case n times, prints each different result with how often it came; true if any is BAD. */
static bool repeat(size_t c, int n)
{
	char results[8][RESULT] = {{0}}, res[RESULT];
	int count[8] = {0}, pair[2], i, k;
	bool bad = false;

	for (i = 0; i < n; i++) {
		res[0] = 0;
		member_pair(pair);
		cases[c].run(pair[0], pair[1], res);
		if (res[0])
			res[strlen(res) - 1] = 0; /* the blank after the last word */
		bad |= strstr(res, "BAD") != NULL;
		for (k = 0; k < 7 && count[k] && strcmp(results[k], res); k++)
			;
		strcpy(results[k], res);
		count[k]++;
	}
	for (k = 0; k < 8; k++)
		if (count[k])
			printf("close_cases case=%s runs=%d result=%s\n", cases[c].name, count[k],
			       results[k]);
	fflush(stdout);
	return bad;
}

static bool chosen(const char *name, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		if (!strcmp(name, argv[i]))
			return true;
	return !argc;
}

int main(int argc, char **argv)
{
	int c, n = 3, list = 0;
	bool bad = false;
	size_t i;

	while ((c = getopt(argc, argv, "n:l")) != -1) {
		if (c == 'n')
			n = atoi(optarg);
		else if (c == 'l')
			list = 1;
		else
			return EXIT_SETUP;
	}
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!chosen(cases[i].name, argc - optind, argv + optind))
			continue;
		if (list)
			puts(cases[i].name);
		else
			bad |= repeat(i, n);
	}
	return bad;
}
