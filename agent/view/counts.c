// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "counts.h"
#include "json.h"
#include "output.h"
#include "reasons.h"
#include "agent/instance/instance.h"
#include "agent/instance/snapshot.h"
#include "agent/lib/map.h"
#include "agent/lib/report.h"
#include "agent/lib/util.h"

int status_by_key(const void *a, const void *b, const char *key)
{
	json_object *x = json_object_object_get(*(json_object *const *)a, key);
	json_object *y = json_object_object_get(*(json_object *const *)b, key);

	return strcmp(json_object_get_string(x), json_object_get_string(y));
}

struct tally {
	unsigned long long candidates, pairs;
	unsigned long long state[HOP_STATE_COUNT];
};

static void count_end(const struct hop_show *s, struct tally *t)
{
	t->candidates += hop_registered(s->state) && !hop_in(s->state);
	t->state[s->state < HOP_STATE_COUNT ? s->state : HOP_NEW]++;
}

static void count_pair(const struct hop_show *a, const struct hop_show *b, void *arg)
{
	struct tally *t = arg;

	count_end(a, t);
	if (!b)
		return;
	count_end(b, t);
	t->pairs += hop_registered(a->state) && hop_registered(b->state);
}

/* Registered ends by their state. */
static json_object *states(const struct tally *t)
{
	json_object *o = json_object_new_object();

	for (unsigned int i = 0; i < HOP_STATE_COUNT; i++)
		if (hop_registered(i))
			add(o, reason_state(i)->name, number(t->state[i]));
	return o;
}

static void add_connections(json_object *o, const struct instance *in, struct report *r)
{
	json_object *c = json_object_new_object();
	struct tally tally = {0};
	struct snapshot show = {0};
	int err = snapshot_load(in, &show);

	if (err)
		report_add(r, NOTED_READ, err, "the registered sockets");
	snapshot_pairs(&show, count_pair, &tally);
	snapshot_free(&show);
	add(c, "candidates", err ? NULL : number(tally.candidates));
	add(c, "members", number(in->config->members));
	add(c, "pairs", err ? NULL : number(tally.pairs));
	add(o, "connections", c);
	add(o, "states", err ? NULL : states(&tally));
}

static const struct {
	const char *key;
	unsigned int index;
} counters[] = {
	{"registered", HOP_CNT_REGISTERED},
	{"paired", HOP_CNT_PAIRED},
	{"joined", HOP_CNT_JOINED},
	{"joined_early", HOP_CNT_EARLY},
	{"left", HOP_CNT_LEFT},
	{"closed", HOP_CNT_CLOSED},
	{"events_lost", HOP_CNT_EVENTS_LOST},
	{"close_guards", HOP_CNT_CLOSE_GUARD},
	{"collected", HOP_CNT_COLLECTED},
	{"sought", HOP_CNT_SOUGHT},
	{"bytes_trimmed", HOP_CNT_TRIMMED},
	{"bad_moves", HOP_CNT_BAD_MOVES},
	{"spliced", HOP_CNT_SPLICED},
	{"splices_refused", HOP_CNT_REFUSED},
	{"joined_nowait", HOP_CNT_NOWAIT},
	{"waited", HOP_CNT_WAITED},
};

static void add_counters(json_object *o, const struct instance *in)
{
	json_object *c = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		add(c, counters[i].key, number(instance_counter(in, counters[i].index)));
	add(c, "swept", number(in->config->swept));
	add(o, "counters", c);
}

static int by_count(const void *a, const void *b)
{
	json_object *x = json_object_object_get(*(json_object *const *)a, "count");
	json_object *y = json_object_object_get(*(json_object *const *)b, "count");
	unsigned long long n = json_object_get_uint64(x), m = json_object_get_uint64(y);

	if (n != m)
		return n > m ? -1 : 1;
	return status_by_key(a, b, "reason");
}

/* The counters first..first+n-1 that are not zero, largest first; returns their sum. */
static unsigned long long add_reasons(json_object *o, const char *key, const struct instance *in,
				      unsigned int first, unsigned int n,
				      const struct reason *(*words)(unsigned int))
{
	json_object *list = json_object_new_array();
	unsigned long long sum = 0;

	for (unsigned int i = 0; i < n; i++) {
		unsigned long long count = instance_counter(in, first + i);
		json_object *row;

		if (!count)
			continue;
		sum += count;
		row = json_object_new_object();
		add(row, "reason", json_object_new_string(words(i)->name));
		add(row, "count", number(count));
		add(row, "meaning", json_object_new_string(words(i)->help));
		json_object_array_add(list, row);
	}
	json_object_array_sort(list, by_count);
	add(o, key, list);
	return sum;
}

