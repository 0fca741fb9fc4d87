// SPDX-License-Identifier: GPL-2.0-only
/*
 * splicer: a program that splices from its sockets, and what a splice guard makes of it.
 *
 * splicer CASE [-n CONNS] [-s SECONDS] [-b BYTES] [-w SECONDS]
 *   go       members; then one end copies from its socket as Go's io.Copy does: splice(2) first, and read(2)
 * and write(2) after an EINVAL of the first; a later one is an error. -w: so long between both sticky   the
 * same as HAProxy does it: after the first EINVAL a connection never splices again marked   spliced from
 * before they could join: must never hop, and no splice is ever refused race     for -s seconds connections
 * that begin to copy at any moment, while they join calls    sendfile(2), io_uring, tee(2) and vmsplice(2) on
 * a member
 *
 * Last line: "splicer case=C conns=N refused=R late=L spliced=S hop_percent=H faults=F". refused: splices
 * that said EINVAL as the first of their copy; late: that said it after another one, which no program
 * expects.
 */
#include "pattern.h"
#include "sock.h"

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define CHUNK 512 /* of what is echoed: a copy takes several splices */

static atomic_ulong refused, late, spliced, faults;
static uint64_t sent, tcp;
static double wait_s;

static void fault(const char *what, int id, int err)
{
	fprintf(stderr, "FAULT connection %d: %s: %s\n", id, what, err_name(err));
	atomic_fetch_add(&faults, 1);
}

/* A copy from `fd` to itself. */
struct copy {
	pthread_t thread;
	int fd, id, pipe[2];
	size_t bytes;
	bool sticky, *never; /* as HAProxy: one refusal counts for the connection */
	int err;
};

/* What is in the pipe to the socket. */
static int drain(struct copy *c, size_t n)
{
	while (n) {
		ssize_t r = splice(c->pipe[0], NULL, c->fd, NULL, n, SPLICE_F_NONBLOCK);

		if (r > 0)
			n -= r;
		else if (r == 0 || (errno != EAGAIN && errno != EINTR))
			return r ? -errno : -EPIPE;
		else
			wait_for(c->fd, POLLOUT, 1000);
	}
	return 0;
}

static int copy_by_read(struct copy *c, size_t done)
{
	char buf[4096];

	while (done < c->bytes) {
		size_t room = c->bytes - done < sizeof(buf) ? c->bytes - done : sizeof(buf);
		ssize_t r = read(c->fd, buf, room);
		int err;

		if (r < 0 && errno == EAGAIN) {
			if (!wait_for(c->fd, POLLIN, 10000))
				return -ETIMEDOUT;
			continue;
		}
		if (r <= 0)
			return r ? -errno : -ENODATA;
		err = send_all(c->fd, buf, r, 10);
		if (err)
			return err;
		done += r;
	}
	return 0;
}

static int copy(struct copy *c)
{
	bool first = true;
	size_t done = 0;

	if (c->never && *c->never)
		return copy_by_read(c, 0);
	while (done < c->bytes) {
		ssize_t r = splice(c->fd, NULL, c->pipe[1], NULL, c->bytes - done, SPLICE_F_NONBLOCK);
		int err = errno;

		if (r < 0 && err == EINVAL && first) {
			atomic_fetch_add(&refused, 1);
			if (c->sticky)
				*c->never = true;
			return copy_by_read(c, 0);
		}
		if (r < 0 && err == EINVAL)
			atomic_fetch_add(&late, 1);
		first = false;
		if (r < 0 && err == EAGAIN) {
			if (!wait_for(c->fd, POLLIN, 10000))
				return -ETIMEDOUT;
			continue;
		}
		if (r <= 0)
			return r ? -err : -ENODATA;
		atomic_fetch_add(&spliced, 1);
		err = drain(c, r);
		if (err)
			return err;
		done += r;
	}
	return 0;
}

static void *copier(void *arg)
{
	struct copy *c = arg;

	c->err = copy(c);
	return NULL;
}

static void copy_start(struct copy *c)
{
	if (pipe2(c->pipe, O_NONBLOCK | O_CLOEXEC) || pthread_create(&c->thread, NULL, copier, c))
		die("copy");
}

