// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "agent/daemon/lifecycle.h"
#include "agent/daemon/other_abi.h"
#include "agent/instance/folder.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

#define DEFAULT_TIMEOUT_S 10

struct others {
	const __u64 *ids;
	int n;
};

/* One that stays when these have gone; of those that a former detach could not finish, none does. */
static int stays(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	const struct others *o = arg;

	for (int i = 0; i < o->n; i++)
		if (o->ids[i] == id)
			return 0;
	return !(cg->flags & HOP_CG_LEAVING);
}

struct by_path {
	const char *path;
	__u64 id;
};

static int match_path(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	struct by_path *b = arg;

	if (strcmp(cg->path, b->path))
		return 0;
	b->id = id;
	return 1;
}

/* An attached cgroup by the operator's word for it; it need not exist any more. */
static int find_attached(const struct instance *in, const char *arg, __u64 *id)
{
	char path[PATH_MAX];
	struct by_path b = {.path = path};

	if (cgroup_resolve(arg, path, sizeof(path)))
		snprintf(path, sizeof(path), "%s", arg);
	if (instance_each_cgroup(in, match_path, &b)) {
		*id = b.id;
		return EXIT_OK;
	}
	msg_error("instance '%s' is not attached to '%s': see `sockhop status`", in->name, arg);
	return EXIT_NOT_ATTACHED;
}

static int detach_cgroups(const char *name, int n, char **argv, unsigned int timeout_ms)
{
	_cleanup_free_ __u64 *ids = calloc(n, sizeof(*ids));
	struct others others = {ids, n};
	struct instance in;
	int status = instance_open_explained(&in, name, INSTANCE_LOCK);

	if (status)
		return status;
	for (int i = 0; i < n && !status; i++)
		status = ids ? find_attached(&in, argv[i], &ids[i]) : EXIT_FAIL;
	if (status) {
		instance_close(&in);
		return status;
	}
	if (!instance_each_cgroup(&in, stays, &others))
		return lifecycle_detach_all(&in, timeout_ms);
	status = lifecycle_detach_some(&in, ids, n, timeout_ms);
	instance_close(&in);
	return status;
}

struct detach_all {
	unsigned int timeout_ms, n;
	const char *only; /* this instance and what is left of it from before; NULL: every instance */
	int status;
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
static int detach_other(const char *name, unsigned int timeout_ms)
{
	int left = other_abi_detach(name, timeout_ms);

	if (left > 0)
		msg_error("%d members of '%s', which another version of sockhop made, have not been read "
			  "empty by "
			  "their programs and stay until they are; run `sockhop detach --all` again later",
			  left, name);
	else if (left < 0)
		msg_error("cannot take down '%s', which another version of sockhop made: %s", name,
			  strerror(-left));
	return left > 0 ? EXIT_FAIL : exit_status(left);
}

static int detach_one(const char *name, void *arg)
{
	struct detach_all *d = arg;
	struct instance in;
	int err, status;

	if (d->only && strcmp(name, d->only) && !is_leftover_of(name, d->only))
		return 0;
	if (is_being_made(name))
		return 0;
	d->n++;
	err = instance_open(&in, name, INSTANCE_LOCK);
	if (err == -ENOENT) {
		/* half of an instance: its maker was killed; nothing of it was ever attached */
		err = instance_remove(name);
		if (err == -ENOENT)
			err = 0; /* somebody else has just taken it down */
		if (err)
			msg_error("cannot remove what is left of '%s': %s", name, strerror(-err));
		status = exit_status(err);
	} else if (err == -EPROTO) {
		status = detach_other(name, d->timeout_ms);
	} else {
		if (!err)
			instance_close(&in);
		status = instance_open_explained(&in, name, INSTANCE_LOCK);
		if (!status)
			status = lifecycle_detach_all(&in, d->timeout_ms);
	}
	if (status)
		d->status = status;
	return 0;
}

static int detach_instances(const char *only, unsigned int timeout_ms)
{
	struct detach_all d = {.timeout_ms = timeout_ms, .only = only};
	int err = instance_each(detach_one, &d);

	instances_tidy();
	if (err == -FOLDER_STRANGE) {
		msg_error(FOLDER_STRANGE_TEXT);
		return EXIT_FAIL;
	}
	if (err == -EPERM || err == -EACCES) {
		msg_error("no permission to open the pin folder: run as root, or as its owner");
		return EXIT_PERMISSION;
	}
	if (d.n)
		return d.status;
	msg_error("not attached: nothing to detach");
	return EXIT_NOT_ATTACHED;
}

int cmd_detach(int argc, char **argv)
{
	const char *name = NULL;
	unsigned int timeout = DEFAULT_TIMEOUT_S;
	bool all = false;
	const struct cmd_option options[] = {
		{"instance", CMD_STRING, &name},
		{"all", CMD_FLAG, &all},
		{"timeout", CMD_NUMBER, &timeout},
		{},
	};
	int n = cmd_parse(argc, argv, options, CMD_PERMUTE);

	if (n < 0)
		return cmd_parse_status(n);
	if (all && n)
		return cmd_usage_error("detach", "either --all or single cgroups");
	if (timeout > 86400)
		return cmd_usage_error("detach", "--timeout is at most 86400 seconds");
	if (all && !name) /* every instance; with --instance NAME only that one */
		return detach_instances(NULL, timeout * 1000);
	if (!name)
		name = INSTANCE_DEFAULT;
	if (n)
		return detach_cgroups(name, n, argv + 1, timeout * 1000);
	return detach_instances(name, timeout * 1000);
}
