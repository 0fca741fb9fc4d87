// SPDX-License-Identifier: GPL-2.0-only
/* cases_read: the calls and flags that read. */
#include "lab.h"

static void read_call(struct lab *t)
{
	char b[16];

	put(t, t->a, "hello");
	wait_for(t->b, POLLIN, 1000);
	note_data(t, "read", read(t->b, b, sizeof(b)), b);
	note_data(t, "empty", read(t->b, b, sizeof(b)), b);
}

static void readv_call(struct lab *t)
{
	char b[12] = "------------";
	struct iovec v[3] = {{b, 2}, {b + 4, 3}, {b + 8, 4}};

	put(t, t->a, "abcdefg");
	wait_for(t->b, POLLIN, 1000);
	note_ret(t, "readv", readv(t->b, v, 3));
	note_data(t, "bytes", 12, b);
	note_ret(t, "empty", readv(t->b, v, 3));
}

static void recvfrom_call(struct lab *t)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char b[16];

	put(t, t->a, "hello");
	wait_for(t->b, POLLIN, 1000);
	note_data(t, "recvfrom", recvfrom(t->b, b, sizeof(b), 0, (void *)&ss, &len), b);
	note(t, "address length", "%u", len);
}

static void recvmsg_call(struct lab *t)
{
	char b[16], control[100];
	struct iovec v = {b, sizeof(b)};
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};

	put(t, t->a, "hello");
	wait_for(t->b, POLLIN, 1000);
	note_data(t, "recvmsg", recvmsg(t->b, &m, MSG_CMSG_CLOEXEC), b);
	note(t, "flags and control", "%#x %zu", m.msg_flags & ~MSG_CMSG_CLOEXEC, m.msg_controllen);
}

static void recvmmsg_call(struct lab *t)
{
	char b[3][8];
	struct iovec v[3] = {{b[0], 4}, {b[1], 4}, {b[2], 4}};
	struct mmsghdr m[3] = {};
	int i, r;

	for (i = 0; i < 3; i++) {
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	put(t, t->a, "abcdefghij");
	wait_for(t->b, POLLIN, 1000);
	r = recvmmsg(t->b, m, 3, 0, NULL);
	note_ret(t, "recvmmsg", r);
	for (i = 0; i < r; i++)
		note_data(t, "message", m[i].msg_len, b[i]);
	note_ret(t, "empty", recvmmsg(t->b, m, 3, 0, NULL));
}

static void zero_length(struct lab *t)
{
	char b[8];

	note_ret(t, "empty queue", recv(t->b, b, 0, 0));
	put(t, t->a, "hello");
	wait_for(t->b, POLLIN, 1000);
	note_ret(t, "recv", recv(t->b, b, 0, 0));
	note_ret(t, "read", read(t->b, b, 0));
	note_recv(t, "rest", t->b, 8, 0);
}

/* Three sends, one recv; one send, three recvs: a stream has no boundaries. */
static void boundaries(struct lab *t)
{
	put(t, t->a, "one");
	put(t, t->a, "two");
	put(t, t->a, "three");
	settle();
	note_recv(t, "one recv", t->b, 100, 0);
	put(t, t->a, "abcdefghi");
	note_recv(t, "first", t->b, 4, 0);
	note_recv(t, "second", t->b, 4, 0);
	note_recv(t, "third", t->b, 4, 0);
	note_recv(t, "fourth", t->b, 4, MSG_DONTWAIT);
}

static void big_message(struct lab *t)
{
	put_n(t, t->a, 60000);
	settle();
	note_rest(t, "all", t->b);
	note_alive(t);
}

static void many_small(struct lab *t)
{
	double until = now() + 2;
	char b[200];
	int i;

	for (i = 0; i < 100; i++)
		put(t, t->a, i & 1 ? "x" : "yz");
	/* a congestion window and a delayed acknowledgement may be between the first and the last */
	while (recv(t->b, b, sizeof(b), MSG_PEEK | MSG_DONTWAIT) < 150 && now() < until)
		msleep(5);
	note_recv(t, "one recv", t->b, 4096, 0);
}

static void peek(struct lab *t)
{
	put(t, t->a, "hello");
	note_recv(t, "peek 3", t->b, 3, MSG_PEEK);
	note_recv(t, "peek all", t->b, 100, MSG_PEEK);
	put(t, t->a, " world");
	settle();
	note_recv(t, "peek two messages", t->b, 100, MSG_PEEK);
	note_poll(t, "poll", t->b, POLLIN, 100);
	note_recv(t, "recv", t->b, 100, 0);
	note_recv(t, "peek empty", t->b, 100, MSG_PEEK | MSG_DONTWAIT);
}

static void peek_off(struct lab *t)
{
	int off = 2, r = setsockopt(t->b, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));

	note_ret(t, "SO_PEEK_OFF", r);
	put(t, t->a, "abcdefgh");
	note_recv(t, "peek 3 at 2", t->b, 3, MSG_PEEK);
	note_recv(t, "peek on", t->b, 3, MSG_PEEK);
	note_recv(t, "recv", t->b, 100, 0);
}

