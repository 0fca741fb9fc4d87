// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "listen.h"
#include "collapse.h"
#include "connect.h"
#include "pair.h"
#include "agent/lib/util.h"

#define ACCEPTS_MAX 64
#define BACKLOG	    4096
/* How long to wait for file descriptors when there are none. */
#define FILES_WAIT (RELAY_NS / 10)

/* Start or stop accepting. */
static void accept_on(struct relay_worker *w, bool on)
{
	if (w->listen_fd < 0 || on == w->accepting)
		return;
	if (!relay_epoll(w, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, w->listen_fd, EPOLLIN, &w->on_listen))
		w->accepting = on;
}

void relay_listen_close(struct relay_worker *w)
{
	accept_on(w, false);
	util__close(&w->listen_fd);
	w->listen_fd = -1;
}

int relay_listen(struct relay_conf *conf)
{
	struct relay_addr *a = &conf->listen;
	_cleanup_close_ int fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    (conf->workers > 1 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
	    bind(fd, (const struct sockaddr *)&a->ss, a->len) || listen(fd, BACKLOG))
		return -errno;
	/* port 0: the next worker needs to know which one it became */
	a->len = sizeof(a->ss);
	if (getsockname(fd, (struct sockaddr *)&a->ss, &a->len))
		return -errno;
	return steal_fd(&fd);
}

/* Pair mode: every second client meets the one before. */
static void rendezvous(struct relay_worker *w, int fd)
{
	struct relay_pair *p = w->waiting;

	if (!p) {
		w->waiting = relay_pair_new(w, fd, true);
		return;
	}
	w->waiting = NULL;
	if (w->conf->once)
		relay_listen_close(w);
	relay_collapse_mark(p, 1, fd, false);
	relay_sock_init(p, 1, fd, true);
	relay_pair_join(p);
}

static void full(struct relay_worker *w)
{
	relay_warn(w, &w->limit_full,
		   "relay: the limit of %u connections is reached, new clients wait (--max-connections)",
		   w->conf->max_pairs);
	accept_on(w, false);
	w->accept_ns = 0;
}

static void accept_failed(struct relay_worker *w, int err)
{
	if (err != EMFILE && err != ENFILE && err != ENOBUFS && err != ENOMEM)
		return;
	relay_warn(w, &w->limit_files, "relay: cannot accept: %s; new clients wait", strerror(err));
	accept_on(w, false);
	w->accept_ns = w->now + FILES_WAIT;
}

void relay_listen_ready(struct relay_worker *w, struct relay_event *ev, uint32_t events)
{
	(void)ev;
	(void)events;
	for (int i = 0; i < ACCEPTS_MAX && w->listen_fd >= 0; i++) {
		struct relay_pair *p;
		int fd;

		if (w->n_pairs >= w->conf->max_pairs && !w->waiting) {
			full(w);
			return;
		}
		fd = accept4(w->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			accept_failed(w, errno);
			return;
		}
		if (w->conf->mode == RELAY_PAIR) {
			rendezvous(w, fd);
			continue;
		}
		p = relay_pair_new(w, fd, true);
		if (p)
			relay_connect(p);
	}
}

void relay_listen_clock(struct relay_worker *w)
{
	bool room = w->n_pairs < w->conf->max_pairs || w->waiting;

	if (!w->accepting && room && w->accept_ns <= w->now)
		accept_on(w, true);
}
