/* SPDX-License-Identifier: GPL-2.0-only */
/* choice.h: which path suits the traffic of a direction. */
#ifndef SOCKHOP_RELAY_CHOICE_H
#define SOCKHOP_RELAY_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "worker.h"

/* A read of n bytes in user space: is this direction chatty? */
void relay_note_read(struct relay_dir *d, size_t n);
bool relay_wants_kernel(const struct relay_dir *d);
bool relay_wants_splice(struct relay_dir *d, size_t n);
/* It turned to bulk in the kernel: harder to come back. */
void relay_note_bulk(struct relay_dir *d);

#endif
