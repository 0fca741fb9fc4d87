// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>

#include "status.h"
#include "output.h"
#include "reasons.h"
#include "agent/instance/force.h"
#include "agent/instance/foreign.h"
#include "agent/instance/instance.h"
#include "agent/instance/netns.h"
#include "agent/instance/pause.h"
#include "agent/instance/snapshot.h"
#include "agent/lib/map.h"
#include "agent/lib/report.h"
#include "agent/lib/util.h"
#include "agent/program/guard.h"
#include "agent/program/receive.h"

#define add(o, key, value) json_object_object_add(o, key, value)

static json_object *number(unsigned long long n)
{
	return json_object_new_uint64(n);
}

static const char *state_name(bool draining)
{
	return draining ? "draining" : "attached";
}

/* When it was attached, by today's clock: ISO 8601 in UTC. */
static void add_since(json_object *o, const struct instance *in)
{
	unsigned long long age = (now_ns() - in->config->attached_ns) / 1000000000ull;
	time_t since = time(NULL) - age;
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&since, &tm));
	add(o, "since", json_object_new_string(text));
	add(o, "uptime", number(age));
}

/* Seconds that a pause lasts still; null: there is none. */
static void add_pause(json_object *o, const struct instance *in)
{
	unsigned int left = instance_paused(in);

	add(o, "paused_for", left ? number(left) : NULL);
}

static int count_blocked(const void *key, const void *value, void *arg)
{
	(void)key;
	*(unsigned long long *)arg += ((const struct hop_pass *)value)->blocked_ns != 0;
	return 0;
}

static void add_agent(json_object *o, const struct instance *in)
{
	json_object *agent = json_object_new_object();
	int pid = 0;
	bool alive = instance_agent_alive(in, &pid);
	unsigned long long blocked = 0;

	map_each(in->map[MAP_PASSES], sizeof(__u32), sizeof(struct hop_pass), count_blocked, &blocked);
	add(agent, "alive", json_object_new_boolean(alive));
	add(agent, "pid", alive && pid ? number(pid) : NULL);
	add(agent, "blocked", number(blocked));
	add(o, "agent", agent);
}

/* Seconds since then; null: never. */
static json_object *age(unsigned long long ns)
{
	unsigned long long now = now_ns();

	return ns ? json_object_new_double(now > ns ? (now - ns) / 1000000000.0 : 0.0) : NULL;
}

static int add_pass(const void *key, const void *value, void *arg)
{
	__u32 inum = *(const __u32 *)key;
	const struct hop_pass *p = value;
	json_object *o = json_object_new_object();
	char name[64];

	netns_name(inum, name, sizeof(name));
	add(o, "netns", number(inum));
	add(o, "name", *name ? output_string(name, strlen(name)) : NULL);
	add(o, "age", age(p->finished_ns));
	add(o, "blocked", json_object_new_boolean(p->blocked_ns));
	add(o, "blocked_for", age(p->blocked_ns));
	add(o, "state", json_object_new_string(p->blocked_ns ? "blocked" : "ok"));
	return json_object_array_add(arg, o);
}

static int by_netns(const void *a, const void *b)
{
	json_object *x = json_object_object_get(*(json_object *const *)a, "netns");
	json_object *y = json_object_object_get(*(json_object *const *)b, "netns");
	unsigned long long n = json_object_get_uint64(x), m = json_object_get_uint64(y);

	return (n > m) - (n < m);
}

/* The network namespaces that passes have been over. */
static void add_passes(json_object *o, const struct instance *in, struct report *r)
{
	json_object *list = json_object_new_array();
	int err = map_each(in->map[MAP_PASSES], sizeof(__u32), sizeof(struct hop_pass), add_pass, list);

	if (err)
		report_add(r, NOTED_READ, err, "when the passes were");
	json_object_array_sort(list, by_netns);
	add(o, "passes", list);
}

/* What the probes at attach chose: docs/design.md, section 5. */
static void add_profile(json_object *o, const struct hop_config *config)
{
	json_object *profile = json_object_new_object();

	add(profile, "stream_verdict", json_object_new_boolean(config->verdict));
	add(profile, "fionread_counts_hops", json_object_new_boolean(!config->hop_fionread_broken));
	add(profile, "adopts_old_connections", json_object_new_boolean(config->setsockopt_iter));
	add(o, "profile", profile);
}

