/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * listen.h: the listening socket of a worker: it accepts clients, makes pairs of them, and stops accepting
 * while the limit of pairs is reached or file descriptors are missing.
 */
#ifndef SOCKHOP_RELAY_LISTEN_H
#define SOCKHOP_RELAY_LISTEN_H

#include "worker.h"

/* A listening socket of `conf->listen` with SO_REUSEPORT if there are several workers. The fd or -errno. */
int relay_listen(struct relay_conf *conf);
/* Accept no more clients, for good. */
void relay_listen_close(struct relay_worker *w);
/* The event of w->listen_fd: accept some clients. */
void relay_listen_ready(struct relay_worker *w, struct relay_event *ev, uint32_t events);
/* Accept clients if that is possible now: at the start, and at each round of the loop. */
void relay_listen_clock(struct relay_worker *w);

#endif
