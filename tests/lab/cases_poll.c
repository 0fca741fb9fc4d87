// SPDX-License-Identifier: GPL-2.0-only
/* cases_poll: waiting for a socket: poll, select, epoll, SIGIO. */
#include "lab.h"

static int watch(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static void note_epoll(struct lab *t, const char *key, int ep, int ms)
{
	struct epoll_event ev[4];
	int n = epoll_wait(ep, ev, 4, ms);

	note(t, key, "%d %s", n, n > 0 ? poll_names(ev[0].events) : "-");
}

static void poll_states(struct lab *t)
{
	note_poll(t, "idle", t->b, 0, 0);
	put(t, t->a, "x");
	note_poll(t, "data", t->b, POLLIN, 1000);
	note_recv(t, "recv", t->b, 10, 0);
	note_poll(t, "empty again", t->b, 0, 0);
	shutdown(t->a, SHUT_WR);
	note_poll(t, "peer half-closed", t->b, POLLIN, 1000);
	note_poll(t, "own half-closed", t->a, 0, 0);
	shutdown(t->b, SHUT_WR);
	note_poll(t, "both closed, b", t->b, POLLHUP, 1000);
	note_poll(t, "both closed, a", t->a, POLLHUP, 1000);
}

static void note_select(struct lab *t, const char *key, int fd, int ms)
{
	struct timeval tv = {0, ms * 1000};
	fd_set r, w, x;
	int n;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(fd, &r);
	FD_SET(fd, &x);
	n = select(fd + 1, &r, NULL, &x, &tv);
	FD_SET(fd, &w);
	tv = (struct timeval){};
	note(t, key, "%d read %d except %d write %d", n, n > 0 && FD_ISSET(fd, &r), n > 0 && FD_ISSET(fd, &x),
	     select(fd + 1, NULL, &w, NULL, &tv));
}

static void select_states(struct lab *t)
{
	note_select(t, "idle", t->b, 10);
	put(t, t->a, "x");
	note_select(t, "data", t->b, 1000);
	note_recv(t, "recv", t->b, 10, 0);
	note_select(t, "empty again", t->b, 10);
	close(t->a);
	note_select(t, "closed", t->b, 1000);
}

static void epoll_level(struct lab *t)
{
	int ep = epoll_create1(0);

	watch(ep, t->b, EPOLLIN | EPOLLRDHUP);
	note_epoll(t, "idle", ep, 10);
	put(t, t->a, "hello");
	note_epoll(t, "data", ep, 1000);
	note_epoll(t, "data again", ep, 100);
	note_recv(t, "part", t->b, 2, 0);
	note_epoll(t, "rest", ep, 100);
	note_recv(t, "rest", t->b, 20, 0);
	note_epoll(t, "empty", ep, 10);
	shutdown(t->a, SHUT_WR);
	note_epoll(t, "half-closed", ep, 1000);
}

static void epoll_edge(struct lab *t)
{
	int ep = epoll_create1(0);

	watch(ep, t->b, EPOLLIN | EPOLLET | EPOLLRDHUP);
	note_epoll(t, "idle", ep, 10);
	put(t, t->a, "hello");
	note_epoll(t, "edge", ep, 1000);
	note_epoll(t, "no new edge", ep, 30);
	note_recv(t, "part", t->b, 2, 0);
	note_epoll(t, "no edge by reading", ep, 30);
	put(t, t->a, " world");
	note_epoll(t, "edge by new bytes", ep, 1000);
	settle();
	note_recv(t, "rest", t->b, 20, 0);
	note_epoll(t, "no edge by emptying", ep, 30);
	shutdown(t->a, SHUT_WR);
	note_epoll(t, "half-closed", ep, 1000);
}

/* Every message gives an edge-triggered reader an event, if it drains the socket before it waits. */
static void epoll_edge_many(struct lab *t)
{
	int ep = epoll_create1(0), i, lost = 0;
	struct epoll_event ev;
	char b[100];

	watch(ep, t->b, EPOLLIN | EPOLLET);
	for (i = 0; i < 500; i++) {
		put(t, t->a, "message");
		lost += epoll_wait(ep, &ev, 1, 1000) != 1;
		while (recv(t->b, b, sizeof(b), 0) > 0)
			;
	}
	note(t, "lost edges of 500", "%d", lost);
}

/*
 * A reader that takes a short read for "drained" (epoll(7), Q9; nginx, tokio): after each event it reads
 * until a read is short. Notes how much it gets until no event comes.
 */
static void note_short_reads(struct lab *t, const char *key, int ep)
{
	static char b[65536];
	struct epoll_event ev;
	size_t got = 0;
	ssize_t n;

	while (epoll_wait(ep, &ev, 1, 500) == 1)
		do {
			n = recv(t->b, b, sizeof(b), 0);
			got += n > 0 ? n : 0;
		} while (n == sizeof(b));
	note(t, key, "%zu", got);
}

/* More small messages than may hop unread, so the last ones take TCP, all before the reader looks. */
static void epoll_edge_short_read(struct lab *t)
{
	int ep = epoll_create1(0), i;

	put(t, t->a, "x"); /* hops on each kernel: nobody watches yet */
	watch(ep, t->b, EPOLLIN | EPOLLET);
	for (i = 0; i < 1200; i++)
		put(t, t->a, "x");
	settle();
	note_short_reads(t, "many small ones", ep);
	put(t, t->a, "hello");
	note_short_reads(t, "one more", ep);
}

/* Bytes that hopped are unread when the sender turns into one that must leave. */
static void epoll_edge_leave(struct lab *t)
{
	int ep = epoll_create1(0), one = 1;

	put_n(t, t->a, 1000);
	watch(ep, t->b, EPOLLIN | EPOLLET);
	put_n(t, t->a, 1000);
	setsockopt(t->a, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
	put_n(t, t->a, 1000);
	settle();
	put_n(t, t->a, 1000);
	settle();
	note_short_reads(t, "before and after", ep);
	put_n(t, t->a, 1000);
	note_short_reads(t, "later", ep);
	shutdown(t->a, SHUT_WR);
	note_epoll(t, "half-closed", ep, 1000);
}

static void epoll_oneshot(struct lab *t)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT};
	int ep = epoll_create1(0);

	watch(ep, t->b, EPOLLIN | EPOLLONESHOT);
	put(t, t->a, "one");
	note_epoll(t, "first", ep, 1000);
	put(t, t->a, "two");
	note_epoll(t, "disarmed", ep, 30);
	epoll_ctl(ep, EPOLL_CTL_MOD, t->b, &ev);
	note_epoll(t, "rearmed", ep, 1000);
	note_recv(t, "recv", t->b, 20, 0);
}

