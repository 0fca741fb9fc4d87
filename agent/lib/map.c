// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <bpf/bpf.h>

#include "map.h"
#include "util.h"

/* Elements per system call, at first: if one bucket of the map holds more, the kernel says ENOSPC. */
#define BATCH 1024

static int make_room(char **keys, char **values, __u32 *room, __u32 want, size_t key_size, size_t value_size)
{
	char *k = reallocarray(*keys, want, key_size), *v;

	if (k)
		*keys = k;
	v = reallocarray(*values, want, value_size);
	if (v)
		*values = v;
	if (!k || !v)
		return -ENOMEM;
	*room = want;
	return 0;
}

int map_each(int fd, size_t key_size, size_t value_size,
	     int (*fn)(const void *key, const void *value, void *arg), void *arg)
{
	_cleanup_free_ char *keys = NULL;
	_cleanup_free_ char *values = NULL;
	/* opaque to us; the kernel uses 32 bits of it for a hash map, and leaves `at` alone with ENOSPC */
	__u64 at = 0, next = 0;
	bool first = true, more = true;
	__u32 room = 0, want = BATCH;
	int ret = 0;

	while (more && !ret) {
		__u32 n;

		if (room < want && (ret = make_room(&keys, &values, &room, want, key_size, value_size)))
			break;
		n = room;
		if (bpf_map_lookup_batch(fd, first ? NULL : &at, &next, keys, values, &n, NULL)) {
			if (errno == ENOSPC) {
				want = 2 * room;
				continue;
			}
			/*
			 * ENOENT marks the last batch, which may hold elements; a short one is not the last
			 */
			if (errno != ENOENT)
				return -errno;
			more = false;
		}
		at = next;
		first = false;
		for (__u32 i = 0; i < n && !ret; i++)
			ret = fn(keys + i * key_size, values + i * value_size, arg);
	}
	return ret;
}