static void add_traffic(json_object *o, const struct instance *in)
{
	json_object *hopped = json_object_new_object(), *stayed = json_object_new_object();

	add(hopped, "messages", number(instance_counter(in, HOP_CNT_HOPS)));
	add(hopped, "bytes", number(instance_counter(in, HOP_CNT_HOP_BYTES)));
	add(o, "hopped", hopped);
	add(o, "stayed", stayed);
	add(stayed, "messages",
	    number(add_reasons(o, "stay_reasons", in, HOP_CNT_STAY, HOP_STAY_COUNT, reason_stay)));
	add(stayed, "bytes", number(instance_counter(in, HOP_CNT_STAY_BYTES)));
	add_reasons(o, "why_not", in, HOP_CNT_WHY, HOP_WHY_COUNT, reason_why);
}

static int count_one(const void *key, const void *value, void *arg)
{
	(void)key;
	(void)value;
	++*(unsigned long long *)arg;
	return 0;
}

static void add_fill(json_object *list, const char *name, json_object *used, unsigned long long max)
{
	json_object *row = json_object_new_object();

	add(row, "map", json_object_new_string(name));
	add(row, "used", used);
	add(row, "max", number(max));
	add(row, "percent",
	    used && max ? json_object_new_double(100.0 * json_object_get_uint64(used) / max) : NULL);
	json_object_array_add(list, row);
}

/* A hash map by key of an end. */
static void add_hash(json_object *list, const struct instance *in, enum instance_map map, size_t value_size)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);
	unsigned long long used = 0;
	int err = map_each(in->map[map], sizeof(struct hop_key), value_size, count_one, &used);

	bpf_obj_get_info_by_fd(in->map[map], &info, &size);
	add_fill(list, instance_map_name(map), err ? NULL : number(used), info.max_entries);
}

static void add_maps(json_object *o, const struct instance *in)
{
	json_object *list = json_object_new_array();

	add_fill(list, "members", number(in->config->members), in->config->max_members);
	add_hash(list, in, MAP_ENDS, sizeof(struct hop_end));
	add_hash(list, in, MAP_COLLAPSE, sizeof(struct hop_collapse));
	add(o, "maps", list);
}

/* A program and its veto, with how many sockets it keeps out. */
struct veto {
	struct hop_vet vet;
	unsigned long long sockets;
};
struct vetoes {
	struct veto *veto;
	size_t count;
};

static int count_veto(const void *key, const void *value, void *arg)
{
	const struct hop_vet *v = value;
	struct vetoes *all = arg;
	struct veto *bigger;
	size_t i = 0;

	(void)key;
	if (v->why == HOP_WHY_NONE)
		return 0;
	while (i < all->count &&
	       (all->veto[i].vet.why != v->why || strncmp(all->veto[i].vet.comm, v->comm, sizeof(v->comm))))
		i++;
	if (i == all->count) {
		bigger = reallocarray(all->veto, all->count + 1, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		all->veto = bigger;
		all->veto[all->count++] = (struct veto){.vet = *v};
	}
	all->veto[i].sockets++;
	return 0;
}

static int by_sockets(const void *a, const void *b)
{
	const struct veto *x = a, *y = b;

	if (x->sockets != y->sockets)
		return x->sockets > y->sockets ? -1 : 1;
	return strncmp(x->vet.comm, y->vet.comm, sizeof(x->vet.comm)) ?: (int)x->vet.why - (int)y->vet.why;
}

static void add_vetoes(json_object *o, const struct instance *in, struct report *r)
{
	json_object *list = json_object_new_array();
	struct vetoes all = {0};
	int err = map_each(in->map[MAP_VETTED], sizeof(__u64), sizeof(struct hop_vet), count_veto, &all);

	if (err)
		report_add(r, NOTED_READ, err, "the examined programs");
	if (all.count)
		qsort(all.veto, all.count, sizeof(*all.veto), by_sockets);
	for (size_t i = 0; i < all.count; i++) {
		const struct hop_vet *v = &all.veto[i].vet;
		json_object *row = json_object_new_object();

		add(row, "program", output_string(v->comm, sizeof(v->comm)));
		add(row, "pid", v->pid ? number(v->pid) : NULL);
		add(row, "sockets", number(all.veto[i].sockets));
		add(row, "reason", json_object_new_string(reason_why(v->why)->name));
		add(row, "meaning", json_object_new_string(reason_why(v->why)->help));
		add(row, "unless_guarded", json_object_new_boolean(v->guarded));
		json_object_array_add(list, row);
	}
	free(all.veto);
	add(o, "vetoed", list);
}

void status_counts(json_object *o, const struct instance *in, struct report *r)
{
	add_connections(o, in, r);
	add_counters(o, in);
	add_traffic(o, in);
	add_maps(o, in);
	add_vetoes(o, in, r);
}
