/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * watch.h: what the kernel path has to tell a worker: by its ring buffer, and by checks of the directions for
 * which it has no event.
 */
#ifndef SOCKHOP_RELAY_WATCH_H
#define SOCKHOP_RELAY_WATCH_H

#include <stdint.h>

#include "worker.h"

/* All directions that wait for a check, when it is time. */
void relay_watch_check(struct relay_worker *w);
/*
 * Begin the leave pass, when one is wanted and it is time; and when it is over, having cost ns of CPU time.
 */
void relay_watch_leave(struct relay_worker *w);
void relay_watch_left(struct relay_worker *w, uint64_t cost);
/* After lost ring buffer events: look at every direction. */
void relay_watch_lost(struct relay_worker *w);
/* Ring buffer events. */
void relay_watch_ring(struct relay_worker *w, struct relay_event *ev, uint32_t events);

#endif
