/* SPDX-License-Identifier: GPL-2.0-only */
/* loop.h: one worker: epoll, signals, and everything that happens by the clock. */
#ifndef SOCKHOP_RELAY_LOOP_H
#define SOCKHOP_RELAY_LOOP_H

#include "relay.h"

struct report;

/*
 * Run one worker on a listening socket, which it takes over, until SIGTERM or the end of --once. SIGTERM,
 * SIGINT must be blocked. Returns 0 or -errno, with what failed in the report.
 */
int relay_worker_run(const struct relay_conf *conf, unsigned int index, int listen_fd, struct report *r);

#endif
