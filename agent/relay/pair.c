// SPDX-License-Identifier: GPL-2.0-only
/*
 * pair.c: the life of a pair: from the accepted client to the last FIN, or the reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "pair.h"
#include "choice.h"
#include "collapse.h"
#include "direction.h"
#include "flow.h"
#include "kern.h"
#include "pump.h"
#include "agent/lib/util.h"

static void sock_ready(struct relay_worker *w, struct relay_event *ev, uint32_t events);

void relay_sock_init(struct relay_pair *p, int i, int fd, bool tcp)
{
	struct relay_sock *s = &p->sock[i];
	const int on = 1;

	*s = (struct relay_sock){.ev.ready = sock_ready, .pair = p, .fd = fd, .stream_tcp = tcp};
	if (!tcp)
		return;
	/* best effort: without them the relay is slower, or notices a dead peer later */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

void relay_sock_arm(struct relay_sock *s, uint32_t events)
{
	struct relay_worker *w = s->pair->worker;

	/* EPOLLHUP is always reported: an fd that is over in both directions and has nothing to wait for is
	 * taken out, or the loop would spin */
	if (s->hup && !(events & (EPOLLIN | EPOLLOUT))) {
		if (s->polled)
			relay_epoll(w, EPOLL_CTL_DEL, s->fd, 0, NULL);
		s->polled = false;
		return;
	}
	if (s->polled && s->armed == events)
		return;
	if (!relay_epoll(w, s->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, events, &s->ev)) {
		s->polled = true;
		s->armed = events;
	}
}

struct relay_pair *relay_pair_new(struct relay_worker *w, int fd, bool tcp)
{
	struct relay_pair *p = calloc(1, sizeof(*p));

	if (!p) {
		close(fd);
		return NULL;
	}
	p->worker = w;
	p->slot = -1;
	p->last_dir = -1;
	p->start_ns = p->active_ns = w->now;
	p->sock[1].fd = -1;
	if (tcp)
		relay_collapse_mark(p, 0, fd, false);
	relay_sock_init(p, 0, fd, tcp);
	for (int i = 0; i < 2; i++) {
		struct relay_dir *d = &p->dir[i];

		d->pair = p;
		d->mode = DIR_COPY;
		d->pipe[0] = d->pipe[1] = -1;
		d->turns_wanted = RELAY_TURNS;
	}
	TAILQ_INSERT_TAIL(&w->pairs, p, all);
	w->n_pairs++;
	w->total.pairs++;
	relay_sock_arm(&p->sock[0], 0);
	return p;
}

static void add_totals(struct relay_pair *p)
{
	struct relay_totals *t = &p->worker->total;

	for (int i = 0; i < 2; i++) {
		t->kernel += relay_dir_kernel_bytes(&p->dir[i]);
		t->splice += p->dir[i].spliced;
		t->copy += p->dir[i].copied;
		t->trimmed += relay_dir_trimmed(&p->dir[i]);
	}
}

void relay_pair_close(struct relay_pair *p)
{
	struct relay_worker *w = p->worker;

	if (p->state == PAIR_DEAD)
		return;
	if (p->state == PAIR_CONNECTING)
		TAILQ_REMOVE(&w->connecting, p, queue);
	if (w->waiting == p)
		w->waiting = NULL;
	add_totals(p);
	relay_collapse_end(p);
	for (int i = 0; i < 2; i++) {
		relay_flow_unpoll(&p->dir[i]);
		relay_dir_free(&p->dir[i]);
		util__close(&p->sock[i].fd);
		p->sock[i].fd = -1;
	}
	if (p->slot >= 0)
		relay_kern_release(w->kern, p->slot);
	if (w->conf->once && p->state == PAIR_JOINED)
		w->stop = true;
	p->state = PAIR_DEAD;
	p->slot = -1;
	TAILQ_REMOVE(&w->pairs, p, all);
	w->n_pairs--;
	/* events of this round may still point to it */
	TAILQ_INSERT_TAIL(&w->dead, p, queue);
}

void relay_pair_reset(struct relay_pair *p)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	for (int i = 0; i < 2; i++)
		if (p->sock[i].fd >= 0)
			(void)setsockopt(p->sock[i].fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	relay_pair_close(p);
}

/* All of a direction is delivered: tell the sink. */
static int shut_down(struct relay_dir *d)
{
	if (relay_collapse_aborted(d->pair, relay_dir_index(d)))
		return -ECONNRESET;
	d->done = true;
	/* ENOTCONN: a reset was faster, and EPOLLERR tells */
	if (shutdown(relay_sink(d)->fd, SHUT_WR) && errno != ENOTCONN)
		return -errno;
	return 0;
}