static void copy_end(struct copy *c)
{
	pthread_join(c->thread, NULL);
	close(c->pipe[0]);
	close(c->pipe[1]);
	if (c->err)
		fault("copy", c->id, c->err);
}

/*
 * Send `bytes` from a, in pieces, and see that they come back. The position in the stream goes on from *at.
 */
static void talk(int a, int id, size_t bytes, uint64_t *at)
{
	char out[CHUNK], in[CHUNK];

	for (size_t done = 0; done < bytes; done += CHUNK, *at += CHUNK) {
		int err;

		pattern_fill(id, 0, *at, out, CHUNK);
		err = send_all(a, out, CHUNK, 10);
		if (!err)
			err = recv_all(a, in, CHUNK, 10);
		if (err) {
			fault("echo", id, err);
			return;
		}
		if (pattern_check(id, 0, *at, in, CHUNK) >= 0) {
			pattern_blame(id, 0, *at, in, CHUNK);
			atomic_fetch_add(&faults, 1);
			return;
		}
	}
}

/* One copy at b of what a says. */
static void echo(int a, int b, int id, size_t bytes, uint64_t *at, bool *never)
{
	struct copy c = {.fd = b, .id = id, .bytes = bytes, .sticky = never, .never = never};
	uint64_t before = path_sent(a);

	copy_start(&c);
	talk(a, id, bytes, at);
	copy_end(&c);
	sent += bytes;
	tcp += path_sent(a) - before;
}

static void members_copy(int n, size_t bytes, bool sticky)
{
	int(*pair)[2] = calloc(n, sizeof(*pair));

	tcp_pairs(pair, n);
	warm_up_all(pair, n);
	printf("splicer joined\n");
	fflush(stdout);
	msleep(wait_s * 1000);
	for (int i = 0; i < n; i++) {
		bool never = false;
		uint64_t at = 0;

		for (int k = 0; k < 3; k++) {
			echo(pair[i][0], pair[i][1], i, bytes / 3 / CHUNK * CHUNK, &at,
			     sticky ? &never : NULL);
			if (round_trip(pair[i][0], pair[i][1], RR_SIZE))
				fault("round trip", i, errno);
		}
		close(pair[i][0]);
		close(pair[i][1]);
	}
	free(pair);
}

static void marked(int n, double secs)
{
	int(*pair)[2] = calloc(n, sizeof(*pair));
	uint64_t *at = calloc(n, sizeof(*at));

	tcp_pairs(pair, n);
	for (int i = 0; i < n; i++)
		echo(pair[i][0], pair[i][1], i, CHUNK, &at[i], NULL);
	for (double until = now() + secs; now() < until;)
		for (int i = 0; i < n; i++)
			if (round_trip(pair[i][0], pair[i][1], RR_SIZE))
				fault("round trip", i, errno);
	sent = tcp = 0;
	for (int i = 0; i < n; i++)
		echo(pair[i][0], pair[i][1], i, 4 * CHUNK, &at[i], NULL);
}

/* Few words, one copy, and the next connection. */
static void *racer(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	double until = now() + wait_s;

	for (int id = 0; now() < until; id++) {
		int pair[1][2], trips = rand_r(&seed) % 600;
		struct copy c = {.id = id, .bytes = 16 * CHUNK};
		uint64_t at = 0;

		tcp_pairs(pair, 1);
		for (int k = 0; k < trips; k++)
			if (round_trip(pair[0][0], pair[0][1], RR_SIZE))
				fault("round trip", id, errno);
		c.fd = pair[0][1];
		copy_start(&c);
		talk(pair[0][0], id, c.bytes, &at);
		copy_end(&c);
		close(pair[0][0]);
		close(pair[0][1]);
	}
	return NULL;
}

static void race(int n, double secs)
{
	pthread_t *t = calloc(n, sizeof(*t));

	wait_s = secs;
	for (int i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, racer, (void *)(uintptr_t)(i + 1)))
			die("thread");
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	free(t);
}

