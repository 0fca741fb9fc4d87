/* SPDX-License-Identifier: GPL-2.0-only */
/* direction.h: one direction of a pair: its two sockets, and what the kernel path has counted for it. */
#ifndef SOCKHOP_RELAY_DIRECTION_H
#define SOCKHOP_RELAY_DIRECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "worker.h"

struct relay_ep;

static inline int relay_dir_index(const struct relay_dir *d)
{
	return (int)(d - d->pair->dir);
}
static inline struct relay_sock *relay_source(struct relay_dir *d)
{
	return &d->pair->sock[relay_dir_index(d)];
}
static inline struct relay_sock *relay_sink(struct relay_dir *d)
{
	return &d->pair->sock[!relay_dir_index(d)];
}
static inline bool relay_in_kernel(const struct relay_dir *d)
{
	return d->mode == DIR_KERNEL || d->mode == DIR_LEAVE;
}
static inline bool relay_dir_empty(const struct relay_dir *d)
{
	return !d->held_len && !d->piped;
}

/* What the kernel path shares with us of a direction whose pair has a slot. */
struct relay_ep *relay_dir_ep(const struct relay_dir *d);
/* Bytes by the kernel path, so far. */
uint64_t relay_dir_kernel_bytes(const struct relay_dir *d);
/* Bytes that came twice and were cut off by the kernel path, so far. */
uint64_t relay_dir_trimmed(const struct relay_dir *d);

#endif
