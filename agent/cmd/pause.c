// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>

#include "cmd.h"
#include "selected.h"
#include "agent/instance/pause.h"
#include "agent/lib/util.h"

#define PAUSE_MAX 3600

struct pause_args {
	const char *instance;
	unsigned int seconds;
};

static int set_some(struct instance *in, unsigned int seconds, int n, char **selector)
{
	struct selected_cgroups some;
	int status = cmd_selected(in, n, selector, &some);

	if (!status && instance_pause_some(in, some.id, some.n, seconds) == -ENOSPC) {
		msg_error("no more than %d cgroups can be paused at a time: end a pause with `sockhop "
			  "resume`, or "
			  "pause a cgroup above them",
			  HOP_PAUSES);
		status = EXIT_FAIL;
	}
	if (!status && !seconds && instance_paused(in))
		msg_warn("instance '%s' is paused as a whole for %u s still: `sockhop resume` ends that",
			 in->name, instance_paused(in));
	free(some.id);
	return status;
}

/* 0 seconds: it ends. Without selectors all of the instance, and then no lock is needed. */
static int set_pause(const char *name, unsigned int seconds, int n, char **selector)
{
	struct instance in;
	int status = cmd_open(&in, name, n ? INSTANCE_LOCK : 0);

	if (status)
		return status;
	if (n)
		status = set_some(&in, seconds, n, selector);
	else
		instance_pause(&in, seconds);
	instance_close(&in);
	return status;
}

static int run_pause(void *args, int n, char **operand)
{
	const struct pause_args *a = args;

	return set_pause(a->instance, a->seconds, n, operand);
}

static const struct cmd_option pause_options[] = {
	{
		.name = "for",
		.type = CMD_SECONDS,
		.offset = offsetof(struct pause_args, seconds),
		.arg = "S",
		.min = 1,
		.max = PAUSE_MAX,
		.preset = 60,
		.help = "messages hop again after S seconds",
	},
	CMD_INSTANCE(offsetof(struct pause_args, instance)),
	{0},
};

const struct command cmd_pause = {
	.name = "pause",
	.summary = "take all messages to TCP for a while, so that tcpdump sees them",
	.operands = "[SELECTOR...]",
	.completes = CMD_CGROUPS,
	.options = pause_options,
	.size = sizeof(struct pause_args),
	.text = "It ends by itself, even if the agent has died. Members stay members.\n"
		"With selectors only the messages from and to these cgroups, and those below them, take "
		"TCP. " SELECTED_TEXT,
	.run = run_pause,
};

struct resume_args {
	const char *instance;
};

static int run_resume(void *args, int n, char **operand)
{
	const struct resume_args *a = args;

	return set_pause(a->instance, 0, n, operand);
}

static const struct cmd_option resume_options[] = {CMD_INSTANCE(offsetof(struct resume_args, instance)), {0}};

const struct command cmd_resume = {
	.name = "resume",
	.summary = "end a pause before its time",
	.operands = "[SELECTOR...]",
	.completes = CMD_CGROUPS,
	.options = resume_options,
	.size = sizeof(struct resume_args),
	.text = "With selectors only the pauses of these cgroups end. " SELECTED_TEXT,
	.run = run_resume,
};
