// SPDX-License-Identifier: GPL-2.0-only
/* cases_write: the calls and flags that write, and what a full socket does. */
#include "lab.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <sys/sendfile.h>

static void write_call(struct lab *t)
{
	note_ret(t, "write", SENT(t, t->a, write(t->a, "hello", 5)));
	note_recv(t, "recv", t->b, 100, 0);
	note_ret(t, "zero", write(t->a, "", 0));
	note_ret(t, "send zero", send(t->a, "", 0, 0));
	settle();
	note_recv(t, "nothing came", t->b, 100, MSG_DONTWAIT);
}

static void writev_call(struct lab *t)
{
	struct iovec v[4] = {{"ab", 2}, {"", 0}, {"cde", 3}, {"f", 1}};

	note_ret(t, "writev", SENT(t, t->a, writev(t->a, v, 4)));
	note_recv(t, "recv", t->b, 100, 0);
}

static void sendto_call(struct lab *t)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(9)};

	note_ret(t, "sendto another address",
		 SENT(t, t->a, sendto(t->a, "hello", 5, 0, (void *)&sin, sizeof(sin))));
	settle();
	note_recv(t, "recv", t->b, 100, MSG_DONTWAIT);
}

static void sendmsg_call(struct lab *t)
{
	struct iovec v[2] = {{"hel", 3}, {"lo", 2}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};

	note_ret(t, "sendmsg", SENT(t, t->a, sendmsg(t->a, &m, MSG_NOSIGNAL)));
	note_recv(t, "recv", t->b, 100, 0);
}

