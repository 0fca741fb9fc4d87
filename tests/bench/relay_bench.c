// SPDX-License-Identifier: GPL-2.0-only
/*
 * relay_bench: one measurement of a relay: both ends of N connections, one thread an end.
 *
 *   relay_bench rr|stream SIZE CONNECTIONS SECONDS RELAY-PORT TARGET-PORT
 *
 * rr: messages of SIZE bytes and their echo, one at a time on each connection. stream: writes of SIZE bytes
 * one way. The first and last bytes of every read are checked by position, and the number of bytes. One line
 * of JSON on stdout; cpu is of the whole machine (kernel threads work for a relay too), so other load counts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PERIOD	 1000003
#define MAX_SIZE (1 << 20)
#define SAMPLES	 (1 << 20)
#define WARM_UP	 0.2
#define PATIENCE 20

static unsigned char pattern[PERIOD + MAX_SIZE];
static size_t size;
static bool stream;
static double seconds;
static volatile bool bad;

struct end {
	int client, server;
	pthread_t writer, reader;
	uint64_t sent, received, measured;
	uint32_t *samples, n_samples; /* round trips, ns */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu_seconds(void)
{
	unsigned long long user, nice, sys, idle, wait, irq, soft;
	FILE *f = fopen("/proc/stat", "r");
	int n = f ? fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys, &idle, &wait,
			   &irq, &soft)
		  : 0;

	if (f)
		fclose(f);
	return n == 7 ? (double)(user + nice + sys + irq + soft) / sysconf(_SC_CLK_TCK) : 0;
}

static void die(const char *what)
{
	fprintf(stderr, "relay_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool same(const unsigned char *buf, uint64_t pos, size_t n)
{
	size_t edge = n < 64 ? n : 64;

	return !memcmp(buf, pattern + pos % PERIOD, edge) &&
	       !memcmp(buf + n - edge, pattern + (pos + n - edge) % PERIOD, edge);
}

static bool put(int fd, uint64_t pos, size_t n)
{
	while (n) {
		ssize_t r = send(fd, pattern + pos % PERIOD, n, MSG_NOSIGNAL);

		if (r <= 0)
			return false;
		pos += r;
		n -= r;
	}
	return true;
}

/* One read; n at most. */
static ssize_t get(int fd, unsigned char *buf, uint64_t pos, size_t n)
{
	ssize_t r = recv(fd, buf, n, 0);

	if (r > 0 && !same(buf, pos, r))
		bad = true;
	return r;
}

static bool get_all(int fd, unsigned char *buf, uint64_t pos, size_t n)
{
	while (n && !bad) {
		ssize_t r = get(fd, buf, pos, n);

		if (r <= 0)
			return false;
		pos += r;
		n -= r;
	}
	return !n;
}

static double stop_at, start_at;

static void *client(void *arg)
{
	unsigned char *buf = malloc(MAX_SIZE);
	struct end *e = arg;
	double t = now();

	while (t < stop_at && !bad) {
		if (!put(e->client, e->sent, size))
			break;
		if (!stream && !get_all(e->client, buf, e->sent, size))
			break;
		e->sent += size;
		double u = now();

		if (!stream && t > start_at && e->n_samples < SAMPLES)
			e->samples[e->n_samples++] = (uint32_t)((u - t) * 1e9);
		if (t > start_at)
			e->measured += size;
		t = u;
	}
	if (t < stop_at)
		bad = true;
	shutdown(e->client, SHUT_WR);
	free(buf);
	return NULL;
}

static void *server(void *arg)
{
	unsigned char *buf = malloc(MAX_SIZE);
	struct end *e = arg;

	for (;;) {
		ssize_t r = get(e->server, buf, e->received, stream ? MAX_SIZE : size);

		if (r <= 0)
			break;
		if (!stream && !put(e->server, e->received, r))
			break;
		e->received += r;
	}
	shutdown(e->server, SHUT_WR);
	free(buf);
	return NULL;
}

static void options(int fd)
{
	struct timeval tv = {.tv_sec = PATIENCE};
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static void join(struct end *e, int listener, struct sockaddr_in *relay)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	e->client = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(e->client, (struct sockaddr *)relay, sizeof(*relay)))
		die("connect");
	if (poll(&p, 1, PATIENCE * 1000) != 1)
		die("nobody connects to the target port");
	e->server = accept(listener, NULL, NULL);
	e->samples = calloc(SAMPLES, sizeof(*e->samples));
	options(e->client);
	options(e->server);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int open_listener(int port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 128))
		die("listen");
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in relay = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint64_t measured = 0;
	double cpu, took;
	struct end *ends;
	int n, listener;
	uint32_t x = 12345;

	if (argc != 7)
		return 2;
	stream = !strcmp(argv[1], "stream");
	size = strtoul(argv[2], NULL, 10);
	n = atoi(argv[3]);
	seconds = atof(argv[4]);
	relay.sin_port = htons(atoi(argv[5]));
	for (int i = 0; i < PERIOD; i++, x = x * 1664525 + 1013904223)
		pattern[i] = x >> 24;
	for (int i = 0; i < MAX_SIZE; i++)
		pattern[PERIOD + i] = pattern[i];
	listener = open_listener(atoi(argv[6]));
	ends = calloc(n, sizeof(*ends));
	for (int i = 0; i < n; i++)
		join(&ends[i], listener, &relay);
	start_at = now() + WARM_UP;
	stop_at = start_at + seconds;
	for (int i = 0; i < n; i++) {
		pthread_create(&ends[i].writer, NULL, client, &ends[i]);
		pthread_create(&ends[i].reader, NULL, server, &ends[i]);
	}
	usleep((useconds_t)(WARM_UP * 1e6));
	cpu = cpu_seconds();
	took = now();
	for (int i = 0; i < n; i++)
		pthread_join(ends[i].writer, NULL);
	cpu = cpu_seconds() - cpu;
	took = now() - took;
	for (int i = 0; i < n; i++) {
		pthread_join(ends[i].reader, NULL);
		measured += ends[i].measured;
		if (ends[i].received != ends[i].sent)
			bad = true;
	}
	qsort(ends[0].samples, ends[0].n_samples, sizeof(uint32_t), by_value);
	printf("{\"ok\": %s, \"per_second\": %.1f, \"gbit\": %.3f, \"cpu\": %.3f, \"cpu_per_gb\": %.3f, "
	       "\"cpu_us_per_op\": %.3f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
	       bad ? "false" : "true", measured / size / took, measured * 8 / took / 1e9, cpu,
	       measured ? cpu / (measured / 1e9) : 0, measured ? cpu * 1e6 / ((double)measured / size) : 0,
	       ends[0].n_samples ? ends[0].samples[ends[0].n_samples / 2] / 1e3 : 0,
	       ends[0].n_samples ? ends[0].samples[ends[0].n_samples * 99ull / 100] / 1e3 : 0);
	return bad;
}
