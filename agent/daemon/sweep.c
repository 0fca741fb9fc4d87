// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "sweep.h"
#include "agent/instance/instance.h"
#include "agent/instance/snapshot.h"
#include "agent/lib/util.h"

#define SHARE 60

struct look {
	const struct instance *in;
	const struct sweep *last;
	struct sweep now;
	unsigned long long places, swept;
};

static int by_cookie(const void *a, const void *b)
{
	const struct orphan *x = a, *y = b;

	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

/* Unless another end has the key by now. */
static void delete_orphan(struct look *l, const struct orphan *o)
{
	int map = l->in->map[MAP_ENDS];
	struct hop_end e;

	if (!bpf_map_lookup_elem(map, &o->key, &e) && e.cookie == o->cookie &&
	    !bpf_map_delete_elem(map, &o->key)) {
		bpf_map_delete_elem(l->in->map[MAP_TRANSLATIONS], &o->key);
		l->swept++;
	}
}

static int look_at(const struct hop_key *key, const struct hop_end *end, const struct hop_show *show,
		   void *arg)
{
	const struct orphan o = {*key, end->cookie};
	struct look *l = arg;
	struct orphan *p;

	if (show) {
		l->places += show->places;
		return 0;
	}
	if (l->last->n && bsearch(&o, l->last->orphan, l->last->n, sizeof(o), by_cookie)) {
		delete_orphan(l, &o);
		return 0;
	}
	p = array_grow(l->now.orphan, l->now.n, &l->now.room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	l->now.orphan = p;
	l->now.orphan[l->now.n++] = o;
	return 0;
}

/* As long as this does not change, no end joins, leaves or closes. */
static unsigned long long moves(const struct instance *in)
{
	static const unsigned int counters[] = {HOP_CNT_JOINED, HOP_CNT_EARLY, HOP_CNT_LEFT, HOP_CNT_CLOSED};
	unsigned long long sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		sum += instance_counter(in, counters[i]);
	return sum;
}

/* Others count at the same time, so it is corrected by the difference. */
static void correct(struct look *l, long long excess)
{
	__atomic_sub_fetch(&l->in->config->members, (__u32)excess, __ATOMIC_RELAXED);
	if (excess > 0)
		l->swept += excess;
}

int sweep_run(struct sweep *s, const struct instance *in)
{
	struct look l = {.in = in, .last = s};
	unsigned long long start = cpu_ns(), moved = moves(in);
	long long excess;
	int err;

	if (now_ns() < s->not_before)
		return s->n || s->excess;
	err = snapshot_records(in, look_at, &l);
	if (err) {
		free(l.now.orphan);
		return err;
	}
	excess = moves(in) == moved ? (long long)in->config->members - (long long)l.places : 0;
	if (excess && excess == s->excess) {
		correct(&l, excess);
		excess = 0;
	}
	if (l.now.n)
		qsort(l.now.orphan, l.now.n, sizeof(*l.now.orphan), by_cookie);
	free(s->orphan);
	*s = l.now;
	s->excess = excess;
	s->not_before = now_ns() + SHARE * (cpu_ns() - start);
	in->config->swept += l.swept;
	if (l.swept)
		msg_debug("swept %llu records and places of sockets that are gone", l.swept);
	return s->n || s->excess;
}

void sweep_free(struct sweep *s)
{
	free(s->orphan);
	*s = (struct sweep){};
}
