// SPDX-License-Identifier: GPL-2.0-only
/*
 * answers: an HTTP client for a real server. Makes a file, asks for pieces of it over one connection, by
 * Range, and compares every byte; then uploads pieces and asks for them.
 *
 * answers make FILE BYTES
 * answers get PORT PATH COUNT [SECONDS [MIN MAX]]   Range requests of MIN to MAX bytes (100000 to 500000)
 * answers put PORT PATH COUNT [SECONDS [MIN MAX]]   PUT, then GET of what was put
 *
 * Asks COUNT times and for at least SECONDS. Prints the longest time of an answer. A read waits for 10 s at
 * most. Exit status: 0, 1 wrong bytes or none, 2 set-up.
 */
#include "pattern.h"
#include "sock.h"

#define SEED   1
#define WAIT_S 10

static unsigned char body[1 << 20];
static char head[4096];
static int conn, port;

static __attribute__((noreturn)) void wrong(const char *what)
{
	printf("answers FAULT: %s: %s: %.60s\n", what, strerror(errno), head);
	exit(EXIT_FAULT);
}

/* One answer: its head and Content-Length bytes of body; returns how many. */
static size_t answer(void)
{
	size_t n = 0, len, have;
	double until = now() + WAIT_S;
	char *end, *field;
	ssize_t r;

	memset(head, 0, sizeof(head));
	while (!(end = strstr(head, "\r\n\r\n"))) {
		if (now() > until || n == sizeof(head) - 1)
			wrong("no head");
		wait_for(conn, POLLIN, 1000);
		r = recv(conn, head + n, sizeof(head) - 1 - n, 0);
		if (!r)
			wrong("closed");
		n += r > 0 ? r : 0;
	}
	field = strcasestr(head, "Content-Length:");
	len = field ? strtoul(field + 15, NULL, 10) : 0;
	have = n - (end + 4 - head);
	if (len > sizeof(body) || have > len)
		wrong("length");
	memcpy(body, end + 4, have);
	if (recv_all(conn, body + have, len - have, WAIT_S))
		wrong("body");
	return len;
}

static void ask(const char *fmt, ...)
{
	char out[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, sizeof(out), fmt, ap);
	va_end(ap);
	if (send_all(conn, out, strlen(out), WAIT_S))
		wrong("request");
}

/* The answer must be the n bytes of the pattern from offset `at` on, with this status. */
static void expect(const char *status, uint64_t at, size_t n)
{
	if (answer() != n || strncmp(head + 9, status, 3))
		wrong(status);
	if (n && pattern_check(SEED, 0, at, body, n) >= 0)
		wrong("bytes");
}

static void get(const char *path, uint64_t at, size_t n)
{
	ask("GET %s HTTP/1.1\r\nHost: x\r\nRange: bytes=%llu-%llu\r\n\r\n", path, (unsigned long long)at,
	    (unsigned long long)at + n - 1);
	expect("206", at, n);
}

static void put(const char *path, int k, size_t n)
{
	static unsigned char out[1 << 20];

	pattern_fill(SEED, 0, 0, out, n);
	ask("PUT %s/put%d HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", path, k, n);
	if (send_all(conn, out, n, WAIT_S))
		wrong("upload");
	if (answer() || head[9] != '2')
		wrong("put");
	ask("GET %s/put%d HTTP/1.1\r\nHost: x\r\n\r\n", path, k);
	expect("200", 0, n);
}

static int make(const char *file, uint64_t bytes)
{
	FILE *f = fopen(file, "w");
	uint64_t at;

	for (at = 0; f && at < bytes; at += 65536) {
		pattern_fill(SEED, 0, at, body, 65536);
		if (fwrite(body, 65536, 1, f) != 1)
			return EXIT_SETUP;
	}
	return f && !fclose(f) ? 0 : EXIT_SETUP;
}

int main(int argc, char **argv)
{
	size_t min = argc > 7 ? strtoul(argv[6], NULL, 0) : 100000;
	size_t max = argc > 7 ? strtoul(argv[7], NULL, 0) : 500000, total = 0, n;
	double longest = 0, start = now(), before, seconds = argc > 5 ? atof(argv[5]) : 0;
	unsigned int seed = 1;
	int k;

	if (argc == 4 && !strcmp(argv[1], "make"))
		return make(argv[2], strtoull(argv[3], NULL, 0));
	if (argc < 5 || max > sizeof(body))
		return EXIT_SETUP;
	port = atoi(argv[2]);
	conn = tcp_connect_nonblock("127.0.0.1", port);
	for (k = 0; k < atoi(argv[4]) || now() - start < seconds; k++) {
		n = min + rand_r(&seed) % (max - min + 1);
		before = now();
		if (!strcmp(argv[1], "put"))
			put(argv[3], k % 8, n);
		else
			get(argv[3], rand_r(&seed) % 65536, n);
		if (now() - before > longest)
			longest = now() - before;
		total += n;
	}
	printf("answers %s answers=%d bytes=%zu longest_ms=%.1f secs=%.1f\n", argv[1], k, total,
	       longest * 1e3, now() - start);
	return 0;
}
