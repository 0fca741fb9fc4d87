// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "limits.h"
#include "configured.h"
#include "agent/daemon/lifecycle.h"
#include "agent/lib/progress.h"
#include "agent/lib/util.h"

/* What this call has added, to take it back if a later step fails. */
struct added {
	char (*path)[PATH_MAX];
	unsigned int n;
};

static int resolve_all(const char *instance, int n, char **argv, struct added *a, struct report *r)
{
	int err = 0;

	a->path = calloc(n, sizeof(*a->path));
	if (!a->path)
		return -ENOMEM;
	for (int i = 0; i < n && !err; i++)
		err = lifecycle_resolve(instance, argv[i], a->path[i], sizeof(a->path[i]), r);
	a->n = n;
	return err;
}

static int attach_all(struct instance *in, const struct added *a, struct report *r)
{
	int err = 0;

	for (unsigned int i = 0; i < a->n && !err; i++)
		err = lifecycle_attach(in, a->path[i], 0, r);
	return err;
}

struct attach_args {
	struct lifecycle_options lifecycle; /* CMD_ATTACH_OPTIONS: first */
	const char *instance, *config;
	bool no_agent, dry_run, json;
};

/* The agent is started after all is attached; what was made for this is taken back if that fails. */
static int attach_and_start(const struct attach_args *a, const struct added *added, struct report *r)
{
	struct instance in;
	bool created;
	int err = lifecycle_open(&in, &a->lifecycle, &created, r);

	if (err)
		return err;
	err = attach_all(&in, added, r);
	if (err && created) {
		lifecycle_detach_all(&in, 0, r);
		return err;
	}
	if (!err && !a->no_agent)
		err = lifecycle_start_agent(&in, r);
	instance_close(&in);
	return err;
}

/* What the file says is not said here, too. */
static int attach_configured(const struct attach_args *a, int n)
{
	const struct lifecycle_options *o = &a->lifecycle;

	if (n)
		return cmd_usage_error("attach", "either --config or cgroups");
	if (o->policy_file || o->max_connections != DEFAULT_MAX_CONNECTIONS ||
	    o->idle_timeout != DEFAULT_IDLE_TIMEOUT || o->heartbeat != DEFAULT_HEARTBEAT)
		return cmd_usage_error("attach", "with --config the file has the policy, limits and times");
	if (o->observe)
		return cmd_usage_error("attach",
				       "--observe does not go with --config: its cgroups would join");
	if (a->dry_run)
		return cmd_configured_show(a->config, a->instance, a->json);
	return cmd_configured_attach(a->config, a->instance, !a->no_agent);
}

static int attach(void *args, int n, char **operand)
{
	struct attach_args *a = args;
	struct added added = {};
	struct report r = {};
	int err;

	if (a->config)
		return attach_configured(a, n);
	if (a->dry_run || a->json)
		return cmd_usage_error("attach", "--%s goes with --config", a->dry_run ? "dry-run" : "json");
	if (n == 0)
		return cmd_usage_error("attach", "which cgroup?");
	a->lifecycle.instance = a->instance ?: INSTANCE_DEFAULT;
	progress_begin();
	/* all arguments are looked at before anything is made */
	err = resolve_all(a->lifecycle.instance, n, operand, &added, &r);
	if (!err)
		err = attach_and_start(a, &added, &r);
	free(added.path);
	return cmd_report(&r, err);
}

static const struct cmd_option options[] = {
	CMD_CONFIG(offsetof(struct attach_args, config)),
	{
		.name = "dry-run",
		.type = CMD_FLAG,
		.offset = offsetof(struct attach_args, dry_run),
		.help = "show which cgroups the file means now, and attach nothing",
		.more = "With *--config*.",
	},
	CMD_JSON(offsetof(struct attach_args, json), "With *--dry-run*."),
	CMD_ATTACH_OPTIONS,
	{
		.name = "no-agent",
		.type = CMD_FLAG,
		.offset = offsetof(struct attach_args, no_agent),
		.help = "start no agent: a service manager runs `sockhop agent`",
	},
	CMD_INSTANCE(offsetof(struct attach_args, instance)),
	{0},
};

const struct command cmd_attach = {
	.name = "attach",
	.summary = "put cgroups under sockhop and start the agent",
	.operands = "[CGROUP...]",
	.completes = CMD_CGROUPS,
	.options = options,
	.size = sizeof(struct attach_args),
	.text = "A CGROUP is a folder of the cgroup v2 tree, absolute or below its mount. All cgroups of an "
		"instance share one set of maps, so connections between them hop too. Attaching again "
		"changes nothing; attaching another cgroup adds it. A path stays attached when its cgroup is "
		"removed and made again, as when its service restarts. With --config a file says what is "
		"attached, also when it appears later: sockhop.conf(5).",
	.run = attach,
};
