// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "agent/daemon/lifecycle.h"
#include "agent/daemon/other_abi.h"
#include "agent/instance/instances.h"
#include "agent/lib/progress.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

#define DEFAULT_TIMEOUT_S 10
#define TIMEOUT_MAX_S	  86400

/* The entries of all cgroups that are to go. Of one path there may be several, all but one of the past. */
struct chosen {
	__u64 *id;
	size_t n, room;
	char path[PATH_MAX]; /* the one that is being looked for */
	int found;
};

/* One that stays when these have gone; of those that a former detach could not finish, none does. */
static int stays(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	const struct chosen *c = arg;

	for (size_t i = 0; i < c->n; i++)
		if (c->id[i] == id)
			return 0;
	return !(cg->flags & HOP_CG_LEAVING);
}

static int choose(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	struct chosen *c = arg;
	__u64 *p;

	if (strcmp(cg->path, c->path))
		return 0;
	c->found++;
	p = array_grow(c->id, c->n, &c->room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	c->id = p;
	p[c->n++] = id;
	return 0;
}

/* Attached cgroups by the operator's words for them; they need not exist any more. */
static int choose_all(const struct instance *in, int n, char **argv, struct chosen *c)
{
	for (int i = 0; i < n; i++) {
		int err = cgroup_resolve(argv[i], c->path, sizeof(c->path));

		c->found = 0;
		if (err)
			err = cgroup_resolve_gone(argv[i], c->path, sizeof(c->path));
		if (!err && instance_each_cgroup(in, choose, c))
			return exit_status(-ENOMEM);
		if (c->found)
			continue;
		msg_error("instance '%s' is not attached to '%s': see `sockhop status`", in->name, argv[i]);
		return EXIT_NOT_ATTACHED;
	}
	return EXIT_OK;
}

static int detach_chosen(struct instance *in, struct chosen *c, unsigned int timeout_ms)
{
	struct report r = {};
	int err;

	if (!instance_each_cgroup(in, stays, c))
		return cmd_report(&r, lifecycle_detach_all(in, timeout_ms, &r));
	err = lifecycle_detach_some(in, c->id, c->n, timeout_ms, &r);
	instance_poke(in); /* the agent need not follow them any more; it does not in any case */
	instance_close(in);
	return cmd_report(&r, err);
}

static int detach_cgroups(const char *name, int n, char **argv, unsigned int timeout_ms)
{
	struct chosen chosen = {};
	struct instance in;
	int status = cmd_open(&in, name, INSTANCE_LOCK);

	if (status)
		return status;
	status = choose_all(&in, n, argv, &chosen);
	if (status)
		instance_close(&in);
	else
		status = detach_chosen(&in, &chosen, timeout_ms);
	free(chosen.id);
	return status;
}

struct detach_all {
	unsigned int timeout_ms, n;
	const char *only; /* this instance and what is left of it from before; NULL: every instance */
	struct report r;
};

static bool is_leftover_of(const char *name, const char *of)
{
	size_t n = strlen(of);

	return !strncmp(name, of, n) && !strncmp(name + n, "-draining-", 10);
}

/*
 * A folder "NAME-new-PID" belongs to an attach that is at work. If that has been killed instances_tidy()
 * removes it, under the lock that tells: the number means nothing in another pid namespace.
 */
static bool is_being_made(const char *name)
{
	return instance_stage_pid(name) != 0;
}

/* An instance of another version. */
static void detach_other(const char *name, struct detach_all *d)
{
	int left = other_abi_detach(name, d->timeout_ms);
	char text[16];

	snprintf(text, sizeof(text), "%d", left);
	if (left > 0)
		report_add_detail(&d->r, FAILED_OTHER_UNREAD, -EBUSY, name, text);
	else if (left < 0)
		report_add(&d->r, FAILED_OTHER, left, name);
}

static int detach_one(const char *name, void *arg)
{
	struct detach_all *d = arg;
	struct instance in;
	int err;

	if (d->only && strcmp(name, d->only) && !is_leftover_of(name, d->only))
		return 0;
	if (is_being_made(name))
		return 0;
	d->n++;
	err = instance_open(&in, name, INSTANCE_LOCK);
	if (!err) {
		lifecycle_detach_all(&in, d->timeout_ms, &d->r);
	} else if (err == -ENOENT) {
		/* half of an instance: its maker was killed; nothing of it was ever attached */
		err = instance_remove(name);
		if (err && err != -ENOENT) /* that: somebody else has just taken it down */
			report_add(&d->r, FAILED_REMOVE_REST, err, name);
	} else if (err == -EPROTO) {
		detach_other(name, d);
	} else {
		report_add(&d->r, FAILED_OPEN, err, name);
	}
	return 0;
}

static int detach_instances(const char *only, unsigned int timeout_ms)
{
	struct detach_all d = {.timeout_ms = timeout_ms, .only = only};
	int err = instance_each(detach_one, &d);

	instances_tidy();
	if (err || !d.n)
		report_add(&d.r, FAILED_FOLDER, err ?: -ENOENT, NULL);
	return cmd_report(&d.r, err);
}

struct detach_args {
	const char *instance;
	unsigned int timeout;
	bool all;
};

static int detach(void *args, int n, char **operand)
{
	const struct detach_args *a = args;
	const char *name = a->instance ?: INSTANCE_DEFAULT;

	if (a->all && n)
		return cmd_usage_error("detach", "either --all or single cgroups");
	progress_begin();
	if (a->all) /* every instance; with --instance NAME only that one */
		return detach_instances(a->instance, a->timeout * 1000);
	if (n)
		return detach_cgroups(name, n, operand, a->timeout * 1000);
	return detach_instances(name, a->timeout * 1000);
}

static const struct cmd_option options[] = {
	{
		.name = "all",
		.type = CMD_FLAG,
		.offset = offsetof(struct detach_args, all),
		.help = "all cgroups of the instance, and the instance itself",
		.more = "Without *--instance*: those of all instances.",
	},
	{
		.name = "timeout",
		.type = CMD_SECONDS,
		.offset = offsetof(struct detach_args, timeout),
		.arg = "S",
		.max = TIMEOUT_MAX_S,
		.preset = DEFAULT_TIMEOUT_S,
		.help = "give up waiting for members to leave after S seconds",
		.more = "Give or take half a second.",
	},
	CMD_INSTANCE(offsetof(struct detach_args, instance)),
	{0},
};

const struct command cmd_detach = {
	.name = "detach",
	.summary = "take cgroups out without losing a byte; connections live on over TCP",
	.operands = "[CGROUP...]",
	.completes = CMD_CGROUPS,
	.options = options,
	.size = sizeof(struct detach_args),
	.text = "A connection whose reader leaves bytes unread cannot leave until it reads. What does not "
		"drain in time is reported and stays correct; a later detach finishes it.",
	.run = detach,
};
