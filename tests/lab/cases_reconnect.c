// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_reconnect: a socket that is disconnected by connect(AF_UNSPEC) while it has bytes of the old
 * connection to read, and then is used for another one. Nothing of the old one may be left.
 */
#include "lab.h"

/* Disconnects a, with bytes from b unread and, in `tcp`, some of them on the TCP path. */
static void disconnect_unread(struct lab *t, bool tcp)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	put(t, t->b, "stale");
	if (tcp) /* more than the hop queue takes */
		fill_up(t, t->b);
	settle();
	note_ret(t, "disconnect", connect(t->a, &sa, sizeof(sa)));
}

/* a connects to a new listener; the accepted socket becomes b. */
static void connect_again(struct lab *t)
{
	struct sockaddr_storage ss;
	int l = tcp_listen("127.0.0.1", 0);
	socklen_t len = to_sockaddr("127.0.0.1", local_port(l), &ss);

	set_nonblock(t->a, false);
	note_ret(t, "connect", connect(t->a, (void *)&ss, len));
	close(t->b);
	t->b = tcp_accept(l);
	close(l);
	lab_nonblock(t, true);
}

static void unread(struct lab *t)
{
	disconnect_unread(t, false);
	connect_again(t);
	note_poll(t, "nothing yet", t->a, 0, 30);
	put(t, t->b, "new");
	note_recv(t, "recv", t->a, 20, 0);
	note_alive(t);
}

static void unread_tcp(struct lab *t)
{
	disconnect_unread(t, true);
	connect_again(t);
	put(t, t->b, "new");
	note_recv(t, "recv", t->a, 20, 0);
	note_alive(t);
}

static void on_tick(int sig)
{
	(void)sig;
}

/* The new connection is read blocking, interrupted by signals. */
static void unread_blocking(struct lab *t)
{
	struct sigaction sa = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct itimerval it = {{0, 30000}, {0, 30000}}, off = {};
	struct later l = {.t = t, .ms = 200, .text = "new"};
	char b[20];

	disconnect_unread(t, false);
	connect_again(t);
	make_blocking(t);
	l.fd = t->b;
	send_later(&l);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	note_data(t, "recv", recv(t->a, b, sizeof(b), 0), b);
	setitimer(ITIMER_REAL, &off, NULL);
	signal(SIGALRM, SIG_DFL);
	alarm(20);
	finish_later(&l);
	note_alive(t);
}

/* It listens, and what it accepts is a connection like any other. */
static void unread_listen(struct lab *t)
{
	int accepted;

	disconnect_unread(t, false);
	set_nonblock(t->a, false);
	note_ret(t, "listen", listen(t->a, 8));
	note_poll(t, "nothing yet", t->a, 0, 30);
	close(t->b);
	t->b = tcp_connect("127.0.0.1", local_port(t->a));
	accepted = tcp_accept(t->a);
	close(t->a);
	t->a = accepted;
	lab_nonblock(t, true);
	put(t, t->b, "new");
	note_recv(t, "recv", t->a, 20, 0);
	note_alive(t);
}

/* The old peer, whose RST is not processed yet, or is, cannot reach it. */
static void old_peer(struct lab *t)
{
	int b = dup(t->b);

	disconnect_unread(t, false);
	note_ret(t, "old peer sends", send(b, "late", 4, MSG_NOSIGNAL));
	connect_again(t);
	note_ret(t, "old peer sends", send(b, "later", 5, MSG_NOSIGNAL));
	close(b);
	put(t, t->b, "new");
	note_recv(t, "recv", t->a, 20, 0);
	note_alive(t);
}

const struct lab_case cases_reconnect[] = {
	{"reconnect-unread", unread, LAB_JOINS, 0, NULL, NULL},
	{"reconnect-unread-tcp", unread_tcp, LAB_JOINS, 0, NULL, NULL},
	{"reconnect-unread-blocking", unread_blocking, LAB_JOINS, 0, NULL, NULL},
	{"reconnect-unread-listen", unread_listen, LAB_JOINS, 0, NULL, NULL},
	{"reconnect-old-peer", old_peer, LAB_JOINS, 0, NULL, NULL},
	{},
};
