// SPDX-License-Identifier: GPL-2.0-only
/*
 * choice.c: which path suits the traffic of a direction. Measured (docs/relay.md): the kernel path
 * halves the cost of a message, and is slower than splice(2) for streams; splice(2) pays from some 10 KB per
 * call.
 *
 * A *turn* is what a direction carries until the other side answers or a pause comes. A chatty direction has
 * small turns; in the kernel the verdict program counts them the same way and reports a large one.
 */
#include "choice.h"
#include "direction.h"
#include "kern.h"

#define READS_TO_CHANGE 4
#define BIG_READ	(32u << 10)
#define SMALL_READ	(8u << 10)
#define TURNS_MAX	4096

void relay_note_read(struct relay_dir *d, size_t n)
{
	struct relay_pair *p = d->pair;
	int i = relay_dir_index(d);
	uint64_t now = p->worker->now, other = relay_dir_kernel_bytes(&p->dir[!i]);

	relay_pair_active(p);
	if (p->last_dir != i || other != d->other_seen || now - d->last_ns > RELAY_TURN_PAUSE) {
		d->turns++;
		d->turn_bytes = 0;
	}
	p->last_dir = i;
	d->other_seen = other;
	d->last_ns = now;
	d->turn_bytes += n;
	if (d->turn_bytes > RELAY_TURN_SMALL)
		d->turns = 0;
}

bool relay_wants_kernel(const struct relay_dir *d)
{
	const struct relay_worker *w = d->pair->worker;

	if (!w->kern || d->stay || d->eof)
		return false;
	if (w->conf->path == RELAY_KERNEL)
		return true;
	return w->conf->path == RELAY_AUTO && d->turns >= d->turns_wanted;
}

bool relay_wants_splice(struct relay_dir *d, size_t n)
{
	enum relay_path path = d->pair->worker->conf->path;

	if (path == RELAY_COPY || path == RELAY_SPLICE)
		return path == RELAY_SPLICE;
	d->big_reads = n >= BIG_READ ? d->big_reads + 1 : 0;
	d->small_reads = n <= SMALL_READ ? d->small_reads + 1 : 0;
	if (d->mode == DIR_SPLICE)
		return d->small_reads < READS_TO_CHANGE;
	return d->big_reads >= READS_TO_CHANGE;
}

void relay_note_bulk(struct relay_dir *d)
{
	d->turns = 0;
	if (d->turns_wanted < TURNS_MAX)
		d->turns_wanted *= 4;
}
