// SPDX-License-Identifier: GPL-2.0-only
/*
 * half_close: thousands of half-closes of members. Two threads, one for all client ends and one for all
 * server ends of a batch of warmed-up connections. The client half-closes at a random moment and reads on;
 * every reader must see a gap-free sequence up to the end of the stream, and no writer EPIPE.
 *
 * half_close [-m busy|reply] [-d MS] [-n BATCH] [-c CONNECTIONS] [-f]
 *   busy:  both directions are busy while the client half-closes (default)
 *   reply: the server is silent until it sees the end, then replies, at once or after -d ms
 *   -f: the client's socket turns blocking after the half-close and is read by blocking calls; `spurious`
 *       counts those that fail with EAGAIN (0 on plain TCP)
 */
#include "sock.h"
#include "pattern.h"

#include <pthread.h>

struct end {
	int fd;
	uint32_t id;
	int dir, quota; /* messages to send before (client) or after (server) the other's end of stream */
	uint64_t tx, rx, path; /* bytes; path_sent() after the warm-up */
	bool shut, eof;
	double reply_at;
};

static struct {
	bool reply, flip;
	int delay, batch, conns;
} opt = {.batch = 50, .conns = 2000};

static struct end *ends[2];
static double batch_end;
static _Atomic long faults, missing, epipe, errors, spurious, hangs, hopped, total;

static void send_error(struct end *e, int err)
{
	if (err == EPIPE)
		epipe++;
	else
		errors++;
	fprintf(stderr, "send: connection %u direction %d offset %llu: %s\n", e->id, e->dir,
		(unsigned long long)e->tx, strerror(err));
	e->shut = true;
}

static void end_of_tx(struct end *e)
{
	uint64_t path = path_sent(e->fd) - e->path;

	total += e->tx;
	hopped += path < e->tx ? e->tx - path : 0;
	e->shut = true;
	shutdown(e->fd, SHUT_WR);
	if (opt.flip && !e->dir)
		set_nonblock(e->fd, false);
}

static void put(struct end *e, unsigned int *seed)
{
	unsigned char b[512];
	size_t n = 1 + rand_r(seed) % (rand_r(seed) % 4 ? 64 : sizeof(b));
	ssize_t r;

	pattern_fill(e->id, e->dir, e->tx, b, n);
	r = send(e->fd, b, n, MSG_NOSIGNAL);
	if (r > 0)
		e->tx += r;
	else if (errno != EAGAIN)
		send_error(e, errno);
}

static void get(struct end *e)
{
	unsigned char b[8192];
	ssize_t r = recv(e->fd, b, sizeof(b), 0), k;

	if (r > 0) {
		k = pattern_check(e->id, !e->dir, e->rx, b, r);
		if (k >= 0) {
			pattern_blame(e->id, !e->dir, e->rx + k, b + k, r - k);
			faults++;
			e->eof = e->shut = true;
		}
		e->rx += r;
	} else if (!r) {
		e->eof = true;
		e->reply_at = now() + opt.delay * 1e-3;
	} else if (errno != EAGAIN && errno != EINTR) {
		errors++;
		fprintf(stderr, "recv: connection %u: %s\n", e->id, strerror(errno));
		e->eof = e->shut = true;
	} else if (opt.flip && e->shut && !e->dir && errno == EAGAIN) {
		spurious++;
	}
}

/* Writes and reads once; false when the end is done. */
static bool turn(struct end *e, unsigned int *seed)
{
	bool may_send = !e->dir || e->eof ? now() >= e->reply_at : !opt.reply;

	if (!e->shut && may_send) {
		put(e, seed);
		if ((!e->dir || e->eof) && e->quota-- <= 0 && !e->shut)
			end_of_tx(e);
	}
	if (!e->eof)
		get(e);
	return !e->shut || !e->eof;
}

static void *side(void *arg)
{
	struct end *e = arg;
	unsigned int seed = e->dir * 77 + e->id + 1;
	int i, open = opt.batch;

	while (open && now() < batch_end)
		for (open = i = 0; i < opt.batch; i++)
			if (!e[i].shut || !e[i].eof)
				open += turn(&e[i], &seed);
	hangs += open;
	return NULL;
}

static void compare(int i)
{
	struct end *c = &ends[0][i], *s = &ends[1][i];

	if (c->tx != s->rx || s->tx != c->rx) {
		missing++;
		fprintf(stderr,
			"FAULT connection %u: client sent %llu, server got %llu; server sent %llu, client "
			"got %llu\n",
			c->id, (unsigned long long)c->tx, (unsigned long long)s->rx,
			(unsigned long long)s->tx, (unsigned long long)c->rx);
	}
	close(c->fd);
	close(s->fd);
}

static void batch(int first)
{
	int(*pair)[2] = calloc(opt.batch, sizeof(*pair));
	pthread_t t;
	int i, k;

	tcp_pairs(pair, opt.batch);
	warm_up_all(pair, opt.batch);
	for (i = 0; i < opt.batch; i++)
		for (k = 0; k < 2; k++)
			ends[k][i] = (struct end){
				.fd = pair[i][k],
				.id = first + i,
				.dir = k,
				.quota = k ? rand() % 20 : rand() % 60,
				.path = path_sent(pair[i][k]),
			};
	free(pair);
	batch_end = now() + 20;
	pthread_create(&t, NULL, side, ends[1]);
	side(ends[0]);
	pthread_join(t, NULL);
	for (i = 0; i < opt.batch; i++)
		compare(i);
}

int main(int argc, char **argv)
{
	int c, done;

	while ((c = getopt(argc, argv, "m:d:n:c:f")) != -1) {
		if (c == 'm')
			opt.reply = !strcmp(optarg, "reply");
		else if (c == 'd')
			opt.delay = atoi(optarg);
		else if (c == 'n')
			opt.batch = atoi(optarg);
		else if (c == 'c')
			opt.conns = atoi(optarg);
		else if (c == 'f')
			opt.flip = true;
		else
			return EXIT_SETUP;
	}
	raise_fd_limit();
	ends[0] = calloc(opt.batch, sizeof(struct end));
	ends[1] = calloc(opt.batch, sizeof(struct end));
	for (done = 0; done < opt.conns && !hangs; done += opt.batch)
		batch(done);
	printf("half_close mode=%s delay=%d conns=%d bytes=%ld hop=%ld hop_percent=%.1f faults=%ld "
	       "missing=%ld "
	       "epipe=%ld errors=%ld hangs=%ld spurious=%ld\n",
	       opt.reply ? "reply" : "busy", opt.delay, done, total, hopped,
	       total ? 100.0 * hopped / total : 0.0, faults, missing, epipe, errors, hangs, spurious);
	return faults || missing || epipe || errors || hangs || !total;
}
