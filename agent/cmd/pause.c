// SPDX-License-Identifier: GPL-2.0-only
#include "cmd.h"
#include "agent/instance/pause.h"
#include "agent/lib/util.h"

#define PAUSE_MAX 3600

struct pause_args {
	const char *instance;
	unsigned int seconds;
};

static int set_pause(const char *name, unsigned int seconds)
{
	struct instance in;
	int status = cmd_open(&in, name, 0);

	if (status)
		return status;
	instance_pause(&in, seconds);
	instance_close(&in);
	return EXIT_OK;
}

static int run_pause(void *args, int n, char **operand)
{
	const struct pause_args *a = args;

	(void)n;
	(void)operand;
	return set_pause(a->instance, a->seconds);
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
	.options = pause_options,
	.size = sizeof(struct pause_args),
	.text = "It ends by itself, even if the agent has died. Members stay members.",
	.run = run_pause,
};

struct resume_args {
	const char *instance;
};

static int run_resume(void *args, int n, char **operand)
{
	const struct resume_args *a = args;

	(void)n;
	(void)operand;
	return set_pause(a->instance, 0);
}

static const struct cmd_option resume_options[] = {CMD_INSTANCE(offsetof(struct resume_args, instance)), {0}};

const struct command cmd_resume = {
	.name = "resume",
	.summary = "end a pause before its time",
	.options = resume_options,
	.size = sizeof(struct resume_args),
	.run = run_resume,
};
