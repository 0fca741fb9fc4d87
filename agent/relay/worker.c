// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "worker.h"
#include "agent/lib/util.h"

/* How exact the order of worker->pairs is: activity within this time is not noted again. */
#define ACTIVE_GRAIN 100000000ull

int relay_epoll(struct relay_worker *w, int op, int fd, uint32_t events, struct relay_event *ev)
{
	struct epoll_event e = {.events = events, .data.ptr = ev};

	return epoll_ctl(w->epoll_fd, op, fd, &e) ? -errno : 0;
}

void relay_warn(struct relay_worker *w, struct relay_limit *l, const char *fmt, ...)
{
	char text[512], more[64] = "";
	va_list ap;

	if (w->now < l->next_ns) {
		l->left_out++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (l->left_out)
		snprintf(more, sizeof(more), " (and %u times more)", l->left_out);
	msg_warn("%s%s", text, more);
	l->left_out = 0;
	l->next_ns = w->now + RELAY_NS;
}

void relay_pair_active(struct relay_pair *p)
{
	struct relay_worker *w = p->worker;

	if (w->now - p->active_ns < ACTIVE_GRAIN)
		return;
	p->active_ns = w->now;
	TAILQ_REMOVE(&w->pairs, p, all);
	TAILQ_INSERT_TAIL(&w->pairs, p, all);
}
