/* SPDX-License-Identifier: GPL-2.0-only */
/* pump.h: user space carries the bytes of a direction: read and write, or splice(2) through a pipe. */
#ifndef SOCKHOP_RELAY_PUMP_H
#define SOCKHOP_RELAY_PUMP_H

#include <stddef.h>

#include "worker.h"

/* Bytes that one direction may move before others get their turn. */
#define RELAY_QUOTA   (1u << 20)
#define RELAY_SCRATCH (128u << 10)

/* Move bytes in user space until it would block, EOF or the quota. 0 or -errno: the pair must be reset. */
int relay_pump(struct relay_dir *d);
/* Send what is held. 0 (d->blocked says if some is left) or -errno. */
int relay_send_held(struct relay_dir *d);
/* Send n bytes of buf; what the sink does not take is held. 0 or -errno. */
int relay_send(struct relay_dir *d, const char *buf, size_t n);
void relay_dir_free(struct relay_dir *d);

#endif
