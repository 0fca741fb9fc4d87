// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rates.h"
#include "agent/lib/util.h"
#include "agent/view/reasons.h"

int sample_add(struct sample *s, const struct rates_pair *p)
{
	struct rates_pair *pair = array_grow(s->pair, s->n, &s->room, sizeof(*pair));

	if (!pair)
		return -ENOMEM;
	s->pair = pair;
	s->pair[s->n++] = *p;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct rates_pair *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

void sample_sort(struct sample *s)
{
	if (s->n)
		qsort(s->pair, s->n, sizeof(*s->pair), by_id);
}

void sample_free(struct sample *s)
{
	free(s->pair);
	*s = (struct sample){0};
}

static double seconds(const struct sample *before, const struct sample *now)
{
	return before->at_ns && now->at_ns > before->at_ns ? (now->at_ns - before->at_ns) / 1e9 : 0;
}

/* How much a count has grown, each second. One that shrank began anew. */
static double grown(unsigned long long before, unsigned long long now, double s)
{
	if (s <= 0)
		return 0;
	return (now >= before ? now - before : now) / s;
}

static double saved(double hops, double hop_bytes)
{
	return (hops * RATES_SAVED_MESSAGE_NS + hop_bytes / 1024 * RATES_SAVED_KIB_NS) / 1e9;
}

static void pair_rates(const struct sample *before, const struct rates_pair *p, double s, struct rate *out)
{
	const struct rates_pair *old =
		before->n ? bsearch(p, before->pair, before->n, sizeof(*p), by_id) : NULL;
	struct rates_pair new = {.tcp_bytes = p->tcp_bytes, .segs = p->segs};
	double hop_bytes;

	if (!old)
		old = &new;
	hop_bytes = grown(old->hop_bytes, p->hop_bytes, s);
	*out = (struct rate){
		.hops = grown(old->hops, p->hops, s),
		.bytes = hop_bytes + grown(old->tcp_bytes, p->tcp_bytes, s),
		.pairs = 1,
		.members = p->member,
		.why = p->why,
	};
	out->saved = saved(out->hops, hop_bytes);
	out->messages = out->hops + grown(old->stays, p->stays, s);
	/* as a member it has messages; before, segments are the closest to it */
	if (!p->member)
		out->messages += grown(old->segs, p->segs, s);
}

static void set_share(struct rate *r)
{
	r->share = r->messages > 0 ? r->hops / r->messages : -1;
}

static int add_row(struct rates *r, const struct rate *rate, const char *name, const char *filter)
{
	struct rate *row;

	if (!strcasestr(name, filter))
		return 0;
	row = array_grow(r->row, r->n, &r->room, sizeof(*row));
	if (!row)
		return -ENOMEM;
	r->row = row;
	row += r->n++;
	*row = *rate;
	snprintf(row->name, sizeof(row->name), "%s", name);
	return 0;
}

static const char *group(const struct rates_end *e, enum rates_by by)
{
	const char *name = by == RATES_PROGRAMS ? e->program : e->service;

	return *name ? name : "(not known)";
}

static int add_pair(struct rates *r, const struct rate *rate, const struct rates_pair *p, enum rates_by by,
		    const char *filter)
{
	char name[RATES_NAME];
	int err;

	if (by == RATES_PAIRS) {
		snprintf(name, sizeof(name), "%s > %s", p->a.label, p->b.label);
		return add_row(r, rate, name, filter);
	}
	err = add_row(r, rate, group(&p->a, by), filter);
	if (err || !strcmp(group(&p->a, by), group(&p->b, by)))
		return err;
	return add_row(r, rate, group(&p->b, by), filter);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct rate *)a)->name, ((const struct rate *)b)->name);
}

