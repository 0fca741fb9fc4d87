/* SPDX-License-Identifier: GPL-2.0-only */
/* flow.h: directions that are, or were, in the kernel. */
#ifndef SOCKHOP_RELAY_FLOW_H
#define SOCKHOP_RELAY_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "worker.h"

/* Interval of the checks for which the kernel has no event, at first. */
#define RELAY_POLL_MIN_MS 1

/* Try to enter the kernel; the direction must be empty. 0 (in or not), or -errno: reset. */
int relay_flow_enter(struct relay_dir *d);
/* Advance: carry the bytes left to user space, leave, flush, finish. 0 or -errno: reset. */
int relay_flow_step(struct relay_dir *d);
/* What epoll should watch the source for. */
uint32_t relay_flow_events(const struct relay_dir *d);
/* Check again soon: the kernel has no event for "the backlog is gone". */
void relay_flow_poll(struct relay_dir *d);
void relay_flow_unpoll(struct relay_dir *d);
/* Leave the kernel with the next leave pass, unless --path kernel. */
void relay_flow_want_leave(struct relay_dir *d);
/* The verdict has left bytes to user space that it has not carried yet. */
bool relay_flow_has_debt(const struct relay_dir *d);

#endif
