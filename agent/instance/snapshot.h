/* SPDX-License-Identifier: GPL-2.0-only */
/* snapshot.h: what status and list read from an instance. */
#ifndef SOCKHOP_INSTANCE_SNAPSHOT_H
#define SOCKHOP_INSTANCE_SNAPSHOT_H

#include <stddef.h>
#include <linux/types.h>
#include "bpf/end.h"
#include "bpf/hop.h"

struct instance;

/*
 * Call fn(key, end, show, arg) for each record of `ends`; show is NULL where the socket of that record is
 * gone. No socket lock is taken. A non-zero return of fn ends it and is returned; otherwise 0 or -errno.
 */
int snapshot_records(const struct instance *in,
		     int (*fn)(const struct hop_key *, const struct hop_end *, const struct hop_show *,
			       void *arg),
		     void *arg);

/*
 * Call fn(record, arg) with a struct hop_show for each registered end of all network namespaces. No socket
 * lock is taken. A non-zero return of fn ends it and is returned; otherwise 0 or -errno.
 */
int snapshot_each(const struct instance *in, int (*fn)(const void *record, void *arg), void *arg);

/* Records of sockets, sorted by cookie. Starts zeroed. */
struct snapshot {
	struct hop_show *record;
	size_t count, room;
};

/* Add one record; of use as the callback of instance_iterate() and snapshot_each(), arg being a struct
 * snapshot. 0 or -ENOMEM. */
int snapshot_add(const void *record, void *arg);
/*
 * Sort by cookie and drop a second record of the same socket. Needed before snapshot_pairs().
 */
void snapshot_sort(struct snapshot *s);
/* All registered sockets, sorted. 0 or -errno. The caller calls snapshot_free() in either case. */
int snapshot_load(const struct instance *in, struct snapshot *s);
void snapshot_free(struct snapshot *s);

/*
 * Call fn(a, b, arg) for each connection of a sorted s: by peer cookie, which one end's word is enough for,
 * then by mirrored addresses within one network namespace. An end that is left alone comes with b = NULL. a
 * is the end with the higher local port: most often the client.
 */
void snapshot_pairs(const struct snapshot *s,
		    void (*fn)(const struct hop_show *a, const struct hop_show *b, void *arg), void *arg);

#endif