static void sendmmsg_call(struct lab *t)
{
	struct iovec v[3] = {{"one", 3}, {"two", 3}, {"three", 5}};
	struct mmsghdr m[3] = {};
	int i;

	for (i = 0; i < 3; i++) {
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	note_ret(t, "sendmmsg", SENT(t, t->a, sendmmsg(t->a, m, 3, 0)));
	note(t, "lengths", "%u %u %u", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	settle();
	note_recv(t, "recv", t->b, 100, 0);
}

static int file_of(size_t n)
{
	int fd = memfd_create("lab", MFD_CLOEXEC);
	size_t i;
	char c;

	for (i = 0; i < n; i++) {
		c = 'a' + i % 26;
		if (write(fd, &c, 1) != 1)
			die("memfd");
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void sendfile_call(struct lab *t)
{
	int fd = file_of(10000);
	off_t off = 0;

	note_ret(t, "sendfile", SENT(t, t->a, sendfile(t->a, fd, &off, 5000)));
	note(t, "offset", "%ld", (long)off);
	note_ret(t, "rest", SENT(t, t->a, sendfile(t->a, fd, &off, 50000)));
	put(t, t->a, "after");
	settle();
	note_rest(t, "all", t->b);
	note_alive(t);
	close(fd);
}

static void more(struct lab *t)
{
	double start = now();

	note_ret(t, "MSG_MORE", SENT(t, t->a, send(t->a, "head", 4, MSG_MORE)));
	note_poll(t, "arrives before the rest", t->b, POLLIN, 50);
	note_ret(t, "rest", SENT(t, t->a, send(t->a, "rest", 4, 0)));
	note_poll(t, "poll", t->b, POLLIN, 1000);
	note(t, "took", "%s", now() - start < 0.15 ? "at once" : "late");
	settle();
	note_recv(t, "recv", t->b, 100, 0);
}

static void cork(struct lab *t)
{
	set_int(t->a, IPPROTO_TCP, TCP_CORK, 1);
	put(t, t->a, "corked ");
	note_poll(t, "while corked", t->b, POLLIN, 50);
	put(t, t->a, "more ");
	set_int(t->a, IPPROTO_TCP, TCP_CORK, 0);
	note_poll(t, "uncorked", t->b, POLLIN, 1000);
	settle();
	note_recv(t, "recv", t->b, 100, 0);
	note_alive(t);
}

static void cork_timeout(struct lab *t)
{
	double start;

	set_int(t->a, IPPROTO_TCP, TCP_CORK, 1);
	start = now();
	put(t, t->a, "corked");
	note_poll(t, "in the end", t->b, POLLIN, 1000);
	note_time(t, "after", now() - start, 0.2);
	set_int(t->a, IPPROTO_TCP, TCP_CORK, 0);
	note_recv(t, "recv", t->b, 100, 0);
}

static void fill(struct lab *t)
{
	size_t n;

	n = fill_up(t, t->a);
	note(t, "takes", "%s",
	     n > 16 << 20 ? "more than 16 MB"
	     : n < 16384  ? "less than 16 KB"
			  : "a bounded number");
	note_poll(t, "poll full", t->a, 0, 0);
	note_poll(t, "poll reader", t->b, POLLIN, 100);
	while (n) {
		char b[65536];
		ssize_t r = recv(t->b, b, sizeof(b), 0);

		if (r > 0)
			n -= r;
		else if (!r || errno != EAGAIN || !wait_for(t->b, POLLIN, 2000))
			break;
	}
	note(t, "missing", "%zu", n);
	note_poll(t, "poll drained", t->a, POLLOUT, 1000);
	note_alive(t);
}

static void small_buffers(struct lab *t)
{
	set_int(t->a, SOL_SOCKET, SO_SNDBUF, 32768);
	set_int(t->b, SOL_SOCKET, SO_RCVBUF, 32768);
}

/* One byte each: what one message costs must not matter either. */
static void fill_small(struct lab *t)
{
	size_t n = 0;
	ssize_t r;

	while (n < 1000000 && ((r = SENT(t, t->a, send(t->a, "x", 1, MSG_DONTWAIT))) > 0 ||
			       wait_for(t->a, POLLOUT, 100) & POLLOUT))
		n += r > 0;
	note(t, "takes", "%s", n >= 1000000 ? "no end" : "a bounded number");
}

static void partial(struct lab *t)
{
	static char big[8 << 20];
	ssize_t r = SENT(t, t->a, send(t->a, big, sizeof(big), 0));

	note(t, "8 MB at once", "%s", r < 0 ? err_name(errno) : (size_t)r < sizeof(big) ? "partly" : "whole");
	settle(); /* what the peer's buffer still takes */
	note_poll(t, "poll", t->a, 0, 0);
}

static void bad_send(struct lab *t)
{
	char *bad = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec v[2] = {{"abc", 3}, {bad, 5}};

	mprotect(bad, 4096, PROT_NONE);
	note_ret(t, "bad", SENT(t, t->a, send(t->a, bad, 8, 0)));
	note_ret(t, "half bad", SENT(t, t->a, writev(t->a, v, 2)));
	put(t, t->a, "good");
	settle();
	note_recv(t, "recv", t->b, 100, 0);
	note_alive(t);
}

static void outq(struct lab *t)
{
	int n = -1;

	put(t, t->a, "hello");
	msleep(350); /* longer than an acknowledgement is delayed */
	note_ret(t, "SIOCOUTQ", ioctl(t->a, SIOCOUTQ, &n));
	note(t, "unacknowledged", "%d", n);
	note_ret(t, "SIOCOUTQNSD", ioctl(t->a, SIOCOUTQNSD, &n));
	note(t, "unsent", "%d", n);
	note_recv(t, "recv", t->b, 100, 0);
}

static void outq_full(struct lab *t)
{
	int n = 0;

	fill_up(t, t->a);
	ioctl(t->a, SIOCOUTQ, &n);
	note(t, "waits at the sender", "%s", n ? "yes" : "no");
}

/* Sends with completions: how many come? */
static int completions(int fd, int origin, int want)
{
	char control[300];
	double until = now() + 1;
	int done = 0;

	while (done < want && now() < until) {
		struct msghdr m = {.msg_control = control, .msg_controllen = sizeof(control)};
		struct sock_extended_err *e;
		struct cmsghdr *h;

		if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
			wait_for(fd, 0, 20);
			continue;
		}
		for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
			e = (void *)CMSG_DATA(h);
			if (h->cmsg_level == SOL_IP && h->cmsg_type == IP_RECVERR && e->ee_origin == origin)
				done += origin == SO_EE_ORIGIN_ZEROCOPY ? e->ee_data - e->ee_info + 1 : 1;
		}
	}
	return done;
}

static void zerocopy_option(struct lab *t)
{
	set_int(t->a, SOL_SOCKET, SO_ZEROCOPY, 1);
}

static void zerocopy(struct lab *t)
{
	static char b[2000];
	int i, ok = 0;

	for (i = 0; i < 10; i++)
		ok += SENT(t, t->a, send(t->a, b, sizeof(b), MSG_ZEROCOPY)) == sizeof(b);
	note(t, "sends", "%d", ok);
	note_rest(t, "recv", t->b);
	note(t, "completions", "%d", completions(t->a, SO_EE_ORIGIN_ZEROCOPY, ok));
	note_alive(t);
}

static void zerocopy_member(struct lab *t)
{
	zerocopy_option(t);
	zerocopy(t);
}

static void tx_timestamp_option(struct lab *t)
{
	set_int(t->a, SOL_SOCKET, SO_TIMESTAMPING,
		SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE |
			SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY);
}

static void tx_timestamp(struct lab *t)
{
	put(t, t->a, "hello");
	note_recv(t, "recv", t->b, 100, 0);
	note(t, "time stamps", "%d", completions(t->a, SO_EE_ORIGIN_TIMESTAMPING, 2));
}

static void tx_timestamp_member(struct lab *t)
{
	tx_timestamp_option(t);
	tx_timestamp(t);
}

static void both_ways(struct lab *t)
{
	put(t, t->a, "to b");
	put(t, t->b, "to a");
	note_recv(t, "a", t->a, 100, 0);
	note_recv(t, "b", t->b, 100, 0);
}

/* A slow reader: the sender writes on whenever it can. */
static void slow_reader(struct lab *t)
{
	static char b[30000];
	size_t out = 0, in = 0, wrong = 0, k;
	double until = now() + 10;
	char piece[3000];
	ssize_t r;

	while (in < 3000000 && now() < until) {
		if (out < 3000000) {
			for (k = 0; k < sizeof(b); k++)
				b[k] = (out + k) % 251;
			r = SENT(t, t->a, send(t->a, b, 3000000 - out < 20000 ? 3000000 - out : 20000, 0));
			out += r > 0 ? r : 0;
		}
		r = recv(t->b, piece, sizeof(piece), 0);
		for (k = 0; r > 0 && k < (size_t)r; k++)
			wrong += (unsigned char)piece[k] != (in + k) % 251;
		in += r > 0 ? r : 0;
	}
	note(t, "arrived", "%zu, wrong %zu", in, wrong);
}

const struct lab_case cases_write[] = {
	{"write", write_call, LAB_JOINS, 0, NULL, NULL},
	{"writev", writev_call, LAB_JOINS, 0, NULL, NULL},
	{"sendto", sendto_call, LAB_JOINS, 0, NULL, NULL},
	{"sendmsg", sendmsg_call, LAB_JOINS, 0, NULL, NULL},
	{"sendmmsg", sendmmsg_call, LAB_JOINS, 0, NULL, NULL},
	{"sendfile", sendfile_call, LAB_JOINS, 0, NULL, NULL},
	{"msg-more", more, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"cork", cork, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"cork-timeout", cork_timeout, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"fill", fill, LAB_JOINS, 0, NULL, NULL},
	{"fill-one-byte", fill_small, LAB_JOINS, 0, small_buffers, NULL},
	{"send-partial", partial, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"send-bad-buffer", bad_send, LAB_JOINS, 0, NULL, NULL},
	{"siocoutq", outq, LAB_JOINS, 0, NULL, NULL},
	{"siocoutq-full", outq_full, LAB_JOINS, 0, NULL, NULL},
	{"so-zerocopy", zerocopy, "zerocopy", 0, zerocopy_option, NULL},
	{"so-zerocopy-on-member", zerocopy_member, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"tx-timestamp-on-member", tx_timestamp_member, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"both-ways", both_ways, LAB_JOINS, 0, NULL, NULL},
	{"slow-reader", slow_reader, LAB_JOINS, 0, NULL, NULL},
	{},
};