static void trunc_flag(struct lab *t)
{
	char b[8] = "-------";

	put(t, t->a, "abcdefgh");
	wait_for(t->b, POLLIN, 1000);
	note_ret(t, "discard 3", recv(t->b, b, 3, MSG_TRUNC));
	note_data(t, "buffer", 3, b);
	note_recv(t, "rest", t->b, 100, 0);
}

static void trunc_null(struct lab *t)
{
	put(t, t->a, "abcdefgh");
	wait_for(t->b, POLLIN, 1000);
	note_ret(t, "discard into no buffer", recv(t->b, NULL, 3, MSG_TRUNC));
	note_recv(t, "rest", t->b, 100, 0);
}

static void waitall_nonblock(struct lab *t)
{
	char b[16];

	put(t, t->a, "hello");
	wait_for(t->b, POLLIN, 1000);
	note_data(t, "short", recv(t->b, b, 10, MSG_WAITALL), b);
	note_data(t, "empty", recv(t->b, b, 10, MSG_WAITALL), b);
}

static void dontwait(struct lab *t)
{
	note_recv(t, "empty", t->b, 10, MSG_DONTWAIT);
	put(t, t->a, "hello");
	note_recv(t, "data", t->b, 10, MSG_DONTWAIT);
}

static void oob_none(struct lab *t)
{
	char b[4];

	put(t, t->a, "hello");
	settle();
	note_ret(t, "MSG_OOB", recv(t->b, b, 1, MSG_OOB));
	note_ret(t, "MSG_ERRQUEUE", recv(t->b, b, 1, MSG_ERRQUEUE));
	note_recv(t, "recv", t->b, 100, 0);
}

/* A bad address must not cost bytes. */
static void bad_buffer(struct lab *t)
{
	char b[4], *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec v[2] = {{b, 3}, {bad, 5}};

	put(t, t->a, "abcdefgh");
	settle();
	note_ret(t, "bad", recv(t->b, bad, 8, 0));
	note_ret(t, "half bad", readv(t->b, v, 2));
	note_recv(t, "rest", t->b, 100, 0);
	note_alive(t);
}

/* The control messages that an option asks for. */
static void note_cmsgs(struct lab *t, const char *key, int fd)
{
	char b[100], control[300];
	struct iovec v = {b, 3};
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *h;
	ssize_t r;
	int n = 0;

	wait_for(fd, POLLIN, 1000);
	r = recvmsg(fd, &m, MSG_DONTWAIT);
	note_data(t, key, r, b);
	for (h = CMSG_FIRSTHDR(&m); h && r >= 0; h = CMSG_NXTHDR(&m, h), n++) {
		if (h->cmsg_level == IPPROTO_TCP)
			note(t, "cmsg", "tcp %d value %d", h->cmsg_type, *(int *)CMSG_DATA(h));
		else
			note(t, "cmsg", "level %d type %d", h->cmsg_level, h->cmsg_type);
	}
	note(t, "cmsgs", "%d", n);
}

static void inq(struct lab *t)
{
	set_int(t->b, IPPROTO_TCP, TCP_INQ, 1);
	put(t, t->a, "abcdefgh");
	settle();
	note_cmsgs(t, "first", t->b);
	note_cmsgs(t, "second", t->b);
}

