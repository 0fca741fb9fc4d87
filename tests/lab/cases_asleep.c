// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_asleep: a member turns blocking, and its reader is asleep in a receive call when it could leave. What
 * arrives then must wake it as on plain TCP.
 */
#include "lab.h"

/*
 * As servers do that wait non-blocking and read each request blocking: the first part of the request tells
 * sockhop, and takes the connection out; the second finds the reader asleep.
 */
static void asleep(struct lab *t, ssize_t (*receive)(int fd, void *buf, size_t size))
{
	struct later l = {.t = t, .fd = t->a, .ms = 300, .text = "second"};
	char b[100];

	set_nonblock(t->b, false);
	put(t, t->a, "first");
	note_data(t, "first", receive(t->b, b, 5), b);
	send_later(&l);
	note_data(t, "second", receive(t->b, b, 6), b);
	finish_later(&l);
	set_nonblock(t->b, true);
	note_alive(t);
}

static ssize_t by_recv(int fd, void *buf, size_t size)
{
	return recv(fd, buf, size, 0);
}

static ssize_t by_recvmsg(int fd, void *buf, size_t size)
{
	struct iovec v = {buf, size};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	return recvmsg(fd, &m, 0);
}

static ssize_t by_waitall(int fd, void *buf, size_t size)
{
	return recv(fd, buf, size, MSG_WAITALL);
}

static void asleep_recv(struct lab *t)
{
	asleep(t, by_recv);
}

static void asleep_read(struct lab *t)
{
	asleep(t, read);
}

static void asleep_recvmsg(struct lab *t)
{
	asleep(t, by_recvmsg);
}

static void asleep_waitall(struct lab *t)
{
	asleep(t, by_waitall);
}

static void asleep_rcvtimeo(struct lab *t)
{
	struct timeval tv = {5, 0};

	setsockopt(t->b, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	asleep(t, by_recv);
}

static void asleep_eof(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 300, .how = SHUT_WR};
	char b[10];

	set_nonblock(t->b, false);
	put(t, t->a, "first");
	note_data(t, "first", recv(t->b, b, 5, 0), b);
	shutdown_later(&l);
	note_data(t, "end", recv(t->b, b, 6, 0), b);
	finish_later(&l);
}

const struct lab_case cases_asleep[] = {
	{"turns-blocking-asleep-recv", asleep_recv, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turns-blocking-asleep-read", asleep_read, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turns-blocking-asleep-recvmsg", asleep_recvmsg, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turns-blocking-asleep-waitall", asleep_waitall, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turns-blocking-asleep-rcvtimeo", asleep_rcvtimeo, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turns-blocking-asleep-eof", asleep_eof, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{},
};