/* The result of one request; `async`: in a worker, where a splice always runs. */
static int uring(struct io_uring *ring, int op, int from, int to, void *buf, size_t n)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int r;

	if (op == IORING_OP_SPLICE)
		io_uring_prep_splice(sqe, from, -1, to, -1, n, SPLICE_F_NONBLOCK);
	else
		io_uring_prep_read(sqe, from, buf, n, 0);
	sqe->flags |= IOSQE_ASYNC;
	if (io_uring_submit_and_wait(ring, 1) < 1 || io_uring_wait_cqe(ring, &cqe))
		die("io_uring");
	r = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return r;
}

static void expect(const char *what, long got, long want)
{
	printf("%s: %ld\n", what, got);
	if (got == want)
		return;
	fprintf(stderr, "FAULT %s: %ld instead of %ld\n", what, got, want);
	atomic_fetch_add(&faults, 1);
}

static long result(long r)
{
	return r < 0 ? -errno : r;
}

/* One page by vmsplice(2), twice by tee(2), to the other end. */
static void pipes_to_member(int a, int b)
{
	static char page[4096] __attribute__((aligned(4096)));
	struct iovec v = {page, 1000};
	char in[2000];
	int p[2], q[2];

	memset(page, 'p', sizeof(page));
	if (pipe2(p, O_NONBLOCK) || pipe2(q, O_NONBLOCK))
		die("pipe");
	expect("vmsplice", result(vmsplice(p[1], &v, 1, 0)), 1000);
	expect("tee", result(tee(p[0], q[1], 1000, 0)), 1000);
	expect("splice to a member", result(splice(p[0], NULL, a, NULL, 1000, 0)), 1000);
	expect("splice to a member", result(splice(q[0], NULL, a, NULL, 1000, 0)), 1000);
	expect("what arrived", recv_all(b, in, sizeof(in), 5), 0);
	for (size_t i = 0; i < sizeof(in); i++)
		if (in[i] != 'p')
			expect("byte", in[i], 'p');
}

static void calls(void)
{
	struct io_uring ring;
	int pair[2], p[2];
	char buf[100];

	member_pair(pair);
	if (pipe2(p, O_NONBLOCK) || io_uring_queue_init(8, &ring, 0))
		die("calls");
	if (send(pair[0], "0123456789", 10, 0) != 10 || !wait_for(pair[1], POLLIN, 5000))
		die("send");
	expect("sendfile to a pipe", result(sendfile(p[1], pair[1], NULL, 10)), -EINVAL);
	expect("IORING_OP_SPLICE", uring(&ring, IORING_OP_SPLICE, pair[1], p[1], NULL, 10), -EINVAL);
	expect("tee of a socket", result(tee(pair[1], p[1], 10, 0)), -EINVAL);
	expect("IORING_OP_READ", uring(&ring, IORING_OP_READ, pair[1], 0, buf, 4), 4);
	expect("read", result(read(pair[1], buf + 4, 96)), 6);
	expect("bytes", memcmp(buf, "0123456789", 10), 0);
	pipes_to_member(pair[0], pair[1]);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	int c, n = 10;
	size_t bytes = 60 * CHUNK;
	double secs = 3;

	optind = 2;
	while ((c = getopt(argc, argv, "n:s:b:w:")) != -1) {
		if (c == 'n')
			n = atoi(optarg);
		else if (c == 's')
			secs = atof(optarg);
		else if (c == 'b')
			bytes = atol(optarg);
		else if (c == 'w')
			wait_s = atof(optarg);
		else
			return EXIT_SETUP;
	}
	raise_fd_limit();
	if (!strcmp(name, "go") || !strcmp(name, "sticky"))
		members_copy(n, bytes, *name == 's');
	else if (!strcmp(name, "marked"))
		marked(n, secs);
	else if (!strcmp(name, "race"))
		race(n, secs);
	else if (!strcmp(name, "calls"))
		calls();
	else
		return EXIT_SETUP;
	printf("splicer case=%s conns=%d refused=%lu late=%lu spliced=%lu hop_percent=%d faults=%lu\n", name,
	       n, refused, late, spliced, sent ? (int)(100 - tcp * 100 / sent) : 0, faults);
	return late || faults ? EXIT_FAULT : 0;
}