static void inq_before(struct lab *t)
{
	set_int(t->b, IPPROTO_TCP, TCP_INQ, 1);
}

static void inq_set_before(struct lab *t)
{
	put(t, t->a, "abcdefgh");
	settle();
	note_cmsgs(t, "first", t->b);
	note_cmsgs(t, "second", t->b);
}

static void timestamp_before(struct lab *t)
{
	set_int(t->b, SOL_SOCKET, SO_TIMESTAMP, 1);
}

static void timestamp(struct lab *t)
{
	put(t, t->a, "abcdefgh");
	settle();
	note_cmsgs(t, "first", t->b);
}

static void zerocopy_receive(struct lab *t)
{
	struct tcp_zerocopy_receive z = {};
	socklen_t len = sizeof(z);
	void *p = mmap(NULL, 65536, PROT_READ, MAP_SHARED, t->b, 0);
	char copy[70000];
	size_t got;

	note(t, "mmap", "%s", p == MAP_FAILED ? err_name(errno) : "ok");
	put_n(t, t->a, 10000);
	settle();
	z.address = (uintptr_t)p;
	z.length = 65536;
	z.copybuf_address = (uintptr_t)copy;
	z.copybuf_len = sizeof(copy);
	note_ret(t, "getsockopt", getsockopt(t->b, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &z, &len));
	got = z.length + z.copybuf_len;
	note(t, "got some", "%s", got ? "yes" : "no");
	while (got < 10000) {
		ssize_t r = recv(t->b, copy, sizeof(copy), 0);

		if (r <= 0)
			break;
		got += r;
	}
	note(t, "all", "%zu", got);
	note_alive(t);
}

static void after_eof(struct lab *t)
{
	char b[8];

	put(t, t->a, "last");
	shutdown(t->a, SHUT_WR);
	note_recv(t, "last", t->b, 100, 0);
	note_recv(t, "eof", t->b, 100, 0);
	note_ret(t, "again", recv(t->b, b, 8, 0));
	note_ret(t, "peek", recv(t->b, b, 8, MSG_PEEK));
	note_ret(t, "waitall", recv(t->b, b, 8, MSG_WAITALL));
}

const struct lab_case cases_read[] = {
	{"read", read_call, LAB_JOINS, 0, NULL, NULL},
	{"readv", readv_call, LAB_JOINS, 0, NULL, NULL},
	{"recvfrom", recvfrom_call, LAB_JOINS, 0, NULL, NULL},
	{"recvmsg", recvmsg_call, LAB_JOINS, 0, NULL, NULL},
	{"recvmmsg", recvmmsg_call, LAB_JOINS, 0, NULL, NULL},
	{"recv-zero-length", zero_length, LAB_JOINS, 0, NULL, NULL},
	{"recv-boundaries", boundaries, LAB_JOINS, 0, NULL, NULL},
	{"recv-big", big_message, LAB_JOINS, 0, NULL, NULL},
	{"recv-many-small", many_small, LAB_JOINS, 0, NULL, NULL},
	{"peek", peek, LAB_JOINS, 0, NULL, NULL},
	{"peek-off-on-member", peek_off, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"trunc", trunc_flag, LAB_JOINS, 0, NULL, NULL},
	{"trunc-null", trunc_null, LAB_JOINS, 0, NULL, NULL},
	{"waitall-nonblock", waitall_nonblock, LAB_JOINS, 0, NULL, NULL},
	{"dontwait", dontwait, LAB_JOINS, 0, NULL, NULL},
	{"recv-oob-none", oob_none, LAB_JOINS, 0, NULL, NULL},
	{"recv-bad-buffer", bad_buffer, LAB_JOINS, 0, NULL, NULL},
	{"tcp-inq-on-member", inq, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"tcp-inq", inq_set_before, "socket-option", 0, inq_before, NULL},
	{"so-timestamp", timestamp, "socket-option", 0, timestamp_before, NULL},
	{"tcp-zerocopy-receive", zerocopy_receive, LAB_JOINS, 0, NULL, NULL},
	{"recv-after-eof", after_eof, LAB_JOINS, 0, NULL, NULL},
	{},
};
