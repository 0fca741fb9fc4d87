// SPDX-License-Identifier: GPL-2.0-only
#include "watch.h"
#include "direction.h"
#include "flow.h"
#include "kern.h"
#include "pair.h"
#include "agent/lib/util.h"

/* The longest interval of the checks for which the kernel has no event. */
#define POLL_MAX_MS 100
/* A leave pass walks all TCP sockets of the namespace: bound its share of the CPU to 1 / (1 + this). */
#define LEAVE_REST 20

/* One round over the directions that wait for something without an event. */
void relay_watch_check(struct relay_worker *w)
{
	struct relay_dir *d;
	size_t n = 0;

	if (TAILQ_EMPTY(&w->polls) || w->now < w->poll_ns)
		return;
	w->poll_ms = w->poll_ms * 2 < POLL_MAX_MS ? w->poll_ms * 2 : POLL_MAX_MS;
	TAILQ_FOREACH(d, &w->polls, poll)
	n++;
	unsigned int interval = w->poll_ms;

	for (; n && (d = TAILQ_FIRST(&w->polls)); n--) {
		relay_flow_unpoll(d);
		relay_pair_run(d->pair);
	}
	w->poll_ms = interval;
	w->poll_ns = w->now + interval * 1000000ull;
}

/* Does a direction wait for the leave pass that the pass could take out? */
static bool leave_possible(struct relay_worker *w)
{
	struct relay_dir *d;

	w->leave_wanted = false;
	TAILQ_FOREACH(d, &w->polls, poll)
	{
		if (d->mode != DIR_LEAVE || relay_dir_ep(d)->left == relay_dir_ep(d)->enter)
			continue;
		w->leave_wanted = true;
		if (!relay_flow_has_debt(d))
			return true;
	}
	return false;
}

void relay_watch_leave(struct relay_worker *w)
{
	if (!w->leave_wanted || w->walk.busy || w->now < w->leave_ns || !leave_possible(w))
		return;
	if (relay_pass_ready(w) || relay_kern_leave_begin(w->kern)) {
		msg_debug("relay: the leave pass cannot run");
		w->leave_ns = w->now + RELAY_NS;
	}
}

void relay_watch_left(struct relay_worker *w, uint64_t cost)
{
	relay_kern_leave_end(w->kern);
	w->leave_ns = w->now + cost * LEAVE_REST;
	w->poll_ms = RELAY_POLL_MIN_MS;
	w->poll_ns = w->now;
}

static void on_event(const struct relay_ev *ev, void *arg)
{
	struct relay_worker *w = arg;
	struct relay_pair *p = relay_kern_owner(w->kern, ev->slot);

	if (!p)
		return;
	if (ev->type == RELAY_EV_LOST) {
		relay_pair_reset(p);
		return;
	}
	/* the backlog fills for streams and for slow readers: neither gains from the kernel path */
	relay_flow_want_leave(&p->dir[ev->slot & 1]);
	relay_pair_run(p);
}

void relay_watch_ring(struct relay_worker *w, struct relay_event *ev, uint32_t events)
{
	(void)ev;
	(void)events;
	relay_kern_ring_consume(w->kern, on_event, w);
}

void relay_watch_lost(struct relay_worker *w)
{
	uint64_t lost = relay_kern_events_lost(w->kern);
	struct relay_pair *p;

	if (lost == w->events_lost)
		return;
	w->events_lost = lost;
	/* polled at the next check: running a pair may take it off this list */
	TAILQ_FOREACH(p, &w->pairs, all)
	for (int i = 0; i < 2; i++)
		if (relay_in_kernel(&p->dir[i]))
			relay_flow_poll(&p->dir[i]);
}
