// SPDX-License-Identifier: GPL-2.0-only
/* cases_uring: the same socket by io_uring. */
#include "lab.h"

#include <liburing.h>

static bool open_ring(struct lab *t, struct io_uring *ring)
{
	int err = io_uring_queue_init(8, ring, 0);

	if (err)
		note(t, "io_uring", "%s", err_name(err));
	return !err;
}

/* The next completion: its result and whether more are to come. */
static int complete(struct lab *t, const char *key, struct io_uring *ring, int ms)
{
	struct __kernel_timespec ts = {ms / 1000, ms % 1000 * 1000000ll};
	struct io_uring_cqe *cqe;
	int err = io_uring_wait_cqe_timeout(ring, &cqe, &ts), res;

	if (err) {
		note(t, key, "no completion");
		return -ETIME;
	}
	res = cqe->res;
	note(t, key, "%s %d%s", res < 0 ? err_name(res) : "ok", res < 0 ? 0 : res,
	     cqe->flags & IORING_CQE_F_MORE ? " more" : "");
	io_uring_cqe_seen(ring, cqe);
	return res;
}

static void recv_data(struct lab *t)
{
	struct io_uring ring;
	char b[20];
	int r;

	if (!open_ring(t, &ring))
		return;
	put(t, t->a, "hello");
	settle();
	io_uring_prep_recv(io_uring_get_sqe(&ring), t->b, b, sizeof(b), 0);
	io_uring_submit(&ring);
	r = complete(t, "recv", &ring, 1000);
	note_data(t, "bytes", r > 0 ? r : 0, b);
	note_alive(t);
}

/* Nothing there yet. What does it say for an O_NONBLOCK socket? */
static void recv_waits(struct lab *t)
{
	struct io_uring ring;
	char b[20];
	int r;

	if (!open_ring(t, &ring))
		return;
	io_uring_prep_recv(io_uring_get_sqe(&ring), t->b, b, sizeof(b), 0);
	io_uring_submit(&ring);
	r = complete(t, "recv before data", &ring, 50);
	put(t, t->a, "hello");
	if (r == -ETIME) {
		r = complete(t, "recv", &ring, 1000);
		note_data(t, "bytes", r > 0 ? r : 0, b);
	} else {
		note_recv(t, "by hand", t->b, 20, 0);
	}
	note_alive(t);
}

static void send_ring(struct lab *t)
{
	struct io_uring ring;
	uint64_t before = path_sent(t->a);
	int r;

	if (!open_ring(t, &ring))
		return;
	io_uring_prep_send(io_uring_get_sqe(&ring), t->a, "hello", 5, MSG_NOSIGNAL);
	io_uring_submit(&ring);
	r = complete(t, "send", &ring, 1000);
	lab_sent(t, t->a, before, r);
	note_recv(t, "recv", t->b, 20, 0);
	note_alive(t);
}

static void poll_multishot(struct lab *t)
{
	struct io_uring ring;

	if (!open_ring(t, &ring))
		return;
	io_uring_prep_poll_multishot(io_uring_get_sqe(&ring), t->b, POLLIN);
	io_uring_submit(&ring);
	complete(t, "idle", &ring, 30);
	put(t, t->a, "one");
	complete(t, "first", &ring, 1000);
	note_recv(t, "recv", t->b, 20, 0);
	put(t, t->a, "two");
	complete(t, "second", &ring, 1000);
	note_recv(t, "recv", t->b, 20, 0);
	note_alive(t);
}

static void read_write(struct lab *t)
{
	struct io_uring ring;
	uint64_t before = path_sent(t->a);
	char b[20];
	int r;

	if (!open_ring(t, &ring))
		return;
	io_uring_prep_write(io_uring_get_sqe(&ring), t->a, "hello", 5, 0);
	io_uring_submit(&ring);
	r = complete(t, "write", &ring, 1000);
	lab_sent(t, t->a, before, r);
	settle();
	io_uring_prep_read(io_uring_get_sqe(&ring), t->b, b, sizeof(b), 0);
	io_uring_submit(&ring);
	r = complete(t, "read", &ring, 1000);
	note_data(t, "bytes", r > 0 ? r : 0, b);
}

/* Ready when data comes, with a buffer from a pool: what servers on io_uring use. */
static void recv_multishot(struct lab *t)
{
	static char pool[8][64];
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int r;

	if (!open_ring(t, &ring))
		return;
	io_uring_prep_provide_buffers(io_uring_get_sqe(&ring), pool, 64, 8, 1, 0);
	io_uring_submit(&ring);
	complete(t, "buffers", &ring, 1000);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_recv_multishot(sqe, t->b, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 1;
	io_uring_submit(&ring);
	r = complete(t, "idle", &ring, 50);
	put(t, t->a, "one");
	if (r != -ETIME) {
		note_recv(t, "by hand", t->b, 20, 0);
		return;
	}
	complete(t, "first", &ring, 1000);
	put(t, t->a, "two");
	complete(t, "second", &ring, 1000);
	shutdown(t->a, SHUT_WR);
	complete(t, "end", &ring, 1000);
}

const struct lab_case cases_uring[] = {
	{"uring-recv", recv_data, LAB_JOINS, 0, NULL, NULL},
	{"uring-recv-waits", recv_waits, LAB_JOINS, 0, NULL, NULL},
	{"uring-send", send_ring, LAB_JOINS, 0, NULL, NULL},
	{"uring-read-write", read_write, LAB_JOINS, 0, NULL, NULL},
	{"uring-poll-multishot", poll_multishot, LAB_JOINS, 0, NULL, NULL},
	{"uring-recv-multishot", recv_multishot, LAB_JOINS, 0, NULL, NULL},
	{"uring-recv-blocking", recv_data, "blocking", 0, make_blocking, NULL},
	{"uring-recv-waits-blocking", recv_waits, "blocking", 0, make_blocking, NULL},
	{"uring-recv-multishot-blocking", recv_multishot, "blocking", 0, make_blocking, NULL},
	{},
};
