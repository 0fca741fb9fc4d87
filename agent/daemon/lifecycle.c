// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>

#include "lifecycle.h"
#include "agent.h"
#include "pass.h"
#include "agent/cmd/cmd.h"
#include "agent/instance/folder.h"
#include "agent/lib/util.h"
#include "agent/policy/policy.h"
#include "cgroup/cgroup.h"

/* detach: an agent that examines a program may take longer; passes bear each other */
#define AGENT_STOP_MS 2000
#define REMOVE_MS     1000

/* Names become file names below a bpffs, which reserves dots, and "-draining-N" is ours. */
static bool name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n && n < 48 && !name[n] && name[0] != '-' && !instance_stage_pid(name);
}

static int read_policy(const struct lifecycle_options *o, struct hop_policy *policy)
{
	char err[512];

	if (!policy_parse_file(o->policy_file, policy, err, sizeof(err)))
		return EXIT_OK;
	msg_error("%s", err);
	return EXIT_FAIL;
}

static int create(const struct lifecycle_options *o, const struct hop_policy *policy)
{
	struct load_options lo = {
		.max_connections = o->max_connections,
		.idle_s = o->idle_timeout,
		.policy = policy,
		.heartbeat_s = o->heartbeat,
	};
	int err = instance_create(o->instance, &lo);

	return err ? exit_status(err) : EXIT_OK;
}

int lifecycle_open(struct instance *in, const struct lifecycle_options *o, bool *created)
{
	_cleanup_free_ struct hop_policy *policy = calloc(1, sizeof(*policy));
	_cleanup_close_ int lock = -1;
	int err, status;

	*created = false;
	if (!policy)
		return EXIT_FAIL;
	if (!name_ok(o->instance)) {
		msg_error("'%s' cannot be an instance name: letters, digits, '-' and '_', at most 47, not "
			  "NAME-new-NUMBER",
			  o->instance);
		return EXIT_USAGE;
	}
	if (o->policy_file && (status = read_policy(o, policy)))
		return status;
	err = bpffs_mount();
	if (!err)
		lock = instances_lock();
	if (err || lock < 0) {
		err = err ? err : lock;
		if (err == -FOLDER_STRANGE) {
			msg_error(FOLDER_STRANGE_TEXT);
			return EXIT_FAIL;
		}
		msg_error("cannot use the bpffs at /sys/fs/bpf: %s", strerror(-err));
		return exit_status(err);
	}
	instances_sweep();
	err = instance_open(in, o->instance, INSTANCE_LOCK);
	if (err == -ENOENT) {
		status = create(o, o->policy_file ? policy : NULL);
		if (status)
			return status;
		*created = true;
		return cmd_open(in, o->instance, INSTANCE_LOCK);
	}
	if (err)
		return cmd_open(in, o->instance, INSTANCE_LOCK); /* says what is wrong */
	if (o->policy_file)
		err = instance_policy_set(in, policy);
	if (err)
		msg_error("cannot set the policy: %s", strerror(-err));
	return exit_status(err);
}

int lifecycle_resolve(const char *arg, char *path, size_t size)
{
	int err = cgroup_resolve(arg, path, size);

	switch (err) {
	case 0:
		return EXIT_OK;
	case -ENOENT:
		msg_error("no cgroup '%s': give a path, or one below the cgroup2 mount (`mount -t cgroup2`)",
			  arg);
		return EXIT_FAIL;
	case -EINVAL:
		msg_error("'%s' is not in a cgroup2 hierarchy: cgroup v1 has no sockops programs", arg);
		return EXIT_FAIL;
	default:
		msg_error("cannot use cgroup '%s': %s", arg, strerror(-err));
		return exit_status(err);
	}
}

static void explain_eperm(const char *path)
{
	static const struct {
		enum bpf_attach_type type;
		const char *name;
	} hooks[] = {{BPF_CGROUP_SOCK_OPS, "sockops"}, {BPF_CGROUP_SETSOCKOPT, "setsockopt"}};
	char where[PATH_MAX];

	for (unsigned int i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (cgroup_hook_exclusive(path, hooks[i].type, where, sizeof(where)) != 1)
			continue;
		msg_error("cannot attach to %s: another program holds the %s hook of %s exclusively (see "
			  "`bpftool cgroup show %s`); it must attach with BPF_F_ALLOW_MULTI",
			  path, hooks[i].name, where, where);
		return;
	}
	msg_error("cannot attach to %s: no permission; run as root, or with CAP_BPF and CAP_NET_ADMIN", path);
}

static void say_blocked(const struct netns_list *l, const char *so)
{
	char name[64];

	for (size_t i = 0; i < l->n; i++) {
		netns_name(l->inum[i], name, sizeof(name));
		msg_warn("network namespace %u%s%s is blocked: a call holds one of its sockets; %s",
			 l->inum[i], *name ? " " : "", name, so);
	}
}

