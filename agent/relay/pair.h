/* SPDX-License-Identifier: GPL-2.0-only */
/* pair.h: the life of a pair, from the accepted client to the last FIN, or the reset. */
#ifndef SOCKHOP_RELAY_PAIR_H
#define SOCKHOP_RELAY_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "worker.h"

/* A new pair whose sock[0] is fd (taken over). NULL: out of memory, fd is closed. */
struct relay_pair *relay_pair_new(struct relay_worker *w, int fd, bool tcp);
/* Both sockets are there and connected: start. */
void relay_pair_join(struct relay_pair *p);
/* Let both sides see a reset (SO_LINGER 0), or close in good order; frees at the end of the loop's round. */
void relay_pair_reset(struct relay_pair *p);
void relay_pair_close(struct relay_pair *p);
/* Move on whatever can be moved on in both directions; resets the pair on errors. */
void relay_pair_run(struct relay_pair *p);
/* After any progress: shut down what is complete, close what is over, renew what epoll watches for. */
void relay_pair_update(struct relay_pair *p);
/* Set up one side of a pair: non-blocking, no delay, keepalive. */
void relay_sock_init(struct relay_pair *p, int i, int fd, bool tcp);
void relay_sock_arm(struct relay_sock *s, uint32_t events);

#endif
