// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "cmd.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/privileges.h"
#include "agent/daemon/spawn.h"
#include "agent/lib/util.h"

static int on_signal(void *arg)
{
	struct signalfd_siginfo si;

	return read(*(int *)arg, &si, sizeof(si)) == sizeof(si) ? 1 : 0;
}

/* Run until SIGTERM or SIGINT. 0 or -errno. */
static int run_until_signal(struct agent *a)
{
	_cleanup_close_ int fd = -1;
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = agent_run(a, fd, on_signal, &fd);
	return ret > 0 ? 0 : ret;
}

struct agent_args {
	const char *instance;
};

static int be_agent(void *args, int n, char **operand)
{
	const struct agent_args *arg = args;
	const char *name = arg->instance ?: INSTANCE_DEFAULT;
	int ready = agent_ready_fd(), err;
	struct agent *a = NULL;

	(void)n;
	(void)operand;
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
	err = run_until_signal(a);
	agent_free(a);
	return err ? cmd_failed(FAILED_AGENT_RUN, err, name) : EXIT_OK;
}

static const struct cmd_option options[] = {CMD_INSTANCE(offsetof(struct agent_args, instance)), {0}};

const struct command cmd_agent = {
	.name = "agent",
	.summary = "be the agent of an instance, in the foreground",
	.options = options,
	.size = sizeof(struct agent_args),
	.text = "The agent lets candidates join and members leave. There is one per instance; it may be "
		"stopped and started again at any moment.",
	.run = be_agent,
};
