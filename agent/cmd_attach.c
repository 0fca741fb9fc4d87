// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "agent.h"
#include "cmd_session.h"
#include "util.h"

/* What this call has added, to take it back if a later step fails. */
struct added {
	char (*path)[PATH_MAX];
	unsigned int n;
};

static int start_agent(const struct instance *in)
{
	int err;

	if (instance_agent_alive(in, NULL)) {
		instance_poke(in);
		return EXIT_OK;
	}
	err = agent_spawn(in->name);
	if (!err || err == -EBUSY)
		return EXIT_OK;
	if (err == -EOPNOTSUPP)
		msg_error("attached, but no agent can work here: " AGENT_WHERE "; run `sockhop agent` there");
	else
		msg_error("attached, but the agent does not start: %s; run `sockhop agent`", strerror(-err));
	return exit_status(err);
}

static int resolve_all(int n, char **argv, struct added *a)
{
	int status = EXIT_OK;

	a->path = calloc(n, sizeof(*a->path));
	if (!a->path)
		return EXIT_FAIL;
	for (int i = 0; i < n && !status; i++)
		status = session_resolve(argv[i], a->path[i], sizeof(a->path[i]));
	a->n = n;
	return status;
}

static int attach_all(struct instance *in, const struct added *a)
{
	int status = EXIT_OK;

	for (unsigned int i = 0; i < a->n && !status; i++)
		status = session_attach(in, a->path[i], 0);
	return status;
}

struct attach_args {
	struct session_options session; /* CMD_SESSION_OPTIONS: first */
	const char *instance;
	bool no_agent;
};

static int attach(void *args, int n, char **operand)
{
	struct attach_args *a = args;
	struct added added = {};
	struct instance in;
	bool created = false;
	int status;

	if (n == 0)
		return cmd_usage_error("attach", "which cgroup?");
	a->session.instance = a->instance ?: INSTANCE_DEFAULT;
	/* all arguments are looked at before anything is made */
	status = resolve_all(n, operand, &added);
	if (!status)
		status = session_open(&in, &a->session, &created);
	if (status) {
		free(added.path);
		return status;
	}
	status = attach_all(&in, &added);
	if (status && created) {
		session_detach_all(&in, 0);
	} else {
		if (!status && !a->no_agent)
			status = start_agent(&in);
		instance_close(&in);
	}
	free(added.path);
	return status;
}

static const struct cmd_option options[] = {
	CMD_SESSION_OPTIONS,
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
	.operands = "CGROUP...",
	.completes = CMD_CGROUPS,
	.options = options,
	.size = sizeof(struct attach_args),
	.text = "A CGROUP is a folder of the cgroup v2 tree, absolute or below its mount. All cgroups of an "
		"instance share one set of maps, so connections between them hop too. Attaching again "
		"changes nothing; attaching another cgroup adds it.",
	.run = attach,
};
