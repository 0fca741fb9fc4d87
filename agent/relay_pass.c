// SPDX-License-Identifier: GPL-2.0-only
/* relay_pass.c: a worker's passes over the TCP sockets of its namespace, which another process runs. */
#include <string.h>
#include <sys/epoll.h>

#include "relay.h"
#include "relay_collapse.h"
#include "util.h"

void relay_pass_over(struct relay_worker *w, struct relay_event *ev, uint32_t events)
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
		relay_flow_left(w, r.cpu);
}

int relay_pass_ready(struct relay_worker *w)
{
	int err;

	if (w->walk.fd >= 0)
		return 0;
	err = relay_walk_open(&w->walk);
	err = err ?: relay_epoll(w, EPOLL_CTL_ADD, w->walk.fd, EPOLLIN, &w->on_walk);
	if (err)
		relay_walk_close(&w->walk);
	return err;
}
