// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <time.h>

#include "metrics.h"
#include "services.h"
#include "agent/check/check.h"
#include "agent/instance/instance.h"
#include "agent/instance/snapshot.h"
#include "agent/lib/util.h"
#include "agent/view/json.h"
#include "agent/view/names.h"
#include "agent/view/output.h"
#include "agent/view/reasons.h"
#include "agent/view/status.h"

struct metrics {
	const char *instance;
	struct names *names;
	struct services services;
	json_object *advisories; /* of the kernel that runs: looked for once, since that reads a change log */
};

static json_object *find_advisories(void)
{
	json_object *list = json_object_new_array();
	struct checks checks = {.lines = json_object_new_array()};

	check_advisories(&checks, list);
	json_object_put(checks.lines);
	for (size_t i = 0; i < json_object_array_length(list); i++)
		add(json_object_array_get_idx(list, i), "one", json_object_new_int(1));
	return list;
}

struct metrics *metrics_new(const char *instance)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->instance = instance ?: INSTANCE_DEFAULT;
	m->names = names_new();
	m->advisories = find_advisories();
	if (m->names)
		return m;
	metrics_free(m);
	return NULL;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	names_free(m->names);
	services_free(&m->services);
	json_object_put(m->advisories);
	free(m);
}

static void add_build(json_object *o)
{
	json_object *list = json_object_new_array(), *row = json_object_new_object();

	add(row, "version", json_object_new_string(VERSION));
	add(row, "abi", json_object_new_int(HOP_ABI));
	add(row, "one", json_object_new_int(1));
	json_object_array_add(list, row);
	add(o, "build", list);
}

/*
 * Every reason, those that never happened too: a counter that appears with its first event loses that event.
 */
static void add_reasons(json_object *o, const char *key, unsigned int n,
			const struct reason *(*words)(unsigned int), const unsigned long long *count)
{
	json_object *list = json_object_new_array();

	/* 0 is "none" */
	for (unsigned int i = 1; i < n; i++) {
		json_object *row = json_object_new_object();

		add(row, "reason", json_object_new_string(words(i)->name));
		add(row, "count", number(count[i]));
		json_object_array_add(list, row);
	}
	add(o, key, list);
}

static void add_counters(json_object *o, const struct instance *in)
{
	unsigned long long stays[HOP_STAY_COUNT], whys[HOP_WHY_COUNT];
	json_object *joined = json_object_new_object();

	for (unsigned int i = 0; i < HOP_STAY_COUNT; i++)
		stays[i] = instance_counter(in, HOP_CNT_STAY + i);
	for (unsigned int i = 0; i < HOP_WHY_COUNT; i++)
		whys[i] = instance_counter(in, HOP_CNT_WHY + i);
	add_reasons(o, "all_stays", HOP_STAY_COUNT, reason_stay, stays);
	add_reasons(o, "all_whys", HOP_WHY_COUNT, reason_why, whys);
	add(o, "heartbeats", number(stays[HOP_STAY_HEARTBEAT]));
	add(joined, "late", number(instance_counter(in, HOP_CNT_JOINED)));
	add(joined, "early", number(instance_counter(in, HOP_CNT_EARLY)));
	add(o, "joined", joined);
}

struct look {
	struct metrics *m;
	unsigned long long whys[HOP_WHY_COUNT];
};

static int look_at_end(const void *record, void *arg)
{
	const struct hop_show *s = record;
	struct look *l = arg;
	const struct service_end end = {
		.cookie = s->cookie,
		.hops = s->hops,
		.stays = s->stays,
		.hop_bytes = s->hop_bytes,
		.member = hop_in(s->state),
	};
	unsigned int why = s->why == HOP_WHY_NONE ? HOP_WHY_WAITING : s->why;

	if (!end.member && why < HOP_WHY_COUNT)
		l->whys[why]++;
	return services_add(&l->m->services, names_cgroup(l->m->names, s->cgroup), &end);
}

static json_object *service_row(const struct service *s)
{
	json_object *row = json_object_new_object();

	add(row, "service", output_string(s->label, sizeof(s->label)));
	add(row, "kind", json_object_new_string(s->kind));
	return row;
}