/* The splice guard: null while there is none; `vouches`: sockets that are established now may join by it. */
static void add_guard(json_object *o, const struct hop_config *config)
{
	json_object *guard = NULL;

	if (config->guard_kind && config->guard_last) {
		guard = json_object_new_object();
		add(guard, "mechanism", json_object_new_string(guard_name(config->guard_kind)));
		add(guard, "vouches", json_object_new_boolean(config->guard));
	}
	add(o, "splice_guard", guard);
}

/* The receive guard: null while there is none. */
static void add_receive(json_object *o, const struct hop_config *config)
{
	json_object *guard = NULL;

	if (config->receives_kind) {
		guard = json_object_new_object();
		add(guard, "mechanism", json_object_new_string(receive_name(config->receives_kind)));
		add(guard, "vouches", json_object_new_boolean(config->receives));
	}
	add(o, "receive_guard", guard);
}

/* How many sockmaps of others are on this host: their sockets never join. null without the right to ask. */
static void add_foreign(json_object *o)
{
	_cleanup_free_ struct foreign_map *map = NULL;
	size_t n = 0;
	int err = foreign_sockmaps(&map, &n);

	add(o, "other_sockmaps", err ? NULL : number(n));
}

/* Rules that a test has taken away; null where all are in force. */
static void add_force(json_object *o, __u32 force)
{
	char names[256];

	force_names(force, names, sizeof(names));
	add(o, "test_switches", force ? json_object_new_string(names) : NULL);
}

/* For json_object_array_sort(): by a key that holds a string. */
static int compare_key(const void *a, const void *b, const char *key)
{
	json_object *x = json_object_object_get(*(json_object *const *)a, key);
	json_object *y = json_object_object_get(*(json_object *const *)b, key);

	return strcmp(json_object_get_string(x), json_object_get_string(y));
}

static int by_path(const void *a, const void *b)
{
	return compare_key(a, b, "path");
}

static int add_cgroup(const void *key, const void *value, void *arg)
{
	const struct hop_cgroup *cg = value;
	json_object *o = json_object_new_object();
	__u64 id = *(const __u64 *)key;

	add(o, "id", number(id));
	add(o, "path", output_string(cg->path, sizeof(cg->path)));
	add(o, "state", json_object_new_string(cgroup_state_name(instance_cgroup_state(id, cg))));
	add(o, "owned", json_object_new_boolean(cg->flags & HOP_CG_OWNED));
	return json_object_array_add(arg, o);
}

static void add_cgroups(json_object *o, const struct instance *in, struct report *r)
{
	json_object *list = json_object_new_array();
	int err = map_each(in->map[MAP_CGROUPS], sizeof(__u64), sizeof(struct hop_cgroup), add_cgroup, list);

	if (err)
		report_add(r, NOTED_READ, err, "the attached cgroups");
	json_object_array_sort(list, by_path);
	add(o, "cgroups", list);
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
	return compare_key(a, b, "reason");
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

static void add_policy(json_object *o, const struct instance *in)
{
	_cleanup_free_ struct hop_policy *policy = malloc(sizeof(*policy));
	bool known = policy && !instance_policy_get(in, policy);

	add(o, "policy_rules", known ? number(policy->count) : NULL);
	add(o, "heartbeat", number(in->config->heartbeat));
	add(o, "observes", json_object_new_boolean(in->config->observe));
}

struct others {
	const char *own;
	json_object *list;
};

static int add_other(const char *name, void *arg)
{
	struct others *others = arg;
	json_object *row;
	struct instance in;

	if (!strcmp(name, others->own) || instance_open(&in, name, INSTANCE_READ))
		return 0;
	row = json_object_new_object();
	add(row, "instance", output_string(name, strlen(name)));
	add(row, "state", json_object_new_string(state_name(in.config->draining)));
	add(row, "members", number(in.config->members));
	json_object_array_add(others->list, row);
	instance_close(&in);
	return 0;
}

void status_others(json_object *o, const char *own)
{
	struct others others = {own, json_object_new_array()};

	instance_each(add_other, &others);
	add(o, "other_instances", others.list);
}

void status_instance(json_object *o, const struct instance *in, struct report *r)
{
	add(o, "state", json_object_new_string(state_name(in->config->draining)));
	add_since(o, in);
	add_pause(o, in);
	add_agent(o, in);
	add_passes(o, in, r);
	add_profile(o, in->config);
	add_guard(o, in->config);
	add_receive(o, in->config);
	add_force(o, in->config->force);
	add_foreign(o);
	add_cgroups(o, in, r);
	add_connections(o, in, r);
	add_counters(o, in);
	add_traffic(o, in);
	add_maps(o, in);
	add_vetoes(o, in, r);
	add_policy(o, in);
}
