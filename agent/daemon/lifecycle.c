// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>

#include "lifecycle.h"
#include "pass.h"
#include "spawn.h"
#include "agent/config/record.h"
#include "agent/instance/attach.h"
#include "agent/instance/instances.h"
#include "agent/lib/progress.h"
#include "agent/lib/report.h"
#include "agent/lib/util.h"
#include "agent/policy/policy.h"
#include "cgroup/cgroup.h"

/* detach: an agent that examines a program may take longer; concurrent passes do no harm */
#define AGENT_STOP_MS 2000
#define REMOVE_MS     1000

/* Names become file names below a bpffs, which reserves dots, and "-draining-N" is ours. */
static bool name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n && n < 48 && !name[n] && name[0] != '-' && !instance_stage_pid(name);
}

static int read_policy(const struct lifecycle_options *o, struct hop_policy *policy, struct report *r)
{
	char text[512];
	int err = policy_parse_file(o->policy_file, policy, text, sizeof(text));

	return err ? report_add(r, FAILED_POLICY_FILE, err, text) : 0;
}

static int create(const struct lifecycle_options *o, const struct hop_policy *policy, struct report *r)
{
	struct load_options lo = {
		.max_connections = o->max_connections,
		.idle_s = o->idle_timeout,
		.policy = policy,
		.heartbeat_s = o->heartbeat,
		.observe = o->observe,
	};

	progress_say("making instance '%s': what can this kernel do?", o->instance);
	return instance_create(o->instance, &lo, r);
}

static int set_policy(struct instance *in, const struct hop_policy *policy, struct report *r)
{
	int err = instance_policy_set(in, policy);

	if (err) {
		report_add(r, FAILED_POLICY_SET, err, in->name);
		instance_close(in);
		return err;
	}
	err = instance_poke(in);
	if (err)
		report_add(r, NOTED_NOT_WOKEN, err, in->name);
	return 0;
}

/* Whether it observes was decided when it was made. */
static int check_observe(struct instance *in, const struct lifecycle_options *o, struct report *r)
{
	if (o->observe && !in->config->observe) {
		report_add(r, FAILED_OBSERVE, -EBUSY, in->name);
		instance_close(in);
		return -EBUSY;
	}
	if (in->config->observe && !o->observe)
		report_add(r, NOTED_OBSERVES, 0, in->name);
	return 0;
}

/* policy: NULL if none was given. */
static int open_or_make(struct instance *in, const struct lifecycle_options *o,
			const struct hop_policy *policy, bool *created, struct report *r)
{
	int err = instance_open(in, o->instance, INSTANCE_LOCK);

	if (!err) {
		err = check_observe(in, o, r);
		return !err && policy ? set_policy(in, policy, r) : err;
	}
	if (err == -ENOENT) {
		err = create(o, policy, r);
		if (err)
			return err;
		*created = true;
		record_remove(o->instance); /* of one whose pins were removed by other means */
		err = instance_open(in, o->instance, INSTANCE_LOCK);
	}
	return err ? report_add(r, FAILED_OPEN, err, o->instance) : 0;
}

int lifecycle_open(struct instance *in, const struct lifecycle_options *o, bool *created, struct report *r)
{
	bool given = o->policy_file || o->policy;
	_cleanup_free_ struct hop_policy *policy = given ? calloc(1, sizeof(*policy)) : NULL;
	_cleanup_close_ int lock = -1;
	int err;

	*created = false;
	if (given && !policy)
		return -ENOMEM;
	if (!name_ok(o->instance))
		return report_add(r, FAILED_NAME, -EINVAL, o->instance);
	if (o->policy)
		*policy = *o->policy;
	err = o->policy_file ? read_policy(o, policy, r) : 0;
	if (err)
		return err;
	err = bpffs_mount();
	if (err)
		return report_add(r, FAILED_BPFFS, err, NULL);
	lock = instances_lock();
	if (lock < 0)
		return report_add(r, FAILED_BPFFS, lock, NULL);
	instances_sweep();
	return open_or_make(in, o, policy, created, r);
}

static int match_waiting(__u64 id, const struct hop_cgroup *cg, void *path)
{
	return !strcmp(cg->path, path) && instance_cgroup_state(id, cg) == CGROUP_WAITING;
}

static bool waits(const struct instance *in, const char *path)
{
	return instance_each_cgroup(in, match_waiting, (void *)path);
}