static int run_dir(struct relay_dir *d)
{
	int err = 0;

	if (d->mode == DIR_KERNEL || d->mode == DIR_LEAVE || d->mode == DIR_FLUSH)
		err = relay_flow_step(d);
	if (err || d->done || d->mode > DIR_SPLICE)
		return err;
	if (!d->eof || !relay_dir_empty(d))
		err = relay_pump(d);
	if (!err && relay_dir_empty(d) && relay_wants_kernel(d))
		err = relay_flow_enter(d);
	if (!err && d->eof && relay_dir_empty(d) && d->mode <= DIR_SPLICE)
		err = shut_down(d);
	return err;
}

static uint32_t wanted(struct relay_pair *p, int i)
{
	struct relay_dir *in = &p->dir[i], *out = &p->dir[!i];
	uint32_t events = 0;

	if (in->mode > DIR_SPLICE)
		events |= relay_flow_events(in);
	else if (!in->eof && relay_dir_empty(in))
		events |= EPOLLIN;
	if (!relay_dir_empty(out))
		events |= EPOLLOUT;
	return events;
}

void relay_pair_update(struct relay_pair *p)
{
	if (p->state != PAIR_JOINED)
		return;
	if (p->dir[0].done && p->dir[1].done) {
		relay_pair_close(p);
		return;
	}
	relay_collapse_look(p);
	for (int i = 0; i < 2; i++)
		relay_sock_arm(&p->sock[i], wanted(p, i));
}

static int run(struct relay_pair *p, bool first, bool second)
{
	int err = first ? run_dir(&p->dir[0]) : 0;

	return err ?: second ? run_dir(&p->dir[1]) : 0;
}

static void run_dirs(struct relay_pair *p, bool first, bool second)
{
	int err;

	if (p->state != PAIR_JOINED)
		return;
	err = run(p, first, second);
	if (err)
		relay_pair_reset(p);
	else
		relay_pair_update(p);
}

void relay_pair_run(struct relay_pair *p)
{
	run_dirs(p, true, true);
}

static void sock_ready(struct relay_worker *w, struct relay_event *ev, uint32_t events)
{
	struct relay_sock *s = (struct relay_sock *)ev;
	struct relay_pair *p = s->pair;
	int i = (int)(s - p->sock);
	struct relay_dir *in = &p->dir[i];

	(void)w;
	if (p->state == PAIR_DEAD)
		return;
	if (events & EPOLLERR) {
		relay_pair_reset(p);
		return;
	}
	if (events & EPOLLHUP)
		s->hup = true;
	if (p->state != PAIR_JOINED) {
		relay_sock_arm(s, 0);
		return;
	}
	/* a FIN behind data that user space still has to read is found by reading */
	if ((events & (EPOLLRDHUP | EPOLLHUP)) && relay_in_kernel(in))
		in->eof = true;
	run_dirs(p, i == 0 ? events & ~EPOLLOUT : events & EPOLLOUT,
		 i == 1 ? events & ~EPOLLOUT : events & EPOLLOUT);
}

/* Send the target a PROXY protocol header that names the client. 0 or -errno. */
static int proxy_header(struct relay_pair *p)
{
	struct relay_addr src = {.len = sizeof(src.ss)}, dst = {.len = sizeof(dst.ss)};
	uint8_t header[PROXY_V2_MAX];
	size_t n;

	if (getpeername(p->sock[0].fd, (struct sockaddr *)&src.ss, &src.len) ||
	    getsockname(p->sock[0].fd, (struct sockaddr *)&dst.ss, &dst.len))
		return -errno;
	n = relay_proxy_v2(&src, &dst, header);
	p->skip = n;
	return relay_send(&p->dir[0], (const char *)header, n);
}

void relay_pair_join(struct relay_pair *p)
{
	p->state = PAIR_JOINED;
	for (int i = 0; i < 2; i++) {
		struct relay_sock *s = &p->sock[i];

		s->ev.ready = sock_ready; /* not that of connect.c any more */
		/* before the first byte: what counts is the difference to later */
		if (s->stream_tcp && relay_written(s->fd, &s->base)) {
			relay_pair_reset(p);
			return;
		}
	}
	if (p->worker->conf->proxy_v2 && proxy_header(p)) {
		relay_pair_reset(p);
		return;
	}
	relay_pair_run(p);
}
