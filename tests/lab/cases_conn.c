// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_conn: how connections come about: families, devices, MPTCP, the handshake and its options. Those
 * about the handshake do not warm up; where they make a connection, it must serve as any other.
 */
#include "lab.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static void use(struct lab *t)
{
	put(t, t->a, "hello");
	note_recv(t, "b", t->b, 100, 0);
	put(t, t->b, "hi");
	note_recv(t, "a", t->a, 100, 0);
	note_alive(t);
	close(t->a);
	note_recv(t, "end", t->b, 100, 0);
}

static void over_ipv6(struct lab *t)
{
	make_pair(t, "::1", "::1");
}

static void over_mapped(struct lab *t)
{
	make_pair(t, "::", "::ffff:127.0.0.1");
}

static void over_mapped_server(struct lab *t)
{
	make_pair(t, "::", "127.0.0.1");
}

static void over_device(struct lab *t)
{
	make_pair(t, "127.0.0.1", "127.0.0.1");
	if (setsockopt(t->a, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3))
		die("SO_BINDTODEVICE");
}

static int mptcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	return fd >= 0 ? fd : socket(AF_INET, SOCK_STREAM, 0);
}

static void over_mptcp(struct lab *t)
{
	struct sockaddr_storage ss;
	int l = mptcp_socket();
	socklen_t len = to_sockaddr("127.0.0.1", 0, &ss);

	if (bind(l, (void *)&ss, len) || listen(l, 8))
		die("mptcp");
	to_sockaddr("127.0.0.1", local_port(l), &ss);
	t->a = mptcp_socket();
	if (connect(t->a, (void *)&ss, len))
		die("mptcp connect");
	t->b = accept(l, NULL, NULL);
	lab_nonblock(t, true);
	close(l);
}

/* An MPTCP program's server, a TCP client: the kernel falls back, and may even give out a TCP socket. */
static void over_mptcp_fallback(struct lab *t)
{
	struct sockaddr_storage ss;
	int l = mptcp_socket();
	socklen_t len = to_sockaddr("127.0.0.1", 0, &ss);

	if (bind(l, (void *)&ss, len) || listen(l, 8))
		die("mptcp");
	t->a = tcp_connect("127.0.0.1", local_port(l));
	t->b = accept(l, NULL, NULL);
	lab_nonblock(t, true);
	close(l);
}

/* TCP_INFO of an MPTCP socket does not tell where bytes went: traffic, and no question about hops. */
static void use_mptcp(struct lab *t)
{
	int i, err = 0;

	for (i = 0; i < 1000 && !err; i++)
		err = round_trip(t->a, t->b, 100);
	note(t, "1000 round trips", "%s", err_name(err));
	close(t->a);
	note_recv(t, "end", t->b, 100, 0);
}

/* An end made in another network namespace and brought here: over loopback there, of course. */
static void nothing(struct lab *t)
{
	t->a = t->b = -1;
}

static int connect_to(int port, bool nonblock, int *err)
{
	struct sockaddr_storage ss;
	socklen_t len = to_sockaddr("127.0.0.1", port, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | (nonblock ? SOCK_NONBLOCK : 0), 0);

	*err = connect(fd, (void *)&ss, len) ? errno : 0;
	return fd;
}

static void refused(struct lab *t)
{
	int l = tcp_listen("127.0.0.1", 0), port = local_port(l), err, fd;

	close(l);
	fd = connect_to(port, false, &err);
	note(t, "connect", "%s", err_name(err));
	close(fd);
	fd = connect_to(port, true, &err);
	note(t, "non-blocking", "%s", err_name(err));
	note_poll(t, "poll", fd, POLLOUT, 1000);
	note_ret(t, "send", send(fd, "x", 1, MSG_NOSIGNAL));
}

static void nonblocking_connect(struct lab *t)
{
	int l = tcp_listen("127.0.0.1", 0), err;

	t->a = connect_to(local_port(l), true, &err);
	note(t, "connect", "%s", err_name(err));
	note_poll(t, "poll", t->a, POLLOUT, 1000);
	t->b = tcp_accept(l);
	lab_nonblock(t, true);
	use(t);
}

static void data_before_accept(struct lab *t)
{
	int l = tcp_listen("127.0.0.1", 0);

	t->a = tcp_connect("127.0.0.1", local_port(l));
	put(t, t->a, "early ");
	put_n(t, t->a, 20000);
	settle();
	t->b = tcp_accept(l);
	lab_nonblock(t, true);
	note_rest(t, "recv", t->b);
	use(t);
}

static void close_before_accept(struct lab *t)
{
	int l = tcp_listen("127.0.0.1", 0);

	t->a = tcp_connect("127.0.0.1", local_port(l));
	put(t, t->a, "last words");
	close(t->a);
	settle();
	t->b = tcp_accept(l);
	note_rest(t, "recv", t->b);
}

static void reset_before_accept(struct lab *t)
{
	struct linger now_ = {1, 0};
	int l = tcp_listen("127.0.0.1", 0);

	t->a = tcp_connect("127.0.0.1", local_port(l));
	setsockopt(t->a, SOL_SOCKET, SO_LINGER, &now_, sizeof(now_));
	close(t->a);
	settle();
	t->b = tcp_accept(l);
	note_recv(t, "recv", t->b, 10, 0);
}

