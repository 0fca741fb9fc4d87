// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "agent/daemon/lifecycle.h"
#include "agent/daemon/spawn.h"
#include "agent/lib/util.h"

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
		status = lifecycle_resolve(argv[i], a->path[i], sizeof(a->path[i]));
	a->n = n;
	return status;
}

static int attach_all(struct instance *in, const struct added *a)
{
	int status = EXIT_OK;

	for (unsigned int i = 0; i < a->n && !status; i++)
		status = lifecycle_attach(in, a->path[i], 0);
	return status;
}

int cmd_attach(int argc, char **argv)
{
	struct lifecycle_options o = {.instance = INSTANCE_DEFAULT,
				      .idle_timeout = DEFAULT_IDLE_TIMEOUT,
				      .heartbeat = DEFAULT_HEARTBEAT};
	bool no_agent = false, created = false;
	const struct cmd_option options[] = {
		{"instance", CMD_STRING, &o.instance},
		{"policy", CMD_STRING, &o.policy_file},
		{"max-connections", CMD_NUMBER, &o.max_connections},
		{"idle-timeout", CMD_NUMBER, &o.idle_timeout},
		{"heartbeat", CMD_NUMBER, &o.heartbeat},
		{"no-agent", CMD_FLAG, &no_agent},
		{},
	};
	struct added added = {};
	struct instance in;
	int n = cmd_parse(argc, argv, options, CMD_PERMUTE), status;

	if (n < 0)
		return cmd_parse_status(n);
	if (n == 0)
		return cmd_usage_error("attach", "which cgroup?");
	/* all arguments are looked at before anything is made */
	status = resolve_all(n, argv + 1, &added);
	if (!status)
		status = lifecycle_open(&in, &o, &created);
	if (status) {
		free(added.path);
		return status;
	}
	status = attach_all(&in, &added);
	if (status && created) {
		lifecycle_detach_all(&in, 0);
	} else {
		if (!status && !no_agent)
			status = start_agent(&in);
		instance_close(&in);
	}
	free(added.path);
	return status;
}
