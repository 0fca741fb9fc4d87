// SPDX-License-Identifier: GPL-2.0-only
/*
 * relay_load: both ends of relayed connections, with every byte checked by its position.
 *
 *   relay_load SCENARIO RELAY-PORT TARGET-PORT [N]
 *
 * It listens on TARGET-PORT (0: pair mode, both ends connect to the relay) and connects to RELAY-PORT, both
 * on 127.0.0.1 or what RELAY_HOST and RELAY_TARGET_HOST name. Exit status 0 when the scenario went as it
 * should; otherwise stderr says what did not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Prime, so that no buffer size divides it: a lost, doubled or moved block shows. */
#define PERIOD 1000003
#define BLOCK  (256 << 10)
/* A call that makes no progress for this long has failed, seconds. */
#define PATIENCE 60

static unsigned char pattern[PERIOD + BLOCK];
static const char *host = "127.0.0.1", *target_host;
static int relay_port, target_port, listener = -1;
static int failures;

static void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void fill_pattern(void)
{
	uint32_t x = 12345;

	for (int i = 0; i < PERIOD; i++) {
		x = x * 1664525 + 1013904223;
		pattern[i] = x >> 24;
	}
	memcpy(pattern + PERIOD, pattern, BLOCK);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static socklen_t address(struct sockaddr_storage *ss, const char *name, int port)
{
	struct sockaddr_in6 *in6 = (void *)ss;
	struct sockaddr_in *in = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (strchr(name, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		inet_pton(AF_INET6, name, &in6->sin6_addr);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	inet_pton(AF_INET, name, &in->sin_addr);
	return sizeof(*in);
}

static void patience(int fd)
{
	struct timeval tv = {.tv_sec = PATIENCE};
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int dial(void)
{
	struct sockaddr_storage ss;
	socklen_t len = address(&ss, host, relay_port);
	int fd = socket(ss.ss_family, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len))
		die("connect to the relay");
	patience(fd);
	return fd;
}

static int take(void)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	int fd;

	if (!target_port)
		return dial();
	if (poll(&p, 1, PATIENCE * 1000) != 1)
		die("the relay does not connect");
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		die("accept");
	patience(fd);
	return fd;
}

static void join(int *a, int *b)
{
	*a = dial();
	*b = take();
}

static void start_listening(void)
{
	struct sockaddr_storage ss;
	socklen_t len = address(&ss, target_host, target_port);
	int on = 1;

	if (!target_port)
		return;
	listener = socket(ss.ss_family, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener < 0 || bind(listener, (struct sockaddr *)&ss, len) || listen(listener, 1024))
		die("listen");
}

/* Send the stream's bytes pos .. pos + n. False on failure. */
static bool put(int fd, uint64_t pos, size_t n)
{
	while (n) {
		size_t part = n < BLOCK ? n : BLOCK;
		ssize_t r = send(fd, pattern + pos % PERIOD, part, MSG_NOSIGNAL);

		if (r <= 0)
			return false;
		pos += r;
		n -= r;
	}
	return true;
}

/* Say where wrong bytes come from: what is there instead tells loss from doubling. */
static void complain_wrong(const unsigned char *buf, uint64_t pos, size_t n)
{
	size_t at = 0;
	unsigned char *found;

	while (at < n && buf[at] == pattern[(pos + at) % PERIOD])
		at++;
	found = n - at < 16 ? NULL : memmem(pattern, PERIOD + 16, buf + at, 16);
	complain("wrong bytes at %llu: %ld bytes off", (unsigned long long)(pos + at),
		 found ? (long)(found - pattern) - (long)((pos + at) % PERIOD) : 0L);
}

/* Receive and check exactly n bytes that start at pos. */
static bool get(int fd, uint64_t pos, size_t n)
{
	static __thread unsigned char buf[BLOCK];

	while (n) {
		size_t part = n < BLOCK ? n : BLOCK;
		ssize_t r = recv(fd, buf, part, 0);

		if (r <= 0) {
			complain("at byte %llu: %s", (unsigned long long)pos,
				 r ? strerror(errno) : "early end");
			return false;
		}
		if (memcmp(buf, pattern + pos % PERIOD, r)) {
			complain_wrong(buf, pos, r);
			return false;
		}
		pos += r;
		n -= r;
	}
	return true;
}

static bool get_eof(int fd)
{
	char c;
	ssize_t r = recv(fd, &c, 1, 0);

	if (r)
		complain("no clean end: %s", r > 0 ? "more bytes" : strerror(errno));
	return !r;
}

struct flow {
	int fd;
	uint64_t bytes;
	unsigned int seed;
	int style; /* 0: as fast as it goes; 1: random phases of small messages, bursts and pauses */
	bool slow; /* the reader pauses now and then */
	bool ok;
};

static void nap(unsigned int us)
{
	struct timespec t = {.tv_nsec = us * 1000l};

	nanosleep(&t, NULL);
}

/* Traffic that makes the relay change its mind: messages with pauses, then a burst, and so on. */
static size_t next_piece(struct flow *f)
{
	switch (f->style ? rand_r(&f->seed) % 64 : 63) {
	case 0:
		nap(rand_r(&f->seed) % 20000);
		return 1;
	case 1:
		return 1 + rand_r(&f->seed) % 3000000;
	case 2 ... 8:
		return 1 + rand_r(&f->seed) % 70000;
	case 63:
		return f->style ? 1 : BLOCK;
	default:
		nap(rand_r(&f->seed) % 300);
		return 1 + rand_r(&f->seed) % 900;
	}
}

static void *writer(void *arg)
{
	struct flow *f = arg;
	uint64_t pos = 0;

	while (pos < f->bytes) {
		size_t n = next_piece(f);

		if (n > f->bytes - pos)
			n = f->bytes - pos;
		if (!put(f->fd, pos, n)) {
			complain("send at %llu: %s", (unsigned long long)pos, strerror(errno));
			return NULL;
		}
		pos += n;
	}
	shutdown(f->fd, SHUT_WR);
	f->ok = true;
	return NULL;
}

static void *reader(void *arg)
{
	struct flow *f = arg;
	uint64_t pos = 0;

	while (pos < f->bytes) {
		size_t n = f->slow ? 1 + rand_r(&f->seed) % 400000 : BLOCK;

		if (n > f->bytes - pos)
			n = f->bytes - pos;
		if (f->slow && rand_r(&f->seed) % 8 == 0)
			nap(rand_r(&f->seed) % 30000);
		if (!get(f->fd, pos, n))
			return NULL;
		pos += n;
	}
	f->ok = get_eof(f->fd);
	return NULL;
}

/* ab bytes from a to b and ba bytes back, at the same time; each side half-closes when it is done. */
static void both_ways(int a, int b, uint64_t ab, uint64_t ba, int style, unsigned int seed)
{
	struct flow f[4] = {
		{.fd = a, .bytes = ab, .seed = seed, .style = style},
		{.fd = b, .bytes = ab, .seed = seed + 1, .slow = style && seed % 3 == 0},
		{.fd = b, .bytes = ba, .seed = seed + 2, .style = style},
		{.fd = a, .bytes = ba, .seed = seed + 3, .slow = style && seed % 3 == 1},
	};
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, i % 2 ? reader : writer, &f[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 4; i++)
		if (!f[i].ok)
			complain("flow %d of seed %u failed", i, seed);
	close(a);
	close(b);
}

static void bulk(long mb)
{
	int a, b;

	join(&a, &b);
	both_ways(a, b, (uint64_t)mb << 20, 0, 0, 1);
	join(&a, &b);
	both_ways(a, b, 0, (uint64_t)mb << 20, 0, 2);
}

static void mixed(long runs)
{
	for (long i = 0; i < runs; i++) {
		unsigned int seed = i * 7 + 1;
		int a, b;

		join(&a, &b);
		both_ways(a, b, rand_r(&seed) % 20000000, rand_r(&seed) % 20000000, 1, i);
	}
}

/* One request and its answer, n bytes each. */
static bool turn(int a, int b, uint64_t *pos, size_t n)
{
	if (!put(a, *pos, n) || !get(b, *pos, n) || !put(b, *pos, n) || !get(a, *pos, n))
		return false;
	*pos += n;
	return true;
}

static void sizes(long runs)
{
	unsigned int seed = 99;
	uint64_t pos = 0;
	int a, b;

	join(&a, &b);
	for (long i = 0; i < runs; i++) {
		size_t n = 1 + rand_r(&seed) % (i % 10 ? 2000 : 200000);

		if (!turn(a, b, &pos, n)) {
			complain("turn %ld of %zu bytes failed", i, n);
			break;
		}
	}
	close(a);
	close(b);
}

static void *half_one(void *arg)
{
	long i = (long)arg;
	uint64_t n = (uint64_t)i * i * 997 % 5000000, pos = 0;
	int a, b;

	join(&a, &b);
	/* from chatty or from the first byte, either side first */
	for (int k = 0; i % 2 && k < 60; k++)
		turn(a, b, &pos, 100);
	if (i % 4 < 2) {
		int c = a;

		a = b;
		b = c;
	}
	/* held back until the shutdown: bytes and FIN in one segment */
	if (i % 3 && n % 1000 && send(a, pattern, n % 1000, MSG_MORE) != (ssize_t)(n % 1000))
		complain("half: send failed");
	if (shutdown(a, SHUT_WR))
		complain("half: shutdown failed");
	get(b, 0, i % 3 ? n % 1000 : 0);
	get_eof(b);
	if (n < 200000) {
		put(b, 0, n);
		shutdown(b, SHUT_WR);
		get(a, 0, n);
		get_eof(a);
		close(a);
		close(b);
	} else {
		struct flow w = {.fd = b, .bytes = n};
		pthread_t t;

		pthread_create(&t, NULL, writer, &w);
		get(a, 0, n);
		get_eof(a);
		pthread_join(t, NULL);
		close(a);
		close(b);
	}
	return NULL;
}

static void half(long runs)
{
	for (long i = 0; i < runs; i++)
		half_one((void *)i);
}

/* A reset on one side arrives as a reset on the other. */
static void rst(long runs)
{
	const struct linger now = {.l_onoff = 1};

	for (long i = 0; i < runs; i++) {
		uint64_t pos = 0;
		ssize_t got;
		int a, b;
		char c;

		join(&a, &b);
		for (int k = 0; k < (i % 2 ? 60 : 1); k++)
			turn(a, b, &pos, 100);
		if (i % 4 < 2) {
			int x = a;

			a = b;
			b = x;
		}
		setsockopt(a, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(a);
		errno = 0;
		got = recv(b, &c, 1, 0);
		if (got != -1 || errno != ECONNRESET)
			complain("reset %ld arrived as something else: recv() says %zd, %s", i, got,
				 strerror(errno));
		close(b);
	}
}

static long available_kb(void)
{
	char line[128];
	long kb = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/*
 * A reader that sleeps blocks the sender, after a bounded number of bytes; when it wakes, all arrive.
 * chatty: first many turns, so that the relay has chosen the kernel.
 */
static void sleeper_once(long max_mb, int piece, bool chatty)
{
	uint64_t pos = 0, sent = 0, last = now_ms();
	struct pollfd p;
	long before;
	int a, b;

	join(&a, &b);
	for (int k = 0; chatty && k < 100; k++)
		turn(a, b, &pos, 100);
	before = available_kb();
	p = (struct pollfd){.fd = a, .events = POLLOUT};
	/* blocked: not writable for 1.5 s */
	while (sent < ((uint64_t)max_mb << 21) && poll(&p, 1, 1500) == 1) {
		ssize_t r = send(a, pattern + (pos + sent) % PERIOD, piece, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r > 0)
			sent += r;
		last = now_ms();
	}
	if (sent > (uint64_t)max_mb << 20)
		complain("a sleeping reader let %llu bytes through", (unsigned long long)sent);
	fprintf(stderr, "sleeper: %llu bytes taken in pieces of %d, memory %+ld KB, blocked for %llu ms\n",
		(unsigned long long)sent, piece, available_kb() - before,
		(unsigned long long)(now_ms() - last));
	shutdown(a, SHUT_WR);
	if (get(b, pos, sent))
		get_eof(b);
	if (put(b, pos, 1000))
		get(a, pos, 1000);
	close(a);
	close(b);
}

static void sleeper(long max_mb)
{
	sleeper_once(max_mb, 65536, false);
	sleeper_once(max_mb, 65536, true);
	sleeper_once(max_mb, 100, true);
}

/* N connections at a time, all in use. */
static void *many_one(void *arg)
{
	int *fd = arg;
	uint64_t pos = 0;

	for (int i = 0; i < 40; i++)
		if (!turn(fd[0], fd[1], &pos, 1 + (i * 37) % 3000))
			complain("many: turn %d failed", i);
	if (!put(fd[0], pos, 100000) || !get(fd[1], pos, 100000))
		complain("many: burst failed");
	close(fd[0]);
	get_eof(fd[1]);
	close(fd[1]);
	return NULL;
}

static void many(long n)
{
	int(*fd)[2] = calloc(n, sizeof(*fd));
	pthread_t *t = calloc(n, sizeof(*t));
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, BLOCK * 2);
	for (long i = 0; i < n; i++)
		join(&fd[i][0], &fd[i][1]);
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], &attr, many_one, fd[i]))
			die("pthread_create");
	for (long i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	free(fd);
	free(t);
}

static void sequence(long n)
{
	for (long i = 0; i < n && !failures; i++) {
		uint64_t pos = 0;
		int a, b;

		join(&a, &b);
		for (int k = 0; k < (i % 8 ? 1 : 40); k++)
			turn(a, b, &pos, 64);
		close(a);
		get_eof(b);
		close(b);
	}
}

/* Bytes, and bytes with a FIN, sent before the other side is there. */
static void early(long runs)
{
	for (long i = 0; i < runs; i++) {
		size_t n = 1 + i * 1237 % 60000;
		bool fin = i % 2;
		int a = dial(), b;

		put(a, 0, n);
		if (fin)
			shutdown(a, SHUT_WR);
		nap(i % 5 * 1000);
		b = take();
		get(b, 0, n);
		if (fin)
			get_eof(b);
		put(b, 0, 500);
		get(a, 0, 500);
		close(a);
		close(b);
	}
}

/* Connections that are in use when the relay gets SIGTERM: says "ready", waits for a line, then goes on. */
static void term(long n)
{
	int(*fd)[2] = calloc(n, sizeof(*fd));
	uint64_t pos = 0;
	char line[8];

	for (long i = 0; i < n; i++)
		join(&fd[i][0], &fd[i][1]);
	for (int k = 0; k < 50; k++, pos += 100)
		for (long i = 0; i < n; i++) {
			uint64_t at = pos;

			turn(fd[i][0], fd[i][1], &at, 100);
		}
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		complain("no go");
	for (long i = 0; i < n; i++)
		both_ways(fd[i][0], fd[i][1], 1000000, 1000000, i % 2, i);
	free(fd);
}

static const struct {
	const char *name;
	void (*run)(long n);
	long n;
} scenarios[] = {
	{"bulk", bulk, 64},   {"mixed", mixed, 10},	{"sizes", sizes, 500}, {"half", half, 42},
	{"rst", rst, 20},     {"sleeper", sleeper, 48}, {"many", many, 100},   {"sequence", sequence, 1000},
	{"early", early, 20}, {"term", term, 10},
};

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	if (getenv("RELAY_HOST"))
		host = getenv("RELAY_HOST");
	target_host = getenv("RELAY_TARGET_HOST") ?: host;
	relay_port = atoi(argv[2]);
	target_port = atoi(argv[3]);
	fill_pattern();
	start_listening();
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (strcmp(scenarios[i].name, argv[1]))
			continue;
		scenarios[i].run(argc > 4 ? atol(argv[4]) : scenarios[i].n);
		return failures ? 1 : 0;
	}
	fprintf(stderr, "unknown scenario %s\n", argv[1]);
	return 2;
}
