// SPDX-License-Identifier: GPL-2.0-only
/* cases_close: the ways in which a connection ends, half or whole. */
#include "lab.h"

static void note_sends(struct lab *t, const char *key, int fd)
{
	double until = now() + 2;
	ssize_t r;

	do {
		r = send(fd, "x", 1, MSG_NOSIGNAL);
		if (r < 0 && errno != EAGAIN) {
			note(t, key, "%s", err_name(errno));
			return;
		}
		wait_for(fd, 0, 5);
	} while (now() < until);
	note(t, key, "goes on");
}

static int so_error(int fd)
{
	int e = 0;
	socklen_t len = sizeof(e);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
	return e;
}

static void half_close_reply(struct lab *t)
{
	put(t, t->a, "request");
	shutdown(t->a, SHUT_WR);
	note_recv(t, "request", t->b, 100, 0);
	note_recv(t, "its end", t->b, 100, 0);
	put(t, t->b, "reply");
	note_recv(t, "reply", t->a, 100, 0);
	put_n(t, t->b, 100000);
	close(t->b);
	note_rest(t, "rest of the reply", t->a);
	note_ret(t, "send", send(t->a, "x", 1, MSG_NOSIGNAL));
}

static void in_flight(struct lab *t)
{
	put(t, t->a, "small");
	put_n(t, t->a, 50000);
	close(t->a);
	note_rest(t, "all", t->b);
	note_poll(t, "poll", t->b, 0, 0);
}

static void close_idle(struct lab *t)
{
	close(t->a);
	note_poll(t, "poll", t->b, POLLIN, 1000);
	note_recv(t, "recv", t->b, 10, 0);
	note_sends(t, "send", t->b);
}

static void close_unread(struct lab *t)
{
	put(t, t->a, "unread");
	settle();
	close(t->b);
	settle();
	note_poll(t, "poll", t->a, POLLIN, 1000);
	note(t, "SO_ERROR", "%s", err_name(so_error(t->a)));
	note_recv(t, "recv", t->a, 10, 0);
	note_sends(t, "send", t->a);
}

/* The closer's own last message must arrive although it leaves bytes unread. */
static void close_unread_reply(struct lab *t)
{
	put(t, t->a, "part one");
	put(t, t->a, "part two");
	settle();
	note_recv(t, "server reads", t->b, 8, 0);
	put(t, t->b, "error: go away");
	settle();
	note_recv(t, "client reads", t->a, 100, 0);
	close(t->b);
	settle();
	note_poll(t, "client polls", t->a, POLLIN, 1000);
	note_sends(t, "client sends", t->a);
}

static void shut_rd(struct lab *t)
{
	note_ret(t, "SHUT_RD", shutdown(t->b, SHUT_RD));
	note_poll(t, "poll", t->b, 0, 0);
	note_recv(t, "recv", t->b, 10, 0);
	put(t, t->a, "still");
	settle();
	note_recv(t, "recv after bytes came", t->b, 10, 0);
	note_recv(t, "then", t->b, 10, 0);
	put(t, t->b, "back");
	note_recv(t, "other way", t->a, 10, 0);
}

static void shut_rd_queued(struct lab *t)
{
	put(t, t->a, "queued");
	settle();
	shutdown(t->b, SHUT_RD);
	note_poll(t, "poll", t->b, 0, 0);
	note_recv(t, "recv", t->b, 10, 0);
	note_recv(t, "then", t->b, 10, 0);
}

static void shut_wr(struct lab *t)
{
	note_ret(t, "SHUT_WR", shutdown(t->a, SHUT_WR));
	note_ret(t, "again", shutdown(t->a, SHUT_WR));
	note_ret(t, "send", send(t->a, "x", 1, MSG_NOSIGNAL));
	note_poll(t, "poll", t->a, 0, 0);
	note_recv(t, "peer", t->b, 10, 0);
	put(t, t->b, "other way");
	note_recv(t, "recv", t->a, 20, 0);
}

