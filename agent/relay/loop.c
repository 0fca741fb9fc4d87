// SPDX-License-Identifier: GPL-2.0-only
/*
 * loop.c: one worker: epoll, signals, and everything that happens by the clock.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "loop.h"
#include "collapse.h"
#include "connect.h"
#include "kern.h"
#include "listen.h"
#include "pair.h"
#include "probe.h"
#include "pump.h"
#include "state.h"
#include "watch.h"
#include "agent/lib/report.h"
#include "agent/lib/util.h"

#define EVENTS_MAX 256
/* More pairs than this do without the kernel path: its maps are allocated at the start. */
#define KERN_PAIRS_MAX 32768

static void signal_ready(struct relay_worker *w, struct relay_event *ev, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)ev;
	(void)events;
	while (read(w->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (w->draining)
			w->stop = true;
		w->draining = true;
		w->drain_ns = w->now + w->conf->drain_timeout * RELAY_NS;
	}
	relay_listen_close(w);
	if (w->waiting)
		relay_pair_reset(w->waiting);
	msg_info("relay: stopping; %zu connections are left", w->n_pairs);
}

/* --- by the clock --- */

static void check_connects(struct relay_worker *w)
{
	struct relay_pair *p;

	while ((p = TAILQ_FIRST(&w->connecting)) && p->deadline_ns && p->deadline_ns <= w->now)
		relay_connect_timeout(p);
}

static uint64_t kernel_seen(const struct relay_worker *w, const struct relay_pair *p)
{
	if (p->slot < 0)
		return 0;
	return relay_kern_ep(w->kern, p->slot)->seen + relay_kern_ep(w->kern, p->slot + 1)->seen;
}

static void check_idle(struct relay_worker *w)
{
	uint64_t limit = w->conf->idle_timeout * RELAY_NS;
	struct relay_pair *p;

	while (limit && (p = TAILQ_FIRST(&w->pairs)) && w->now - p->active_ns >= limit) {
		uint64_t seen = kernel_seen(w, p);

		/*
		 * there is no event for hops past the relay; a pair that was active there is no longer first
		 */
		if (p->collapse == COLLAPSE_PUBLISHED && relay_collapse_refresh(w, false))
			continue;
		/* the kernel moves bytes without telling */
		if (seen != p->seen) {
			p->seen = seen;
			relay_pair_active(p);
			continue;
		}
		msg_debug("relay: an idle connection is reset");
		relay_pair_reset(p);
	}
}

static void check_clock(struct relay_worker *w)
{
	check_connects(w);
	check_idle(w);
	relay_listen_clock(w);
	relay_collapse_clock(w);
	if (!w->kern)
		return;
	relay_watch_lost(w);
	relay_watch_leave(w);
	relay_watch_check(w);
}

static void sooner(uint64_t *at, uint64_t when)
{
	if (when && when < *at)
		*at = when;
}

/* Milliseconds until something is due, rounded up; -1: nothing is. */
static int timeout_ms(const struct relay_worker *w)
{
	const struct relay_pair *idle = TAILQ_FIRST(&w->pairs), *conn = TAILQ_FIRST(&w->connecting);
	uint64_t at = UINT64_MAX, ms;

	if (conn)
		sooner(&at, conn->deadline_ns);
	if (idle && w->conf->idle_timeout)
		sooner(&at, idle->active_ns + w->conf->idle_timeout * RELAY_NS);
	if (!w->accepting && w->listen_fd >= 0)
		sooner(&at, w->accept_ns);
	if (!TAILQ_EMPTY(&w->polls))
		sooner(&at, w->poll_ns);
	if (w->draining)
		sooner(&at, w->drain_ns);
	if (!w->walk.busy)
		sooner(&at, relay_collapse_due(w));
	if (at == UINT64_MAX)
		return -1;
	if (at <= w->now)
		return 0;
	ms = (at - w->now + 999999) / 1000000;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* The process that runs our passes has answered, or is gone: what waited for the pass goes on. */
static void walk_ready(struct relay_worker *w, struct relay_event *ev, uint32_t events)
{
	struct relay_walked r;

	(void)ev;
	(void)events;
	if (!relay_walk_end(&w->walk, &r))
		return;
	if (r.err)
		msg_debug("relay: a pass over the TCP sockets failed: %s", strerror(-r.err));
	if (r.purpose == RELAY_WALK_ENDS)
		relay_collapse_walked(w, r.cpu);
	else if (w->kern)
		relay_watch_left(w, r.cpu);
}

static void free_dead(struct relay_worker *w)
{
	struct relay_pair *p;

	while ((p = TAILQ_FIRST(&w->dead))) {
		TAILQ_REMOVE(&w->dead, p, queue);
		free(p);
	}
}

static bool is_over(const struct relay_worker *w)
{
	if (w->stop)
		return true;
	if (w->draining)
		return !w->n_pairs || w->now >= w->drain_ns;
	return false;
}

static int loop(struct relay_worker *w)
{
	struct epoll_event events[EVENTS_MAX];

	w->now = now_ns();
	while (!is_over(w)) {
		int n = epoll_wait(w->epoll_fd, events, EVENTS_MAX, timeout_ms(w));

		if (n < 0 && errno != EINTR)
			return -errno;
		w->now = now_ns();
		for (int i = 0; i < n; i++) {
			struct relay_event *ev = events[i].data.ptr;

			ev->ready(w, ev, events[i].events);
		}
		check_clock(w);
		free_dead(w);
	}
	return 0;
}

/* --- beginning and end --- */

static int open_signals(struct relay_worker *w)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	/* splice(2) has no MSG_NOSIGNAL */
	signal(SIGPIPE, SIG_IGN);
	w->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (w->signal_fd < 0)
		return -errno;
	return relay_epoll(w, EPOLL_CTL_ADD, w->signal_fd, EPOLLIN, &w->on_signal);
}