static void epoll_out_edge(struct lab *t)
{
	int ep = epoll_create1(0);
	struct epoll_event ev;

	watch(ep, t->a, EPOLLOUT | EPOLLET);
	epoll_wait(ep, &ev, 1, 100);
	fill_up(t, t->a);
	while (epoll_wait(ep, &ev, 1, 50) > 0)
		;
	while (wait_for(t->b, POLLIN, 200)) {
		char b[65536];

		if (recv(t->b, b, sizeof(b), 0) <= 0)
			break;
	}
	note_epoll(t, "writable again", ep, 1000);
}

struct waiter {
	int ep, got;
	pthread_t th;
};

static void *wait_epoll(void *arg)
{
	struct waiter *w = arg;
	struct epoll_event ev;

	w->got = epoll_wait(w->ep, &ev, 1, 300);
	return NULL;
}

static void epoll_exclusive(struct lab *t)
{
	struct waiter w[4];
	int i, woken = 0;

	for (i = 0; i < 4; i++) {
		w[i].ep = epoll_create1(0);
		watch(w[i].ep, t->b, EPOLLIN | EPOLLEXCLUSIVE);
		pthread_create(&w[i].th, NULL, wait_epoll, &w[i]);
	}
	settle();
	put(t, t->a, "x");
	for (i = 0; i < 4; i++) {
		pthread_join(w[i].th, NULL);
		woken += w[i].got == 1;
	}
	note(t, "woken", "%s", woken ? "at least one" : "none");
	note_recv(t, "recv", t->b, 10, 0);
}

