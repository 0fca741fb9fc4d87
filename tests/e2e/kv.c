// SPDX-License-Identifier: GPL-2.0-only
/*
 * kv: a non-blocking client of redis and memcached that knows each byte it must get.
 *
 * kv redis|memcached PORT KEYS [SEED]
 *
 * Stores KEYS values of 0 to 20000 pseudo-random bytes in batches of 1 to 8 requests, reads them all back and
 * compares every byte of every answer. With SOCKHOP_PLAIN=1 it does that once, else until SIGTERM comes and
 * the pass is complete. SEED makes keys and values of its own. Prints what was compared; 1 if anything
 * differed.
 */
#include "../prog/sock.h"

#include <inttypes.h>

#define MAX_VALUE 20000
#define MAX_BATCH 8
#define ROOM	  (MAX_BATCH * (MAX_VALUE + 128))

static char out[ROOM], want[ROOM], in[ROOM];
static size_t out_len, want_len;
static uint64_t requests, bytes, faults;
static uint32_t seed = 1;
static bool memcached;
static volatile sig_atomic_t over;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

/* xorshift32: the value of a key is always the same. */
static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Most values are small, as they are in a cache; one in sixteen is long. */
static int make_value(int key, char *value)
{
	uint32_t state = (seed * 1000003u + key) * 2654435761u | 1;
	int i, len;

	next_random(&state);
	len = next_random(&state) % (state & 15 ? 500 : MAX_VALUE);
	for (i = 0; i < len; i++)
		value[i] = next_random(&state);
	return len;
}

static void append(char *buf, size_t *len, const void *data, size_t n)
{
	memcpy(buf + *len, data, n);
	*len += n;
}

static __attribute__((format(printf, 3, 4))) void add(char *buf, size_t *len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*len += vsnprintf(buf + *len, ROOM - *len, fmt, ap);
	va_end(ap);
}

static void redis_request(bool set, const char *key, const char *value, int n)
{
	add(out, &out_len, "*%d\r\n$3\r\n%s\r\n$%zu\r\n%s\r\n", set ? 3 : 2, set ? "SET" : "GET", strlen(key),
	    key);
	if (set) {
		add(out, &out_len, "$%d\r\n", n);
		append(out, &out_len, value, n);
		append(out, &out_len, "\r\n", 2);
		add(want, &want_len, "+OK\r\n");
		return;
	}
	add(want, &want_len, "$%d\r\n", n);
	append(want, &want_len, value, n);
	append(want, &want_len, "\r\n", 2);
}

static void memcached_request(bool set, const char *key, const char *value, int n)
{
	char *buf = set ? out : want;
	size_t *len = set ? &out_len : &want_len;

	add(buf, len, "%s %s 0%s %d\r\n", set ? "set" : "VALUE", key, set ? " 0" : "", n);
	append(buf, len, value, n);
	if (set) {
		append(out, &out_len, "\r\n", 2);
		add(want, &want_len, "STORED\r\n");
		return;
	}
	add(want, &want_len, "\r\nEND\r\n");
	add(out, &out_len, "get %s\r\n", key);
}

static void add_request(bool set, int key)
{
	static char value[MAX_VALUE];
	int n = make_value(key, value);
	char name[32];

	snprintf(name, sizeof(name), "k%u:%d", seed, key);
	if (memcached)
		memcached_request(set, name, value, n);
	else
		redis_request(set, name, value, n);
	requests++;
}

/* Sends the batch and reads the answers at the same time, as an event loop does. */
static void exchange(int fd)
{
	size_t sent = 0, got = 0;
	ssize_t r;

	while (got < want_len) {
		if (!wait_for(fd, sent < out_len ? POLLIN | POLLOUT : POLLIN, 20000))
			die("no answer for 20 s after %zu of %zu bytes", got, want_len);
		r = sent < out_len ? send(fd, out + sent, out_len - sent, MSG_NOSIGNAL) : 0;
		if (r < 0 && errno != EAGAIN)
			die("send");
		sent += r > 0 ? r : 0;
		r = recv(fd, in + got, want_len - got, 0);
		if (!r || (r < 0 && errno != EAGAIN))
			die("recv gave %zd", r);
		got += r > 0 ? r : 0;
	}
	if (memcmp(in, want, want_len)) {
		if (!faults++)
			fprintf(stderr, "kv: wanted '%.100s', got '%.100s'\n", want, in);
	}
	bytes += sent + got;
	out_len = want_len = 0;
}

static void pass(int fd, bool set, int keys)
{
	uint32_t state = seed;
	int i, batch = 1;

	for (i = 0; i < keys; i++) {
		add_request(set, i);
		if (--batch && i < keys - 1)
			continue;
		exchange(fd);
		batch = 1 + next_random(&state) % MAX_BATCH;
	}
}

int main(int argc, char **argv)
{
	int fd, keys, passes = 0;

	if (argc < 4) {
		fprintf(stderr, "usage: kv redis|memcached PORT KEYS [SEED]\n");
		return EXIT_SETUP;
	}
	memcached = !strcmp(argv[1], "memcached");
	keys = atoi(argv[3]);
	if (argc > 4)
		seed = atoi(argv[4]);
	signal(SIGTERM, on_term);
	fd = tcp_connect("127.0.0.1", atoi(argv[2]));
	set_nonblock(fd, true);
	do {
		pass(fd, true, keys);
		pass(fd, false, keys);
		passes++;
	} while (!over && !on_plain());
	printf("faults=%" PRIu64 " requests a pass=%" PRIu64 " bytes a pass=%" PRIu64 "\n", faults,
	       requests / passes, bytes / passes);
	return faults > 0;
}