static bool all_unix(const struct relay_conf *conf)
{
	for (size_t i = 0; i < conf->n_targets; i++)
		for (size_t j = 0; j < conf->targets[i].n_addr; j++)
			if (conf->targets[i].addr[j].ss.ss_family != AF_UNIX)
				return false;
	return conf->mode == RELAY_FORWARD;
}

static bool wants_kern(const struct relay_conf *conf)
{
	return conf->path != RELAY_SPLICE && conf->path != RELAY_COPY && !all_unix(conf);
}

static int open_kern(struct relay_worker *w)
{
	unsigned int pairs = w->conf->max_pairs < KERN_PAIRS_MAX ? w->conf->max_pairs : KERN_PAIRS_MAX;
	const char *why;
	int err;

	if (!wants_kern(w->conf))
		return 0;
	err = relay_probe_open(&w->kern, pairs, &w->walk, &why);
	if (!err)
		return relay_epoll(w, EPOLL_CTL_ADD, relay_kern_ring_fd(w->kern), EPOLLIN, &w->on_ring);
	if (w->conf->path == RELAY_KERNEL) {
		w->no_kernel = why;
		return err;
	}
	if (!w->index)
		msg_warn("relay: no kernel path (%s); user space carries all bytes", why);
	return 0;
}

static int open_worker(struct relay_worker *w)
{
	int err;

	w->scratch = malloc(RELAY_SCRATCH);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!w->scratch || w->epoll_fd < 0)
		return -ENOMEM;
	err = open_signals(w);
	if (!err && (wants_kern(w->conf) || w->conf->collapse))
		err = relay_pass_ready(w);
	err = err ?: open_kern(w);
	if (!err && w->conf->collapse)
		err = relay_collapse_open(w);
	if (err)
		return err;
	relay_listen_clock(w);
	if (relay_state_open(w))
		msg_debug("relay: `sockhop list` will not show this relay");
	return 0;
}

static void close_worker(struct relay_worker *w)
{
	struct relay_pair *p;

	while ((p = TAILQ_FIRST(&w->pairs)))
		relay_pair_reset(p);
	free_dead(w);
	relay_collapse_close(w);
	relay_state_close(w);
	relay_kern_close(w->kern);
	relay_walk_close(&w->walk);
	util__close(&w->listen_fd);
	util__close(&w->signal_fd);
	util__close(&w->epoll_fd);
	free(w->scratch);
}

int relay_worker_run(const struct relay_conf *conf, unsigned int index, int listen_fd, struct report *r)
{
	struct relay_worker w = {
		.conf = conf,
		.index = index,
		.epoll_fd = -1,
		.listen_fd = listen_fd,
		.signal_fd = -1,
		.state_fd = -1,
		.on_listen.ready = relay_listen_ready,
		.on_signal.ready = signal_ready,
		.on_state.ready = relay_state_ready,
		.on_ring.ready = relay_watch_ring,
		.on_walk.ready = walk_ready,
		.walk = RELAY_WALK_INIT,
	};
	char cut[24];
	int err;

	TAILQ_INIT(&w.pairs);
	TAILQ_INIT(&w.connecting);
	TAILQ_INIT(&w.dead);
	TAILQ_INIT(&w.wanting);
	TAILQ_INIT(&w.polls);
	err = open_worker(&w);
	err = err ?: loop(&w);
	if (w.no_kernel)
		report_add(r, FAILED_RELAY_KERNEL, err, w.no_kernel);
	else if (err)
		report_add(r, FAILED_RELAY, err, NULL);
	snprintf(cut, sizeof(cut), "%zu", w.n_pairs);
	if (w.n_pairs)
		report_add(r, NOTED_RELAY_CUT, 0, cut);
	close_worker(&w);
	return err;
}
