// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_splice: splice(2) and its kin, in a program of its own: one that can splice never joins by default.
 */
#include "lab.h"

static void make_pipe(int p[2])
{
	if (pipe2(p, O_NONBLOCK))
		die("pipe");
}

static void note_pipe(struct lab *t, const char *key, int fd)
{
	char b[4096];

	note_data(t, key, read(fd, b, sizeof(b)), b);
}

static void from_socket(struct lab *t)
{
	int p[2];

	make_pipe(p);
	put(t, t->a, "hello");
	note_poll(t, "poll", t->b, POLLIN, 1000);
	note_ret(t, "splice", splice(t->b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
	note_pipe(t, "pipe", p[0]);
	note_poll(t, "poll after", t->b, 0, 0);
	note_ret(t, "empty", splice(t->b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
	note_rest(t, "left", t->b);
}

static void part(struct lab *t)
{
	int p[2];

	make_pipe(p);
	put(t, t->a, "hello world");
	wait_for(t->b, POLLIN, 1000);
	note_ret(t, "splice 5", splice(t->b, NULL, p[1], NULL, 5, SPLICE_F_NONBLOCK));
	note_recv(t, "recv", t->b, 3, 0);
	note_ret(t, "splice", splice(t->b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
	note_pipe(t, "pipe", p[0]);
	note_rest(t, "left", t->b);
}

static void to_socket(struct lab *t)
{
	int p[2];

	make_pipe(p);
	if (write(p[1], "hello", 5) != 5)
		die("pipe");
	note_ret(t, "splice", SENT(t, t->a, splice(p[0], NULL, t->a, NULL, 100, SPLICE_F_NONBLOCK)));
	note_recv(t, "recv", t->b, 100, 0);
	note_alive(t);
}

static void vm_to_socket(struct lab *t)
{
	static char page[8192] __attribute__((aligned(4096)));
	struct iovec v = {page, 4096};
	int p[2];

	memset(page, 'v', sizeof(page));
	make_pipe(p);
	note_ret(t, "vmsplice", vmsplice(p[1], &v, 1, SPLICE_F_NONBLOCK));
	note_ret(t, "splice", SENT(t, t->a, splice(p[0], NULL, t->a, NULL, 4096, SPLICE_F_NONBLOCK)));
	note_rest(t, "recv", t->b);
	note_alive(t);
}

static void at_eof(struct lab *t)
{
	int p[2];

	make_pipe(p);
	put(t, t->a, "last words");
	shutdown(t->a, SHUT_WR);
	settle();
	note_ret(t, "splice", splice(t->b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
	note_pipe(t, "pipe", p[0]);
	note_ret(t, "end", splice(t->b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
	note_rest(t, "left", t->b);
}

/* Bytes by TCP, bytes by hop: in order? */
static void many(struct lab *t)
{
	char b[65536], want[10];
	int p[2], i, wrong = 0, n = 0;
	ssize_t r, k;

	make_pipe(p);
	for (i = 0; i < 200; i++) {
		snprintf(want, sizeof(want), "%08d", i);
		put(t, t->a, want);
	}
	for (i = 0; i < 200 && n < 1600; i++) {
		if (!wait_for(t->b, POLLIN, 100))
			break;
		r = splice(t->b, NULL, p[1], NULL, 4096, SPLICE_F_NONBLOCK);
		if (r <= 0)
			continue;
		r = read(p[0], b, sizeof(b));
		for (k = 0; k < r; k++, n++) {
			snprintf(want, sizeof(want), "%08d", n / 8);
			wrong += b[k] != want[n % 8];
		}
	}
	note(t, "spliced", "%d, wrong %d", n, wrong);
}

/* Disconnected with bytes unread, connected again: not those, and no member's receive function. */
static void reconnected(struct lab *t)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};
	struct sockaddr_storage ss;
	int p[2], l = tcp_listen("127.0.0.1", 0);
	socklen_t len = to_sockaddr("127.0.0.1", local_port(l), &ss);

	make_pipe(p);
	put(t, t->b, "stale");
	settle();
	note_ret(t, "disconnect", connect(t->a, &sa, sizeof(sa)));
	note_ret(t, "connect", connect_wait(t->a, &ss, len));
	close(t->b);
	t->b = tcp_accept_nonblock(l);
	put(t, t->b, "new");
	wait_for(t->a, POLLIN, 1000);
	note_ret(t, "splice", splice(t->a, NULL, p[1], NULL, 20, SPLICE_F_NONBLOCK));
	note_pipe(t, "pipe", p[0]);
	note_alive(t);
}

const struct lab_case cases_splice[] = {
	{"splice-from-socket", from_socket, "splice-capable", 0, NULL, NULL},
	{"splice-part", part, "splice-capable", 0, NULL, NULL},
	{"splice-to-socket", to_socket, "splice-capable", 0, NULL, NULL},
	{"vmsplice-to-socket", vm_to_socket, "splice-capable", 0, NULL, NULL},
	{"splice-at-eof", at_eof, "splice-capable", 0, NULL, NULL},
	{"splice-many", many, "splice-capable", 0, NULL, NULL},
	{"splice-reconnected", reconnected, "splice-capable", 0, NULL, NULL},
	{},
};