/* Somebody sleeps in poll() while the bytes come. */
static void poll_wakes(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 50, .text = "x"};
	double start = now();

	send_later(&l);
	note(t, "revents", "%s", poll_names(wait_for(t->b, POLLIN, 3000)));
	note(t, "woken", "%s", now() - start < 1 ? "in time" : "late");
	finish_later(&l);
	note_recv(t, "recv", t->b, 10, 0);
}

static void epoll_et_wakes(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 50, .text = "x"};
	int ep = epoll_create1(0);

	watch(ep, t->b, EPOLLIN | EPOLLET);
	send_later(&l);
	note_epoll(t, "woken", ep, 3000);
	finish_later(&l);
	note_recv(t, "recv", t->b, 10, 0);
}

static int next_signal(int sig, siginfo_t *si, int ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000l};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return sigtimedwait(&set, si, &ts);
}

/* Bytes at b bring this signal from now on. */
static void ask_for_signal(struct lab *t, int sig)
{
	int fl = fcntl(t->b, F_GETFL);
	siginfo_t si;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fcntl(t->b, F_SETOWN, getpid());
	if (sig != SIGIO)
		fcntl(t->b, F_SETSIG, sig);
	fcntl(t->b, F_SETFL, fl | O_ASYNC);
	while (next_signal(sig, &si, 20) > 0)
		;
}

static void sigio(struct lab *t)
{
	siginfo_t si = {};

	ask_for_signal(t, SIGIO);
	put(t, t->a, "x");
	note(t, "signal", "%s", next_signal(SIGIO, &si, 1000) == SIGIO ? "SIGIO" : "none");
	note_recv(t, "recv", t->b, 10, 0);
}

static void sigio_band(struct lab *t)
{
	int sig = SIGRTMIN;
	siginfo_t si = {};

	ask_for_signal(t, sig);
	put(t, t->a, "x");
	note(t, "signal", "%d", next_signal(sig, &si, 1000) == sig);
	note(t, "for the descriptor", "%d", si.si_fd == t->b);
	note(t, "band has POLLIN", "%d", !!(si.si_band & POLLIN));
	note_recv(t, "recv", t->b, 10, 0);
}

const struct lab_case cases_poll[] = {
	{"poll", poll_states, LAB_JOINS, 0, NULL, NULL},
	{"select", select_states, LAB_JOINS, 0, NULL, NULL},
	{"epoll-level", epoll_level, LAB_JOINS, 0, NULL, NULL},
	{"epoll-edge", epoll_edge, LAB_JOINS, 0, NULL, NULL},
	{"epoll-edge-many", epoll_edge_many, LAB_JOINS, 0, NULL, NULL},
	{"epoll-edge-short-read", epoll_edge_short_read, LAB_JOINS, 0, NULL, NULL},
	{"epoll-edge-short-read-after-leave", epoll_edge_leave, LAB_JOINS, 0, NULL, NULL},
	{"epoll-edge-wakes", epoll_et_wakes, LAB_JOINS, 0, NULL, NULL},
	{"epoll-oneshot", epoll_oneshot, LAB_JOINS, 0, NULL, NULL},
	{"epoll-out-edge", epoll_out_edge, LAB_JOINS, 0, NULL, NULL},
	{"epoll-exclusive", epoll_exclusive, LAB_JOINS, 0, NULL, NULL},
	{"poll-wakes", poll_wakes, LAB_JOINS, 0, NULL, NULL},
	{"sigio", sigio, LAB_JOINS, 0, NULL, NULL},
	{"sigio-band", sigio_band, LAB_JOINS, 0, NULL, NULL},
	{},
};