static void shut_rdwr(struct lab *t)
{
	put(t, t->a, "last");
	note_ret(t, "SHUT_RDWR", shutdown(t->a, SHUT_RDWR));
	note_recv(t, "own recv", t->a, 10, 0);
	note_ret(t, "own send", send(t->a, "x", 1, MSG_NOSIGNAL));
	note_poll(t, "own poll", t->a, 0, 0);
	note_recv(t, "peer", t->b, 10, 0);
	note_recv(t, "peer then", t->b, 10, 0);
	note_sends(t, "peer sends", t->b);
}

static void simultaneous(struct lab *t)
{
	put(t, t->a, "from a");
	put(t, t->b, "from b");
	shutdown(t->a, SHUT_WR);
	shutdown(t->b, SHUT_WR);
	note_rest(t, "a", t->a);
	note_rest(t, "b", t->b);
	note_poll(t, "poll a", t->a, 0, 0);
	note_poll(t, "poll b", t->b, 0, 0);
}

static void set_linger(int fd, int seconds)
{
	struct linger l = {1, seconds};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static void reset(struct lab *t)
{
	set_linger(t->a, 0);
	close(t->a);
	note_poll(t, "poll", t->b, POLLIN, 1000);
	note_recv(t, "recv", t->b, 10, 0);
	note_recv(t, "again", t->b, 10, 0);
	note_ret(t, "send", send(t->b, "x", 1, MSG_NOSIGNAL));
}

static void reset_queued(struct lab *t)
{
	put(t, t->a, "queued");
	settle();
	set_linger(t->a, 0);
	close(t->a);
	settle();
	note_poll(t, "poll", t->b, POLLIN, 1000);
	note_recv(t, "recv", t->b, 10, 0);
	note_recv(t, "again", t->b, 10, 0);
}

static void reset_so_error(struct lab *t)
{
	set_linger(t->a, 0);
	close(t->a);
	settle();
	note(t, "SO_ERROR", "%s", err_name(so_error(t->b)));
	note(t, "again", "%s", err_name(so_error(t->b)));
	note_recv(t, "recv", t->b, 10, 0);
}

static void linger_positive(struct lab *t)
{
	double start;

	put_n(t, t->a, 20000);
	set_linger(t->a, 5);
	start = now();
	note_ret(t, "close", close(t->a));
	note(t, "took", "%s", now() - start < 1 ? "at once" : "long");
	note_rest(t, "recv", t->b);
}

static void unspec(struct lab *t)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	note_ret(t, "connect AF_UNSPEC", connect(t->a, &sa, sizeof(sa)));
	note_recv(t, "peer", t->b, 10, 0);
	note_ret(t, "send", send(t->a, "x", 1, MSG_NOSIGNAL));
	note_ret(t, "recv", recv(t->a, &sa, 1, 0));
}

/* The same socket, disconnected, connects again: it is another connection. */
static void reconnect(struct lab *t)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};
	struct sockaddr_storage ss;
	int l = tcp_listen("127.0.0.1", 0);
	socklen_t len = to_sockaddr("127.0.0.1", local_port(l), &ss);

	put(t, t->a, "old");
	settle();
	note_ret(t, "disconnect", connect(t->a, &sa, sizeof(sa)));
	set_nonblock(t->a, false);
	note_ret(t, "connect", connect(t->a, (void *)&ss, len));
	close(t->b);
	t->b = tcp_accept(l);
	lab_nonblock(t, true);
	put(t, t->a, "new");
	note_recv(t, "recv", t->b, 20, 0);
	note_alive(t);
}

static volatile sig_atomic_t pipes;

static void on_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static void sigpipe(struct lab *t)
{
	signal(SIGPIPE, on_pipe);
	close(t->b);
	settle();
	note_ret(t, "first", send(t->a, "x", 1, 0));
	settle();
	note_ret(t, "second", send(t->a, "x", 1, 0));
	note(t, "signals", "%d", (int)pipes);
	note_ret(t, "third, MSG_NOSIGNAL", send(t->a, "x", 1, MSG_NOSIGNAL));
	note(t, "signals", "%d", (int)pipes);
}

