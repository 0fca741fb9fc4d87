// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "cmd.h"
#include "configured.h"
#include "agent/config/record.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/privileges.h"
#include "agent/daemon/spawn.h"
#include "agent/lib/util.h"

struct signals {
	int fd;
	const char *instance;
};

/* 1: it shall end. A SIGHUP is for a process of its own: members may have to leave. */
static int on_signal(void *arg)
{
	const struct signals *s = arg;
	struct signalfd_siginfo si;
	int err;

	if (read(s->fd, &si, sizeof(si)) != sizeof(si))
		return 0;
	if (si.ssi_signo != SIGHUP)
		return 1;
	err = agent_fork(cmd_configured_reload, s->instance);
	if (err)
		msg_warn("cannot read the configuration again: %s", strerror(-err));
	return 0;
}

/* Run until SIGTERM or SIGINT. 0 or -errno. */
static int run_until_signal(struct agent *a, struct signals *s)
{
	_cleanup_close_ int fd = -1;
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = s->fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = agent_run(a, fd, on_signal, s);
	return ret > 0 ? 0 : ret;
}

struct agent_args {
	const char *instance, *config;
};

/* Attached by its file before: then that is in force, whatever has become of the file. */
static int attach_first(const char *file, const char *instance)
{
	struct config c = {0};
	struct instance in;

	if (!instance_open(&in, instance, INSTANCE_READ)) {
		int err = record_read(instance, NULL, &c, NULL);

		instance_close(&in);
		config_free(&c);
		if (!err)
			return EXIT_OK;
	}
	return cmd_configured_attach(file, instance, false);
}

static int be_agent(void *args, int n, char **operand)
{
	const struct agent_args *arg = args;
	char path[PATH_MAX], name[64] = INSTANCE_DEFAULT;
	int ready = agent_ready_fd(), err;
	struct signals signals = {.instance = name};
	struct agent *a = NULL;

	(void)n;
	(void)operand;
	if (arg->config)
		config_locate(arg->config, path, sizeof(path), name, sizeof(name));
	if (arg->instance)
		snprintf(name, sizeof(name), "%s", arg->instance);
	err = arg->config ? attach_first(arg->config, name) : 0;
	if (err)
		return err;
	prctl(PR_SET_NAME, "sockhop"); /* "exe" otherwise, if it was started by the path /proc/self/exe */
	err = agent_new(&a, name);
	if (!err) {
		err = privileges_drop();
		if (err)
			agent_free(a);
	}
	agent_report_ready(ready, err);
	if (err)
		return cmd_failed(FAILED_AGENT, err, name);
	agent_lock_until_exit(a);
	err = run_until_signal(a, &signals);
	agent_free(a);
	return err ? cmd_failed(FAILED_AGENT_RUN, err, name) : EXIT_OK;
}

static const struct cmd_option options[] = {
	CMD_CONFIG(offsetof(struct agent_args, config)),
	CMD_INSTANCE(offsetof(struct agent_args, instance)),
	{0},
};

const struct command cmd_agent = {
	.name = "agent",
	.summary = "be the agent of an instance, in the foreground",
	.options = options,
	.size = sizeof(struct agent_args),
	.text = "The agent lets candidates join and members leave. There is one per instance; it may be "
		"stopped and started again at any moment. With --config it first attaches what the file "
		"says, unless the instance is attached by it already. SIGHUP: as `sockhop reload`.",
	.run = be_agent,
};