static void add_service_ends(json_object *list, const struct service *s, const char *state, unsigned int n)
{
	json_object *row = service_row(s);

	add(row, "state", json_object_new_string(state));
	add(row, "ends", number(n));
	json_object_array_add(list, row);
}

static void add_service_sent(json_object *list, const struct service *s, const char *path,
			     unsigned long long n)
{
	json_object *row = service_row(s);

	add(row, "path", json_object_new_string(path));
	add(row, "messages", number(n));
	json_object_array_add(list, row);
}

/* `sent`: what they did is known, since there was a look before. */
static void add_services(json_object *o, const struct services *s, bool sent)
{
	json_object *ends = json_object_new_array(), *messages = json_object_new_array();
	json_object *bytes = json_object_new_array();

	for (size_t i = 0; i <= SERVICES_MAX; i++) {
		const struct service *e = &s->service[i];
		json_object *row;

		if (i >= s->n && i < SERVICES_MAX)
			continue;
		add_service_ends(ends, e, "member", e->members);
		add_service_ends(ends, e, "candidate", e->candidates);
		if (!sent)
			continue;
		add_service_sent(messages, e, "hop", e->hops);
		add_service_sent(messages, e, "tcp", e->stays);
		row = service_row(e);
		add(row, "bytes", number(e->hop_bytes));
		json_object_array_add(bytes, row);
	}
	add(o, "services", ends);
	add(o, "services_sent", messages);
	add(o, "services_bytes", bytes);
}

static void add_ends(json_object *o, struct metrics *m, const struct instance *in)
{
	struct look look = {.m = m};
	bool sent = m->services.began;
	int err;

	names_forget(m->names);
	services_begin(&m->services);
	err = snapshot_each(in, look_at_end, &look);
	services_end(&m->services);
	if (err)
		msg_warn("cannot read the registered sockets: %s", strerror(-err));
	add_reasons(o, "ends_by_why", HOP_WHY_COUNT, reason_why, look.whys);
	add_services(o, &m->services, sent);
}

/* Sums of `value` (NULL: 1 for each row) by the string at `key`, for the rows of an array. */
static void add_sums(json_object *o, const char *name, const char *array, const char *key, const char *value)
{
	json_object *sums = json_object_new_object(), *rows = json_object_object_get(o, array);

	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		const char *word = json_object_get_string(json_object_object_get(row, key));
		unsigned long long n = json_object_get_uint64(json_object_object_get(sums, word));

		n += value ? json_object_get_uint64(json_object_object_get(row, value)) : 1;
		add(sums, word, number(n));
	}
	add(o, name, sums);
}

/* Of the pass that was finished last, over whichever namespace; missing if there was none. */
static void add_last_pass(json_object *o)
{
	json_object *rows = json_object_object_get(o, "passes"), *last = NULL;

	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json_object *age = json_object_object_get(json_object_array_get_idx(rows, i), "age");

		if (age && (!last || json_object_get_double(age) < json_object_get_double(last)))
			last = age;
	}
	add(o, "last_pass", json_object_get(last));
}

static void collect_instance(json_object *o, struct metrics *m, const struct instance *in)
{
	unsigned long long age = (now_ns() - in->config->attached_ns) / 1000000000ull;

	status_instance(o, in, NULL);
	add(o, "draining", json_object_new_boolean(in->config->draining));
	add(o, "test", json_object_new_boolean(in->config->force));
	add(o, "attach_time", number(time(NULL) - age));
	add_counters(o, in);
	add_ends(o, m, in);
	add_sums(o, "cgroup_states", "cgroups", "state", NULL);
	add_sums(o, "vetoes", "vetoed", "reason", "sockets");
	add_last_pass(o);
}

json_object *metrics_collect(struct metrics *m, int *err)
{
	json_object *o = json_object_new_object();
	unsigned long long start = now_ns();
	struct instance in;

	*err = instance_open(&in, m->instance, INSTANCE_READ);
	add_build(o);
	add(o, "instance", output_string(m->instance, strlen(m->instance)));
	add(o, "attached", json_object_new_boolean(!*err));
	add(o, "advisories", json_object_get(m->advisories));
	if (!*err) {
		collect_instance(o, m, &in);
		instance_close(&in);
	}
	add(o, "duration", json_object_new_double((now_ns() - start) / 1000000000.0));
	return o;
}