/* No such cgroup: is it one that the instance waits for? */
static bool resolve_waiting(const char *instance, const char *arg, char *path, size_t size)
{
	struct instance in;
	bool found;

	if (cgroup_resolve_gone(arg, path, size) || instance_open(&in, instance, INSTANCE_READ))
		return false;
	found = waits(&in, path);
	instance_close(&in);
	return found;
}

int lifecycle_resolve(const char *instance, const char *arg, char *path, size_t size, struct report *r)
{
	int err = cgroup_resolve(arg, path, size);

	if (err == -ENOENT && resolve_waiting(instance, arg, path, size))
		return 0;
	return err ? report_add(r, FAILED_CGROUP, err, arg) : 0;
}

/* EPERM also means that another program has the hook for itself. */
static int report_refused(const char *path, int err, struct report *r)
{
	static const struct {
		enum bpf_attach_type type;
		enum failure_kind kind;
	} hooks[] = {{BPF_CGROUP_SOCK_OPS, FAILED_HOOK_SOCKOPS},
		     {BPF_CGROUP_SETSOCKOPT, FAILED_HOOK_SETSOCKOPT}};
	char where[PATH_MAX];

	for (unsigned int i = 0; (err == -EPERM || err == -EACCES) && i < ARRAY_SIZE(hooks); i++)
		if (cgroup_hook_exclusive(path, hooks[i].type, where, sizeof(where)) == 1)
			return report_add_detail(r, hooks[i].kind, err, path, where);
	return report_add(r, FAILED_ATTACH, err, path);
}

static void report_blocked(const struct netns_list *l, enum failure_kind kind, struct report *r)
{
	char name[64], text[128];

	for (size_t i = 0; i < l->n; i++) {
		netns_name(l->inum[i], name, sizeof(name));
		snprintf(text, sizeof(text), "%u%s%s", l->inum[i], *name ? " " : "", name);
		report_add(r, kind, 0, text);
	}
}

int lifecycle_attach(struct instance *in, const char *path, __u32 flags, struct report *r)
{
	struct netns_list blocked = {};
	int err = instance_attach(in, path, flags, &blocked);

	report_blocked(&blocked, NOTED_JOIN_BLOCKED, r);
	netns_list_free(&blocked);
	if (err == -ENOENT && waits(in, path)) {
		report_add(r, NOTED_ATTACH_WAITS, 0, path);
		return 0;
	}
	if ((err == -ENOENT || err == -ENODEV) && flags & HOP_CG_SELECTED)
		return 0;
	if (err && err != -EALREADY)
		return report_refused(path, err, r);
	report_add(r, err ? NOTED_ATTACHED_ALREADY : NOTED_ATTACHED, 0, path);
	return 0;
}

int lifecycle_start_agent(const struct instance *in, struct report *r)
{
	int err;

	if (instance_agent_alive(in, NULL)) {
		err = instance_poke(in);
		if (err)
			report_add(r, NOTED_NOT_WOKEN, err, in->name);
		return 0;
	}
	progress_say("starting the agent of '%s'", in->name);
	err = agent_spawn(in->name);
	return !err || err == -EBUSY ? 0 : report_add(r, FAILED_AGENT_START, err, in->name);
}

static int move_pid(pid_t pid, void *parent)
{
	cgroup_enter(parent, pid); /* gone or refused: then the cgroup cannot be removed, which is reported */
	return 0;
}

/*
 * A cgroup that `sockhop run` made goes with it. Programs that outlive the run (daemons, or all of them after
 * a kill -9) move to the cgroup that they would have been in without us.
 */
static void remove_owned(const char *path, struct report *r)
{
	char parent[PATH_MAX], *slash;
	int err = -EBUSY;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash)
		*slash = '\0';
	/* a process may fork while it is moved: a few rounds */
	for (int i = 0; i < 5 && err == -EBUSY; i++) {
		cgroup_each_pid(path, move_pid, parent);
		err = cgroup_remove(path, REMOVE_MS / 5);
	}
	if (err && err != -ENOENT)
		report_add(r, err == -EBUSY ? NOTED_CGROUP_BUSY : NOTED_CGROUP_STAYS, err, path);
}

/* Cgroups that `sockhop run` made, copied: their entries go first. */
struct owned {
	struct hop_cgroup *cg;
	size_t n, room;
};

