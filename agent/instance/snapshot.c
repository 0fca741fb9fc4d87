// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "snapshot.h"
#include "instance.h"
#include "agent/lib/map.h"
#include "agent/lib/util.h"

struct records {
	int prog;
	int (*fn)(const struct hop_key *, const struct hop_end *, const struct hop_show *, void *);
	void *arg;
};

static int show_record(const void *key, const void *value, void *arg)
{
	struct hop_show_call call = {.key = *(const struct hop_key *)key};
	/* a syscall program writes to ctx_in (bpf_prog_test_run_syscall(), net/bpf/test_run.c) */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &call, .ctx_size_in = sizeof(call));
	const struct records *r = arg;

	if (bpf_prog_test_run_opts(r->prog, &opts))
		return -errno;
	return r->fn(key, value, opts.retval ? NULL : &call.show, r->arg);
}

int snapshot_records(const struct instance *in,
		     int (*fn)(const struct hop_key *, const struct hop_end *, const struct hop_show *,
			       void *arg),
		     void *arg)
{
	struct records r = {.prog = in->show_end, .fn = fn, .arg = arg};

	return map_each(in->map[MAP_ENDS], sizeof(struct hop_key), sizeof(struct hop_end), show_record, &r);
}

struct each {
	int (*fn)(const void *record, void *arg);
	void *arg;
};

static int show_end(const struct hop_key *key, const struct hop_end *end, const struct hop_show *show,
		    void *arg)
{
	const struct each *e = arg;

	(void)key;
	(void)end;
	return show ? e->fn(show, e->arg) : 0;
}

int snapshot_each(const struct instance *in, int (*fn)(const void *record, void *arg), void *arg)
{
	struct each e = {.fn = fn, .arg = arg};

	return snapshot_records(in, show_end, &e);
}

int snapshot_add(const void *record, void *arg)
{
	struct snapshot *s = arg;
	struct hop_show *p = array_grow(s->record, s->count, &s->room, sizeof(*p));

	if (!p)
		return -ENOMEM;
	s->record = p;
	s->record[s->count++] = *(const struct hop_show *)record;
	return 0;
}

void snapshot_free(struct snapshot *s)
{
	free(s->record);
	*s = (struct snapshot){0};
}

static int by_cookie(const void *a, const void *b)
{
	const struct hop_show *x = a, *y = b;

	return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

void snapshot_sort(struct snapshot *s)
{
	size_t kept = 0;

	if (!s->count)
		return;
	qsort(s->record, s->count, sizeof(*s->record), by_cookie);
	for (size_t i = 1; i < s->count; i++)
		if (s->record[i].cookie != s->record[kept].cookie)
			s->record[++kept] = s->record[i];
	s->count = kept + 1;
}

int snapshot_load(const struct instance *in, struct snapshot *s)
{
	int err = snapshot_each(in, snapshot_add, s);

	snapshot_sort(s);
	return err;
}

static const struct hop_show *find_cookie(const struct snapshot *s, __u64 cookie)
{
	struct hop_show key = {.cookie = cookie};

	return s->count && cookie ? bsearch(&key, s->record, s->count, sizeof(key), by_cookie) : NULL;
}

/* Orders ends by namespace and addresses, so that the mirror of an end can be searched for. */
static int by_tuple(const struct hop_show *x, __u32 netns, const unsigned char *local, __u16 lport,
		    const unsigned char *peer, __u16 rport)
{
	int d;

	if (x->netns != netns)
		return x->netns < netns ? -1 : 1;
	d = memcmp(x->tuple.local, local, sizeof(x->tuple.local));
	if (!d)
		d = memcmp(x->tuple.peer, peer, sizeof(x->tuple.peer));
	if (!d)
		d = (int)x->tuple.lport - lport;
	return d ?: (int)x->tuple.rport - rport;
}

static int compare_tuples(const void *a, const void *b)
{
	const struct hop_show *const *x = a, *const *y = b;
	const struct hop_tuple *t = &(*y)->tuple;
	int d = by_tuple(*x, (*y)->netns, t->local, t->lport, t->peer, t->rport);

	return d ?: by_cookie(*x, *y);
}

static int compare_mirror(const void *key, const void *element)
{
	const struct hop_show *k = key, *const *x = element;
	const struct hop_tuple *t = &k->tuple;

	return -by_tuple(*x, k->netns, t->peer, t->rport, t->local, t->lport);
}

struct pairing {
	const struct snapshot *s;
	const struct hop_show **peer; /* of each record, NULL while it is alone */
};

static void tie(struct pairing *p, const struct hop_show *x, const struct hop_show *y)
{
	const struct hop_show **px = &p->peer[x - p->s->record], **py = &p->peer[y - p->s->record];

	if (x == y || *px || *py)
		return;
	*px = y;
	*py = x;
}

static void tie_by_cookie(struct pairing *p)
{
	for (size_t i = 0; i < p->s->count; i++) {
		const struct hop_show *x = &p->s->record[i], *y = find_cookie(p->s, x->peer_cookie);

		if (y && (!y->peer_cookie || y->peer_cookie == x->cookie))
			tie(p, x, y);
	}
}

/* For what is left: connections that no kernel side looked at yet. */
static void tie_by_address(struct pairing *p)
{
	_cleanup_free_ const struct hop_show **order = calloc(p->s->count, sizeof(*order));
	size_t n = 0;

	if (!order)
		return;
	for (size_t i = 0; i < p->s->count; i++)
		if (!p->peer[i] && !p->s->record[i].peer_cookie)
			order[n++] = &p->s->record[i];
	qsort(order, n, sizeof(*order), compare_tuples);
	for (size_t i = 0; i < n; i++) {
		const struct hop_show *const *y = bsearch(order[i], order, n, sizeof(*order), compare_mirror);

		if (y)
			tie(p, order[i], *y);
	}
}

void snapshot_pairs(const struct snapshot *s,
		    void (*fn)(const struct hop_show *a, const struct hop_show *b, void *arg), void *arg)
{
	_cleanup_free_ const struct hop_show **peer = calloc(s->count ?: 1, sizeof(*peer));
	struct pairing p = {.s = s, .peer = peer};

	if (!peer || !s->count)
		return;
	tie_by_cookie(&p);
	tie_by_address(&p);
	for (size_t i = 0; i < s->count; i++) {
		const struct hop_show *x = &s->record[i], *y = peer[i];

		/* of the two ends, the one with the lower cookie reports the pair */
		if (!y)
			fn(x, NULL, arg);
		else if (x < y)
			y->tuple.lport > x->tuple.lport ? fn(y, x, arg) : fn(x, y, arg);
	}
}
