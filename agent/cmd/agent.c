// SPDX-License-Identifier: GPL-2.0-only
/* agent.c: `sockhop agent`, in the foreground, or as the daemon that agent_spawn() started. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "cmd.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/spawn.h"
#include "agent/instance/instance.h"
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

int cmd_agent(int argc, char **argv)
{
	const char *name = INSTANCE_DEFAULT;
	const struct cmd_option options[] = {{"instance", CMD_STRING, &name}, {}};
	int n = cmd_parse(argc, argv, options, CMD_PERMUTE), ready, status, err;
	struct agent *a = NULL;
	struct instance in;

	if (n < 0)
		return cmd_parse_status(n);
	if (n > 0)
		return cmd_usage_error("agent", "unexpected argument '%s'", argv[1]);
	status = instance_open_explained(&in, name, 0); /* says what is wrong if it cannot be opened */
	if (status)
		return status;
	instance_close(&in);
	ready = agent_ready_fd();
	err = agent_new(&a, name);
	agent_report_ready(ready, err);
	if (err == -EBUSY)
		msg_error("instance '%s' has an agent already", name);
	else if (err == -EOPNOTSUPP)
		msg_error("no agent of '%s' can work here: " AGENT_WHERE, name);
	else if (err)
		msg_error("cannot start the agent of '%s': %s", name, strerror(-err));
	if (err)
		return exit_status(err);
	agent_lock_until_exit(a);
	err = run_until_signal(a);
	agent_free(a);
	if (err)
		msg_error("the agent of '%s' failed: %s", name, strerror(-err));
	return exit_status(err);
}
