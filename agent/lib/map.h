/* SPDX-License-Identifier: GPL-2.0-only */
/* map.h: reading BPF maps. */
#ifndef SOCKHOP_LIB_MAP_H
#define SOCKHOP_LIB_MAP_H

#include <stddef.h>

/*
 * Call fn(key, value, arg) for every element of a hash map, read in batches (BPF_MAP_LOOKUP_BATCH: unlike a
 * walk by keys it does not start over when an element is deleted meanwhile). A non-zero return of fn ends it
 * and is returned; otherwise 0 or -errno.
 */
int map_each(int fd, size_t key_size, size_t value_size,
	     int (*fn)(const void *key, const void *value, void *arg), void *arg);

#endif
