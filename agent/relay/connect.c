// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect.c: find a target for a client: round robin over the targets, each address of each in turn.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "connect.h"
#include "addr.h"
#include "collapse.h"
#include "pair.h"
#include "agent/lib/util.h"

/*
 * linux/in.h; a port is then chosen at connect, per 4-tuple, so one source address does for more than 28 000
 */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static const struct relay_target *target_of(const struct relay_pair *p)
{
	return &p->worker->conf->targets[p->target];
}

static int bind_source(int fd, const struct relay_conf *conf, int family)
{
	const int on = 1;

	if (!conf->source.len || family == AF_UNIX)
		return 0;
	if (conf->source.ss.ss_family != family)
		return -EAFNOSUPPORT;
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)&conf->source.ss, conf->source.len) ? -errno : 0;
}

static void connect_ready(struct relay_worker *w, struct relay_event *ev, uint32_t events);

/* Begin to connect; 0: under way or done (then EPOLLOUT tells at once). */
static int begin(struct relay_pair *p)
{
	const struct relay_addr *a = &target_of(p)->addr[p->address];
	int family = a->ss.ss_family, err;
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	err = bind_source(fd, p->worker->conf, family);
	if (err)
		return err;
	if (family != AF_UNIX)
		relay_collapse_mark(p, 1, fd, true);
	/* a Unix socket whose backlog is full says EAGAIN: no event would tell when to try again */
	if (connect(fd, (const struct sockaddr *)&a->ss, a->len) && errno != EINPROGRESS)
		return -errno;
	relay_sock_init(p, 1, steal_fd(&fd), family != AF_UNIX);
	p->sock[1].ev.ready = connect_ready; /* until relay_pair_join() */
	relay_sock_arm(&p->sock[1], EPOLLOUT);
	return 0;
}

static void log_failure(struct relay_pair *p, int err)
{
	char addr[160];

	relay_addr_format(&target_of(p)->addr[p->address], addr, sizeof(addr));
	relay_warn(p->worker, &p->worker->limit_connect, "relay: cannot connect to %s: %s", addr,
		   strerror(-err));
}

/* The next address, then the next target. False when all were tried. */
static bool advance(struct relay_pair *p)
{
	const struct relay_conf *conf = p->worker->conf;

	if (++p->address < target_of(p)->n_addr)
		return true;
	p->address = 0;
	p->target = (p->target + 1) % conf->n_targets;
	return ++p->tried < conf->n_targets;
}

static void try_all(struct relay_pair *p)
{
	struct relay_worker *w = p->worker;
	int err;

	for (;;) {
		err = begin(p);
		if (!err)
			break;
		log_failure(p, err);
		if (!advance(p)) {
			w->total.failed++;
			relay_pair_reset(p);
			return;
		}
	}
	if (!w->conf->connect_timeout)
		return;
	/* one timeout for all: the list stays ordered by deadline */
	p->deadline_ns = w->now + w->conf->connect_timeout * RELAY_NS;
	TAILQ_REMOVE(&w->connecting, p, queue);
	TAILQ_INSERT_TAIL(&w->connecting, p, queue);
}

static void next(struct relay_pair *p, int err)
{
	log_failure(p, err);
	util__close(&p->sock[1].fd);
	p->sock[1].fd = -1;
	if (advance(p)) {
		try_all(p);
		return;
	}
	p->worker->total.failed++;
	relay_pair_reset(p);
}

static void connect_ready(struct relay_worker *w, struct relay_event *ev, uint32_t events)
{
	struct relay_pair *p = ((struct relay_sock *)ev)->pair;
	socklen_t len = sizeof(int);
	int err = 0;

	(void)events;
	if (p->state == PAIR_DEAD)
		return;
	if (getsockopt(p->sock[1].fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (err) {
		next(p, -err);
		return;
	}
	TAILQ_REMOVE(&w->connecting, p, queue);
	relay_pair_join(p);
}

void relay_connect(struct relay_pair *p)
{
	struct relay_worker *w = p->worker;

	p->state = PAIR_CONNECTING;
	TAILQ_INSERT_TAIL(&w->connecting, p, queue);
	p->target = w->next_target++ % w->conf->n_targets;
	try_all(p);
}

void relay_connect_timeout(struct relay_pair *p)
{
	next(p, -ETIMEDOUT);
}
