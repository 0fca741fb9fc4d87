/* SPDX-License-Identifier: GPL-2.0-only */
/* connect.h: a target for the client of a pair. */
#ifndef SOCKHOP_RELAY_CONNECT_H
#define SOCKHOP_RELAY_CONNECT_H

#include "worker.h"

/* Connect the pair's client to a target; with failover. The pair may be reset on return. */
void relay_connect(struct relay_pair *p);
/* The time for the present target is over. */
void relay_connect_timeout(struct relay_pair *p);

#endif