int lifecycle_attach(struct instance *in, const char *path, __u32 flags)
{
	struct netns_list blocked = {};
	int err = instance_attach(in, path, flags, &blocked);

	say_blocked(&blocked, "connections in it that exist already stay on TCP");
	netns_list_free(&blocked);
	switch (err) {
	case 0:
		msg_info("attached to %s", path);
		return EXIT_OK;
	case -EALREADY:
		msg_info("%s is attached already, itself or through an ancestor", path);
		return EXIT_OK;
	case -EPERM:
	case -EACCES:
		explain_eperm(path);
		return EXIT_PERMISSION;
	default:
		msg_error("cannot attach to %s: %s", path, strerror(-err));
		return exit_status(err);
	}
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
static void remove_owned(const char *path)
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
	if (err == -EBUSY)
		msg_warn("%s still has processes: remove it when they have ended (rmdir)", path);
	else if (err && err != -ENOENT)
		msg_warn("cannot remove %s: %s", path, strerror(-err));
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

static void remove_all_owned(struct owned *o)
{
	for (size_t i = 0; i < o->n; i++)
		remove_owned(o->cg[i].path);
}

static void report_blocked(const struct walks *w)
{
	struct netns_list l = {};

	for (size_t i = 0; i < w->n; i++)
		if (w->stuck[i].inum)
			netns_list_add(&l, w->stuck[i].inum);
	say_blocked(&l, "nobody leaves there before that call is over");
	netns_list_free(&l);
}

static int report_left(const struct instance *in, int left, const struct walks *w)
{
	report_blocked(w);
	if (left == -ETIMEDOUT)
		msg_error("time was up before all members of '%s' could be seen; run `sockhop detach` again "
			  "later",
			  in->name);
	else if (left < 0)
		msg_error("draining '%s' failed: %s", in->name, strerror(-left));
	else
		msg_error("%d sockets have not been read empty by their programs and stay until they are; "
			  "their "
			  "traffic takes the TCP path. Run `sockhop detach --all` again later",
			  left);
	return EXIT_FAIL;
}

int lifecycle_detach_all(struct instance *in, unsigned int timeout_ms)
{
	struct owned owned = {};
	char name[sizeof(in->name)], aside[128];
	struct walks walks = {};
	int left, err, status;

	memcpy(name, in->name, sizeof(name));
	/* from here on nothing registers, joins or hops; it never goes back to 0 */
	__atomic_store_n(&in->config->draining, 1, __ATOMIC_SEQ_CST);
	err = agent_stop(in, AGENT_STOP_MS);
	if (err)
		msg_warn("the agent of '%s' does not end: %s", name, strerror(-err));
	left = drain(in, &walks, timeout_ms);
	status = left ? report_left(in, left, &walks) : EXIT_OK;
	walks_free(&walks);
	if (left) {
		if (!strstr(name, "-draining-") && (err = instance_set_aside(name, aside, sizeof(aside))))
			msg_error("cannot set '%s' aside: %s", name, strerror(-err));
		instance_close(in);
		return status;
	}
	err = instance_each_cgroup(in, find_owned, &owned);
	if (err)
		msg_warn("cannot remove the cgroups of `sockhop run`: %s", strerror(-err));
	instance_close(in);
	err = instance_remove(name);
	if (err)
		msg_error("cannot remove the pins of '%s': %s", name, strerror(-err));
	else
		remove_all_owned(&owned);
	free(owned.cg);
	return exit_status(err);
}

static int unattach(struct instance *in, __u64 id)
{
	struct hop_cgroup cg = {};
	int err;

	bpf_map_lookup_elem(in->map[MAP_CGROUPS], &id, &cg);
	err = instance_unattach(in, id);
	if (err)
		msg_error("cannot detach from %s: %s", cg.path, strerror(-err));
	else if (cg.flags & HOP_CG_OWNED)
		remove_owned(cg.path);
	return err;
}

int lifecycle_detach_some(struct instance *in, const __u64 *ids, unsigned int n, unsigned int timeout_ms)
{
	struct netns_list all = {};
	struct walks walks = {};
	struct pass pass;
	int left, err = 0;

	for (unsigned int i = 0; i < n && !err; i++)
		err = instance_mark_leaving(in, ids[i]);
	if (err) {
		msg_error("cannot detach: %s", strerror(-err));
		return exit_status(err);
	}
	in->config->leaving = n;
	left = drain(in, &walks, timeout_ms);
	for (unsigned int i = 0; i < n && !err && !left; i++)
		err = unattach(in, ids[i]);
	/* what registered between the last pass and the end of the callbacks */
	if (!left && !err && !netns_list_all(&all, in))
		pass_visit(in, &walks, &all, 0, now_ns() + PASS_GRACE_MS * 1000000ull, &pass);
	netns_list_free(&all);
	in->config->leaving = 0;
	if (left)
		report_left(in, left, &walks);
	walks_free(&walks);
	return left ? EXIT_FAIL : exit_status(err);
}