/* Rows of one name become one. */
static void merge(struct rates *r)
{
	size_t kept = 0;

	if (!r->n)
		return;
	qsort(r->row, r->n, sizeof(*r->row), by_name);
	for (size_t i = 1; i < r->n; i++) {
		struct rate *to = &r->row[kept], *from = &r->row[i];

		if (strcmp(to->name, from->name)) {
			r->row[++kept] = *from;
			continue;
		}
		to->messages += from->messages;
		to->hops += from->hops;
		to->bytes += from->bytes;
		to->saved += from->saved;
		to->pairs += from->pairs;
		to->members += from->members;
		to->why = NULL;
	}
	r->n = kept + 1;
}

int rates_make(const struct sample *before, const struct sample *now, enum rates_by by, const char *filter,
	       struct rates *out)
{
	double s = seconds(before, now);
	int err = 0;

	out->n = 0;
	for (size_t i = 0; i < now->n && !err; i++) {
		struct rate rate;

		pair_rates(before, &now->pair[i], s, &rate);
		err = add_pair(out, &rate, &now->pair[i], by, filter);
	}
	if (by != RATES_PAIRS)
		merge(out);
	for (size_t i = 0; i < out->n; i++)
		set_share(&out->row[i]);
	return err;
}

void rates_free(struct rates *r)
{
	free(r->row);
	*r = (struct rates){0};
}

void rates_total(const struct sample *before, const struct sample *now, struct rate *out)
{
	double s = seconds(before, now), hop_bytes = grown(before->hop_bytes, now->hop_bytes, s);

	*out = (struct rate){.hops = grown(before->hops, now->hops, s), .pairs = now->n};
	out->messages = out->hops;
	for (size_t i = 0; i < HOP_STAY_COUNT; i++)
		out->messages += grown(before->stays[i], now->stays[i], s);
	out->bytes = hop_bytes + grown(before->stay_bytes, now->stay_bytes, s);
	out->saved = saved(out->hops, hop_bytes);
	out->members = now->members;
	set_share(out);
}

static double value_of(const struct rate *r, enum rates_key key)
{
	switch (key) {
	case RATES_BY_MESSAGES:
		return r->messages;
	case RATES_BY_BYTES:
		return r->bytes;
	case RATES_BY_SHARE:
		return r->share;
	case RATES_BY_SAVED:
		return r->saved;
	case RATES_BY_CONNECTIONS:
		return r->pairs;
	default:
		return 0;
	}
}

struct order {
	enum rates_key key;
	int sign;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct order *o = arg;
	double x = value_of(a, o->key), y = value_of(b, o->key);

	if (x != y)
		return o->sign * (x > y ? -1 : 1);
	return (o->key == RATES_BY_NAME ? o->sign : 1) * by_name(a, b);
}

void rates_sort(struct rates *r, enum rates_key key, bool reverse)
{
	struct order order = {key, reverse ? -1 : 1};

	if (r->n)
		qsort_r(r->row, r->n, sizeof(*r->row), compare, &order);
}

static int by_rate(const void *a, const void *b)
{
	const struct rate_why *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate > y->rate ? -1 : 1;
	if (x->ends != y->ends)
		return x->ends > y->ends ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool happened(const struct rate_why *w)
{
	return w->count || w->ends;
}

size_t rates_whys(const struct sample *before, const struct sample *now, struct rate_why out[RATES_WHYS])
{
	double s = seconds(before, now);
	size_t n = 0;

	for (unsigned int i = 1; i < HOP_STAY_COUNT; i++) {
		out[n] = (struct rate_why){reason_stay(i)->name,
					   reason_stay(i)->help,
					   true,
					   grown(before->stays[i], now->stays[i], s),
					   0,
					   now->stays[i]};
		n += happened(&out[n]);
	}
	for (unsigned int i = 1; i < HOP_WHY_COUNT; i++) {
		out[n] = (struct rate_why){reason_why(i)->name,
					   reason_why(i)->help,
					   false,
					   grown(before->whys[i], now->whys[i], s),
					   now->out[i],
					   now->whys[i]};
		n += happened(&out[n]);
	}
	qsort(out, n, sizeof(*out), by_rate);
	return n;
}