static void backlog_overflow(struct lab *t)
{
	struct sockaddr_storage ss;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), fd[8], i, err, n = 0, accepted = 0;
	socklen_t len = to_sockaddr("127.0.0.1", 0, &ss);

	if (bind(l, (void *)&ss, len) || listen(l, 1))
		die("listen");
	for (i = 0; i < 8; i++) {
		fd[i] = connect_to(local_port(l), true, &err);
		n += wait_for(fd[i], POLLOUT, 50) == POLLOUT;
	}
	note(t, "connected", "%s", n >= 2 && n <= 4 ? "about the backlog" : n < 2 ? "fewer" : "more");
	while (accept(l, NULL, NULL) >= 0)
		accepted++;
	note(t, "accepted", "%s", accepted >= 2 && accepted <= 4 ? "about the backlog" : "otherwise");
}

static void defer_accept(struct lab *t)
{
	int l = tcp_listen("127.0.0.1", 0);

	set_int(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	t->a = tcp_connect("127.0.0.1", local_port(l));
	note_poll(t, "without data", l, POLLIN, 50);
	put(t, t->a, "data");
	note_poll(t, "with data", l, POLLIN, 1000);
	t->b = tcp_accept(l);
	lab_nonblock(t, true);
	note_recv(t, "recv", t->b, 10, 0);
	use(t);
}

static void reuseport(struct lab *t)
{
	struct sockaddr_storage ss;
	socklen_t len = to_sockaddr("127.0.0.1", 0, &ss);
	int l[2], i, n[2] = {}, port = 0, err;

	for (i = 0; i < 2; i++) {
		l[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		set_int(l[i], SOL_SOCKET, SO_REUSEPORT, 1);
		to_sockaddr("127.0.0.1", port, &ss);
		if (bind(l[i], (void *)&ss, len) || listen(l[i], 64))
			die("reuseport");
		port = local_port(l[i]);
	}
	for (i = 0; i < 40; i++) {
		connect_to(port, false, &err);
		if (err)
			note(t, "connect", "%s", err_name(err));
	}
	for (i = 0; i < 2; i++)
		while (accept(l[i], NULL, NULL) >= 0)
			n[i]++;
	note(t, "all", "%d", n[0] + n[1]);
	note(t, "both have some", "%s", n[0] && n[1] ? "yes" : "no");
}

/* All connections are made by SYN cookies: there is no request socket. */
static void over_cookies(struct lab *t)
{
	own_netns("tcp_syncookies", "2");
	make_pair(t, "127.0.0.1", "127.0.0.1");
}

static void over_fast_open(struct lab *t)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int l, i;

	own_netns("tcp_fastopen", "3");
	l = tcp_listen("127.0.0.1", 0);
	len = to_sockaddr("127.0.0.1", local_port(l), &ss);
	set_int(l, IPPROTO_TCP, TCP_FASTOPEN, 8);
	for (i = 0; i < 2; i++) { /* the first one fetches the cookie */
		t->a = socket(AF_INET, SOCK_STREAM, 0);
		note_ret(t, "sendto", sendto(t->a, "syn data", 8, MSG_FASTOPEN, (void *)&ss, len));
		note_poll(t, "accept", l, POLLIN, 1000);
		t->b = tcp_accept(l);
		set_nodelay(t->a);
		lab_nonblock(t, true);
		note_recv(t, "recv", t->b, 100, 0);
	}
	close(l);
}

static void self_connect(struct lab *t)
{
	struct sockaddr_storage ss;
	socklen_t len = to_sockaddr("127.0.0.1", 0, &ss);
	int fd = socket(AF_INET, SOCK_STREAM, 0), i, n = 0;
	char b[10];

	if (bind(fd, (void *)&ss, len))
		die("bind");
	to_sockaddr("127.0.0.1", local_port(fd), &ss);
	note_ret(t, "connect to itself", connect(fd, (void *)&ss, len));
	set_nonblock(fd, true);
	for (i = 0; i < 1000; i++) {
		send(fd, "echo", 4, MSG_NOSIGNAL);
		wait_for(fd, POLLIN, 1000);
		n += recv(fd, b, sizeof(b), 0) == 4;
	}
	note(t, "messages", "%d", n);
	shutdown(fd, SHUT_WR);
	note_recv(t, "end", fd, 10, 0);
}

#define FRESH(name, fn)                                       \
	{                                                     \
		name, fn, NULL, LAB_NO_WARM_UP, NULL, nothing \
	}

const struct lab_case cases_conn[] = {
	{"ipv4", use, LAB_JOINS, 0, NULL, NULL},
	{"ipv6", use, LAB_JOINS, 0, NULL, over_ipv6},
	{"ipv4-mapped", use, LAB_JOINS, 0, NULL, over_mapped},
	{"ipv4-mapped-server", use, LAB_JOINS, 0, NULL, over_mapped_server},
	{"bind-to-device", use, LAB_JOINS, 0, NULL, over_device},
	{"mptcp", use_mptcp, NULL, LAB_NO_WARM_UP, NULL, over_mptcp},
	{"mptcp-server-tcp-client", use_mptcp, NULL, LAB_NO_WARM_UP, NULL, over_mptcp_fallback},
	{"syn-cookies", use, LAB_JOINS, 0, NULL, over_cookies},
	{"fast-open", use, LAB_JOINS, 0, NULL, over_fast_open},
	FRESH("connect-refused", refused),
	FRESH("connect-nonblocking", nonblocking_connect),
	FRESH("accept-after-data", data_before_accept),
	FRESH("accept-after-close", close_before_accept),
	FRESH("accept-after-reset", reset_before_accept),
	FRESH("listen-backlog", backlog_overflow),
	FRESH("defer-accept", defer_accept),
	FRESH("reuseport", reuseport),
	FRESH("self-connect", self_connect),
	{},
};
