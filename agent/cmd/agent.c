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
#include "agent/daemon/lifecycle.h"
#include "agent/daemon/privileges.h"
#include "agent/daemon/spawn.h"
#include "agent/instance/instances.h"
#include "agent/lib/util.h"

#define DETACH_MAX_S 86400

struct signals {
	sigset_t set;
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

/* From now on they wait until somebody asks for them. */
static int hold_signals(struct signals *s)
{
	sigemptyset(&s->set);
	sigaddset(&s->set, SIGTERM);
	sigaddset(&s->set, SIGINT);
	sigaddset(&s->set, SIGHUP);
	return sigprocmask(SIG_BLOCK, &s->set, NULL) ? -errno : 0;
}

/* 1: ended by SIGTERM or SIGINT; 0: the instance is being detached; -errno. */
static int run_until_signal(struct agent *a, struct signals *s)
{
	_cleanup_close_ int fd = -1;
	int err = hold_signals(s);

	if (err)
		return err;
	fd = s->fd = signalfd(-1, &s->set, SFD_CLOEXEC);
	return fd < 0 ? -errno : agent_run(a, fd, on_signal, s);
}

/* The agent was told to end, and the instance is to go with it (design.md, I60). */
static int detach_last(const char *instance, unsigned int timeout_s)
{
	struct report r = {};
	struct instance in;
	int status = cmd_open(&in, instance, INSTANCE_LOCK);

	if (status != EXIT_OK)
		return status == EXIT_NOT_ATTACHED ? EXIT_OK : status; /* somebody else was faster */
	return cmd_report(&r, lifecycle_detach_all(&in, timeout_s * 1000, &r));
}

struct agent_args {
	const char *instance, *config;
	unsigned int detach; /* seconds, or CMD_NONE */
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
	if (!bpffs_lasts())
		return cmd_failed(FAILED_BPFFS, -EXDEV, NULL);
	return cmd_configured_attach(file, instance, false);
}

/* Opens the instance, with what is needed for that; from then on without. */
static int begin(struct agent **a, const char *instance)
{
	int err = agent_new(a, instance);

	if (err)
		return err;
	err = privileges_drop();
	if (err)
		agent_free(*a);
	return err;
}

static int serve(struct agent *a, struct signals *s, unsigned int detach)
{
	int err = run_until_signal(a, s);
	bool last = err > 0 && detach != CMD_NONE;

	/* who detaches waits for the agent: not for itself */
	if (!last)
		agent_lock_until_exit(a);
	agent_free(a);
	if (last)
		return detach_last(s->instance, detach);
	return err < 0 ? cmd_failed(FAILED_AGENT_RUN, err, s->instance) : EXIT_OK;
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
	/* one that comes while it is being attached counts, too */
	err = arg->detach != CMD_NONE ? hold_signals(&signals) : 0;
	if (!err && arg->config)
		err = attach_first(arg->config, name);
	if (err > 0)
		return err;
	prctl(PR_SET_NAME, "sockhop"); /* "exe" otherwise, if it was started by the path /proc/self/exe */
	err = err ?: begin(&a, name);
	agent_report_ready(ready, err);
	return err ? cmd_failed(FAILED_AGENT, err, name) : serve(a, &signals, arg->detach);
}

static const struct cmd_option options[] = {
	CMD_CONFIG(offsetof(struct agent_args, config)),
	{
		.name = "detach",
		.type = CMD_SECONDS,
		.offset = offsetof(struct agent_args, detach),
		.arg = "S",
		.max = DETACH_MAX_S,
		.preset = CMD_NONE,
		.help = "at SIGTERM or SIGINT detach the instance, giving members S seconds to leave",
		.more = "For where nothing can be run after the agent, as in a container without a shell. "
			"The exit "
			"status is then that of *sockhop-detach*(8). An agent that is killed detaches "
			"nothing.",
	},
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
