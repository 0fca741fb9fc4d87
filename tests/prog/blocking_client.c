// SPDX-License-Identifier: GPL-2.0-only
/*
 * blocking_client: connections of which at least one end reads in blocking calls, as CPython without a
 * timeout, hiredis or java.net.Socket do, under a storm of signals. Results must be those of plain TCP: no
 * EAGAIN that a blocking call does not give, no short MSG_WAITALL; and no byte may hop.
 *
 * blocking_client [-s SECONDS] [KIND...]      one line a kind: calls, surprises, hopped bytes
 */
#include "sock.h"

#include <pthread.h>

enum {
	CLIENT_BLOCKS = 1,
	SERVER_BLOCKS = 2,
	WAITALL = 4,	/* reads 256 bytes with MSG_WAITALL that arrive in pieces */
	TIMEOUT = 8,	/* SO_RCVTIMEO of 10 s: long enough never to expire */
	DONTWAIT = 16,	/* a blocking file, read with MSG_DONTWAIT and poll() */
	POLL_FIRST = 32 /* poll(), then a blocking read: java.net.Socket with a timeout */
};

static const struct {
	const char *name;
	int flags;
} kinds[] = {
	{"cpython", CLIENT_BLOCKS | SERVER_BLOCKS},
	{"hiredis", CLIENT_BLOCKS},
	{"java", CLIENT_BLOCKS | SERVER_BLOCKS | POLL_FIRST},
	{"server", SERVER_BLOCKS},
	{"waitall", CLIENT_BLOCKS | SERVER_BLOCKS | WAITALL},
	{"rcvtimeo", CLIENT_BLOCKS | SERVER_BLOCKS | TIMEOUT},
	{"dontwait", CLIENT_BLOCKS | SERVER_BLOCKS | DONTWAIT},
};

static double secs = 1;

struct end {
	int fd, flags;
	bool client, blocks;
	long calls, surprises;
	uint64_t sent;
	const volatile double *until;
};

/* One recv() as this kind of program does it; counts what a blocking program does not expect. */
static ssize_t kind_recv(struct end *e, void *b, size_t n)
{
	int flags = e->blocks && e->flags & WAITALL ? MSG_WAITALL : e->flags & DONTWAIT ? MSG_DONTWAIT : 0;
	ssize_t r;

	if (!e->blocks || e->flags & (DONTWAIT | POLL_FIRST))
		while (!wait_for(e->fd, POLLIN, 5000) && now() < *e->until)
			;
	r = recv(e->fd, b, n, flags);
	e->calls++;
	if (r < 0 && e->blocks && !(e->flags & DONTWAIT)) {
		fprintf(stderr, "recv: %s\n", strerror(errno));
		e->surprises++;
	}
	if (r > 0 && flags == MSG_WAITALL && (size_t)r < n) {
		fprintf(stderr, "recv: MSG_WAITALL gave %zd of %zu bytes\n", r, n);
		e->surprises++;
	}
	return r;
}

static bool get(struct end *e, char *b, size_t n)
{
	ssize_t r;

	while (n) {
		r = kind_recv(e, b, n);
		if (!r || (r < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (r > 0) {
			b += r;
			n -= r;
		}
	}
	return true;
}

/* Pieces, with a pause now and then, so that readers sleep in the middle of a message. */
static bool put(struct end *e, const char *b, size_t n)
{
	size_t k, m;

	for (k = 0; k < n; k += m) {
		m = n - k < 64 ? n - k : 64;
		if (send_all(e->fd, b + k, m, 10))
			return false;
		if (e->calls % 16 == 0)
			msleep(3);
	}
	e->sent += n;
	return true;
}

static void *run_end(void *arg)
{
	struct end *e = arg;
	char out[256], in[256];

	memset(out, e->client ? 'q' : 'r', sizeof(out));
	if (!e->client) {
		while (get(e, in, sizeof(in)) && put(e, out, sizeof(out)))
			;
		return NULL;
	}
	while (now() < *e->until) {
		if (!put(e, out, sizeof(out)) || !get(e, in, sizeof(in)) || in[0] != 'r' || in[255] != 'r') {
			fprintf(stderr, "request-response broke\n");
			e->surprises++;
			break;
		}
	}
	shutdown(e->fd, SHUT_WR);
	return NULL;
}

static int run_kind(const char *name, int flags)
{
	struct timeval tv = {10, 0};
	volatile double until = now() + secs;
	struct end end[2] = {{.client = true}, {.client = false}};
	int i, pair[1][2];
	uint64_t path = 0;
	pthread_t t[2];

	tcp_pairs(pair, 1);
	for (i = 0; i < 2; i++) {
		end[i].fd = pair[0][i];
		end[i].flags = flags;
		end[i].until = &until;
		end[i].blocks = flags & (i ? SERVER_BLOCKS : CLIENT_BLOCKS);
		set_nonblock(end[i].fd, !end[i].blocks);
		if (flags & TIMEOUT)
			setsockopt(end[i].fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		pthread_create(&t[i], NULL, run_end, &end[i]);
	}
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	for (i = 0; i < 2; i++) {
		path += path_sent(end[i].fd);
		close(end[i].fd);
	}
	/* the FIN may still be counted as unsent */
	i = end[0].sent + end[1].sent > path ? end[0].sent + end[1].sent - path : 0;
	printf("blocking_client kind=%s calls=%ld surprises=%ld hop=%d\n", name, end[0].calls + end[1].calls,
	       end[0].surprises + end[1].surprises, i);
	fflush(stdout);
	return end[0].surprises || end[1].surprises || i || end[0].calls < 10;
}

int main(int argc, char **argv)
{
	int c, bad = 0;
	size_t i;

	while ((c = getopt(argc, argv, "s:")) != -1) {
		if (c != 's')
			return EXIT_SETUP;
		secs = atof(optarg);
	}
	signal(SIGPIPE, SIG_IGN);
	signal_storm(200);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (optind >= argc || !strcmp(argv[optind], kinds[i].name))
			bad |= run_kind(kinds[i].name, kinds[i].flags);
	return bad;
}
