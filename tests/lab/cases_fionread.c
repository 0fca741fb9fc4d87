// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_fionread: FIONREAD, in a program of its own: where the kernel does not count bytes that hop (6.1),
 * one that has this number never joins.
 */
#include "lab.h"

static void fionread(struct lab *t)
{
	int n = -1;

	ioctl(t->b, FIONREAD, &n);
	note(t, "empty", "%d", n);
	put(t, t->a, "hello");
	settle();
	note_ret(t, "FIONREAD", ioctl(t->b, FIONREAD, &n));
	note(t, "one", "%d", n);
	put(t, t->a, " world");
	settle();
	ioctl(t->b, FIONREAD, &n);
	note(t, "two", "%d", n);
	note_recv(t, "recv", t->b, 3, 0);
	ioctl(t->b, FIONREAD, &n);
	note(t, "after three bytes", "%d", n);
	put_n(t, t->a, 50000);
	settle();
	ioctl(t->b, FIONREAD, &n);
	note(t, "many", "%d", n);
	note_rest(t, "rest", t->b);
	shutdown(t->a, SHUT_WR);
	settle();
	ioctl(t->b, FIONREAD, &n);
	note(t, "at the end", "%d", n);
}

/*
 * A program that takes what is there, no more: nginx, Java and .NET do. Bytes of both paths are among them.
 */
static void sized_reads(struct lab *t)
{
	char b[70000];
	size_t in = 0;
	int n, k;
	ssize_t r;

	for (k = 0; k < 20; k++) {
		put_n(t, t->a, k % 4 ? 100 : 60000);
		settle();
		while (!ioctl(t->b, FIONREAD, &n) && n > 0) {
			r = recv(t->b, b, (size_t)n < sizeof(b) ? (size_t)n : sizeof(b), MSG_DONTWAIT);
			in += r > 0 ? r : 0;
			settle();
		}
	}
	note(t, "read", "%zu", in);
	note_poll(t, "poll", t->b, 0, 0);
	note_alive(t);
}

const struct lab_case cases_fionread[] = {
	{"fionread", fionread, LAB_JOINS, LAB_FIONREAD, NULL, NULL},
	{"fionread-sized-reads", sized_reads, LAB_JOINS, LAB_FIONREAD, NULL, NULL},
	{},
};