static int find_owned(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	struct owned *o = arg;
	struct hop_cgroup *p;

	(void)id;
	if (!(cg->flags & HOP_CG_OWNED))
		return 0;
	p = array_grow(o->cg, o->n, &o->room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	o->cg = p;
	o->cg[o->n++] = *cg;
	return 0;
}

static void remove_all_owned(struct owned *o, struct report *r)
{
	for (size_t i = 0; i < o->n; i++)
		remove_owned(o->cg[i].path, r);
}

/* What drain() has returned: members that are left, or an error. */
static int report_left(const struct instance *in, int left, const struct walks *w, struct report *r)
{
	struct netns_list l = {};
	char text[16];

	for (size_t i = 0; i < w->n; i++)
		if (w->stuck[i].inum)
			netns_list_add(&l, w->stuck[i].inum);
	report_blocked(&l, NOTED_LEAVE_BLOCKED, r);
	netns_list_free(&l);
	if (left < 0)
		return report_add(r, FAILED_DRAIN, left, in->name);
	snprintf(text, sizeof(text), "%d", left);
	return report_add(r, FAILED_UNREAD, -EBUSY, text);
}

static void set_aside(const char *name, struct report *r)
{
	char aside[128];
	int err = strstr(name, "-draining-") ? 0 : instance_set_aside(name, aside, sizeof(aside));

	if (err)
		report_add(r, FAILED_SET_ASIDE, err, name);
}

static int remove_all(struct instance *in, const char *name, struct report *r)
{
	struct owned owned = {};
	int err = instance_each_cgroup(in, find_owned, &owned);

	if (err)
		report_add(r, NOTED_RUN_CGROUPS, err, NULL);
	instance_close(in);
	err = instance_remove(name);
	if (err)
		report_add(r, FAILED_REMOVE, err, name);
	else
		remove_all_owned(&owned, r);
	free(owned.cg);
	return err;
}

int lifecycle_detach_all(struct instance *in, unsigned int timeout_ms, struct report *r)
{
	char name[sizeof(in->name)];
	struct walks walks = {};
	int left, err;

	memcpy(name, in->name, sizeof(name));
	record_remove(name);
	/* from here on nothing registers, joins or hops; it never goes back to 0 */
	__atomic_store_n(&in->config->draining, 1, __ATOMIC_SEQ_CST);
	progress_say("the agent of '%s' ends", name);
	err = agent_stop(in, AGENT_STOP_MS);
	progress_say("the members of '%s' leave", name);
	if (err)
		report_add(r, NOTED_AGENT_STAYS, err, name);
	left = drain(in, &walks, timeout_ms);
	err = left ? report_left(in, left, &walks, r) : 0;
	walks_free(&walks);
	if (!left)
		return remove_all(in, name, r);
	set_aside(name, r);
	instance_close(in);
	return err;
}

static int unattach(struct instance *in, __u64 id, struct report *r)
{
	struct hop_cgroup cg = {};
	int err;

	bpf_map_lookup_elem(in->map[MAP_CGROUPS], &id, &cg);
	err = instance_unattach(in, id);
	if (err)
		report_add(r, FAILED_DETACH_CGROUP, err, cg.path);
	else if (cg.flags & HOP_CG_OWNED)
		remove_owned(cg.path, r);
	return err;
}

int lifecycle_detach_some(struct instance *in, const __u64 *ids, unsigned int n, unsigned int timeout_ms,
			  struct report *r)
{
	struct netns_list all = {};
	struct walks walks = {};
	struct pass pass;
	int left, err = 0;

	for (unsigned int i = 0; i < n && !err; i++)
		err = instance_mark_leaving(in, ids[i]);
	if (err)
		return report_add(r, FAILED_DETACH, err, in->name);
	in->config->leaving = n;
	progress_say("the members of %u cgroups leave", n);
	left = drain(in, &walks, timeout_ms);
	for (unsigned int i = 0; i < n && !err && !left; i++)
		err = unattach(in, ids[i], r);
	/* what registered between the last pass and the end of the callbacks */
	if (!left && !err && !netns_list_all(&all, in))
		pass_visit(in, &walks, &all, 0, now_ns() + PASS_GRACE_MS * 1000000ull, &pass);
	netns_list_free(&all);
	in->config->leaving = 0;
	if (left)
		err = report_left(in, left, &walks, r);
	walks_free(&walks);
	return err;
}
