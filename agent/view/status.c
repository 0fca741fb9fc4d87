// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>

#include "status.h"
#include "counts.h"
#include "json.h"
#include "output.h"
#include "agent/instance/force.h"
#include "agent/instance/foreign.h"
#include "agent/instance/instance.h"
#include "agent/instance/netns.h"
#include "agent/instance/pause.h"
#include "agent/lib/map.h"
#include "agent/lib/report.h"
#include "agent/lib/util.h"
#include "agent/program/guard.h"
#include "agent/program/receive.h"

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

static int by_path(const void *a, const void *b)
{
	return status_by_key(a, b, "path");
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
	status_counts(o, in, r);
	add_policy(o, in);
}