/* The other end's process is killed. */
static void killed(struct lab *t)
{
	pid_t pid = fork_with_us();
	char c;

	if (!pid) {
		close(t->a);
		pause();
	}
	close(t->b);
	put(t, t->a, "x");
	settle();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	note_poll(t, "poll", t->a, POLLIN, 1000);
	note_ret(t, "recv", recv(t->a, &c, 1, 0));
}

static void killed_idle(struct lab *t)
{
	pid_t pid = fork_with_us();

	if (!pid) {
		close(t->a);
		pause();
	}
	close(t->b);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	note_poll(t, "poll", t->a, POLLIN, 1000);
	note_recv(t, "recv", t->a, 10, 0);
}

static void sender_waits_reader_closes(struct lab *t)
{
	struct later l = {.t = t, .fd = t->b, .ms = 100};
	double start;
	int ev;

	fill_up(t, t->a);
	close_later(&l);
	start = now();
	ev = wait_for(t->a, POLLOUT, 5000);
	note(t, "woken", "%s", !ev ? "never" : now() - start < 2 ? "promptly" : "late");
	finish_later(&l);
	note_sends(t, "send", t->a);
}

static void in_own_netns(struct lab *t)
{
	own_netns(NULL, NULL); /* nobody else takes the port */
	make_pair(t, "127.0.0.1", "127.0.0.1");
}

static void port_reuse(struct lab *t)
{
	struct sockaddr_storage ss;
	int port = local_port(t->a), server = local_port(t->b), l, fd, one = 1;
	socklen_t len;

	put(t, t->b, "for the old one");
	settle();
	set_linger(t->a, 0);
	close(t->a);
	close(t->b);
	l = tcp_listen("127.0.0.1", server);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	len = to_sockaddr("127.0.0.1", port, &ss);
	note_ret(t, "bind", bind(fd, (void *)&ss, len));
	len = to_sockaddr("127.0.0.1", server, &ss);
	note_ret(t, "connect", connect(fd, (void *)&ss, len));
	t->a = fd;
	t->b = tcp_accept(l);
	lab_nonblock(t, true);
	settle();
	note_poll(t, "nothing of the old one", t->a, 0, 0);
	put(t, t->b, "for the new one");
	note_recv(t, "recv", t->a, 100, 0);
	note_alive(t);
}

const struct lab_case cases_close[] = {
	{"half-close-reply", half_close_reply, LAB_JOINS, 0, NULL, NULL},
	{"close-in-flight", in_flight, LAB_JOINS, 0, NULL, NULL},
	{"close-idle", close_idle, LAB_JOINS, LAB_QUIET, NULL, NULL},
	{"close-unread", close_unread, LAB_JOINS, 0, NULL, NULL},
	{"close-unread-reply", close_unread_reply, LAB_JOINS, 0, NULL, NULL},
	{"close-while-sender-waits", sender_waits_reader_closes, LAB_JOINS, 0, NULL, NULL},
	{"shutdown-rd", shut_rd, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"shutdown-rd-queued", shut_rd_queued, LAB_JOINS, 0, NULL, NULL},
	{"shutdown-wr", shut_wr, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"shutdown-rdwr", shut_rdwr, LAB_JOINS, 0, NULL, NULL},
	{"shutdown-simultaneous", simultaneous, LAB_JOINS, 0, NULL, NULL},
	{"reset", reset, LAB_JOINS, LAB_QUIET, NULL, NULL},
	{"reset-queued", reset_queued, LAB_JOINS, 0, NULL, NULL},
	{"reset-so-error", reset_so_error, LAB_JOINS, LAB_QUIET, NULL, NULL},
	{"linger", linger_positive, LAB_JOINS, 0, NULL, NULL},
	{"connect-unspec", unspec, LAB_JOINS, LAB_QUIET, NULL, NULL},
	{"reconnect", reconnect, LAB_JOINS, 0, NULL, NULL},
	{"sigpipe", sigpipe, LAB_JOINS, LAB_QUIET, NULL, NULL},
	{"peer-killed", killed, LAB_JOINS, 0, NULL, NULL},
	{"peer-killed-idle", killed_idle, LAB_JOINS, LAB_QUIET, NULL, NULL},
	{"port-reuse", port_reuse, LAB_JOINS, 0, NULL, in_own_netns},
	{},
};
