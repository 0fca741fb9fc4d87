/* SPDX-License-Identifier: GPL-2.0-only */
/* loop.h: one worker: epoll, the listener, signals, and everything that happens by the clock. */
#ifndef SOCKHOP_RELAY_LOOP_H
#define SOCKHOP_RELAY_LOOP_H

#include "relay.h"

/*
 * Run one worker on a listening socket, which it takes over, until SIGTERM or the end of --once. SIGTERM,
 * SIGINT must be blocked. Returns 0 or -errno, having said what failed.
 */
int relay_worker_run(const struct relay_conf *conf, unsigned int index, int listen_fd);
/* A listening socket of `conf->listen` with SO_REUSEPORT if there are several workers. The fd or -errno. */
int relay_listen(struct relay_conf *conf);

#endif
