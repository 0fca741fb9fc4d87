// SPDX-License-Identifier: GPL-2.0-only
/* config.c: `config check` and `reload`. */
#include <string.h>

#include "configured.h"
#include "agent/lib/util.h"

struct config_args {
	const char *instance;
};

static int config(void *args, int n, char **operand)
{
	struct configured c;
	int status = cmd_configured_read(operand[1], NULL, &c);

	(void)args;
	(void)n;
	if (status)
		return status;
	printf("%s: ok, %zu selectors\n", c.config.file, c.config.n);
	configured_free(&c);
	return EXIT_OK;
}

static const struct cmd_verb verbs[] = {
	{.name = "check",
	 .operand = "FILE",
	 .completes = CMD_FILES,
	 .help = "is the file right? attaches nothing",
	 .more = "A NAME stands for /etc/sockhop/NAME.conf. It says the place of the first mistake, as "
		 "FILE:LINE:COLUMN; then the exit status is 1."},
	{0},
};

const struct command cmd_config = {
	.name = "config",
	.summary = "check a configuration file",
	.verbs = verbs,
	.size = sizeof(struct config_args),
	.text = "What a file may say: sockhop.conf(5). `sockhop attach --dry-run --config FILE` shows what "
		"it "
		"means now.",
	.run = config,
};

static int reload(void *args, int n, char **operand)
{
	const struct config_args *a = args;

	(void)n;
	(void)operand;
	return cmd_configured_reload(a->instance ?: INSTANCE_DEFAULT);
}

static const struct cmd_option options[] = {CMD_INSTANCE(offsetof(struct config_args, instance)), {0}};

const struct command cmd_reload = {
	.name = "reload",
	.summary = "read the configuration file of an instance again",
	.options = options,
	.size = sizeof(struct config_args),
	.text = "What is selected now is attached, what is selected no more is detached, the policy is "
		"replaced. "
		"Where the file has a mistake nothing changes, and the exit status is 1. A SIGHUP to the "
		"agent "
		"does the same.",
	.run = reload,
};
