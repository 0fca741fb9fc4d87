// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <bpf/libbpf.h>
#include <json-c/json.h>

#include "cmd.h"
#include "usage.h"
#include "agent/lib/text.h"
#include "agent/lib/progress.h"
#include "agent/lib/util.h"
#include "agent/view/output.h"

/* In the order in which help shows them. */
const struct command *const commands[] = {
	&cmd_attach, &cmd_detach,    &cmd_reload, &cmd_config,	&cmd_run,     &cmd_agent,  &cmd_status,
	&cmd_list,   &cmd_advise,    &cmd_top,	  &cmd_metrics, &cmd_check,   &cmd_policy, &cmd_pause,
	&cmd_resume, &cmd_bugreport, &cmd_relay,  &cmd_help,	&cmd_version, NULL,
};

const struct command *command_find(const char *name)
{
	const struct command *const *c = commands;

	while (*c && strcmp((*c)->name, name))
		c++;
	return *c;
}

const char *command_suggest(const char *word)
{
	const char *names[ARRAY_SIZE(commands)] = {NULL};

	for (size_t i = 0; commands[i]; i++)
		names[i] = commands[i]->name;
	return text_closest(word, names);
}

int command_call(const struct command *cmd, int argc, char **argv)
{
	_cleanup_free_ void *args = calloc(1, cmd->size ?: 1);
	int n, status;

	if (!args)
		return EXIT_FAIL;
	n = cmd_parse(cmd, argc, argv, args);
	status = n < 0 ? cmd_parse_status(n) : cmd->run(args, n, argv + 1);
	progress_end();
	cmd_parse_free(cmd, args);
	return status;
}

static int help(void *args, int n, char **operand)
{
	const struct command *cmd = n ? command_find(operand[0]) : NULL;
	const char *like;

	(void)args;
	if (n > 1)
		return cmd_usage_error("help", "one command at a time");
	if (n && !cmd) {
		like = command_suggest(operand[0]);
		if (like)
			return cmd_usage_error("help", "unknown command '%s', did you mean '%s'?", operand[0],
					       like);
		return cmd_usage_error("help", "unknown command '%s'", operand[0]);
	}
	usage_print(stdout, cmd);
	return EXIT_OK;
}

const struct command cmd_help = {
	.name = "help",
	.summary = "show the commands, or how to use one",
	.operands = "[COMMAND]",
	.completes = CMD_COMMANDS,
	.run = help,
};

static const struct output_column version_columns[] = {
	{"/version", "sockhop", OUTPUT_TEXT},
	{"/abi", "pinned maps (ABI)", OUTPUT_COUNT},
	{"/libbpf", "libbpf", OUTPUT_TEXT},
	{0},
};
static const struct output_section version_view[] = {
	{.kind = OUTPUT_RECORD, .columns = version_columns},
	{0},
};

struct version_args {
	bool json;
};

static int version(void *args, int n, char **operand)
{
	const struct version_args *a = args;
	_cleanup_json_ json_object *out = json_object_new_object();

	(void)n;
	(void)operand;
	json_object_object_add(out, "version", json_object_new_string(VERSION));
	json_object_object_add(out, "abi", json_object_new_int(HOP_ABI));
	/* libbpf_version_string() has a leading "v" */
	json_object_object_add(out, "libbpf", json_object_new_string(libbpf_version_string() + 1));
	return exit_status(output_print(out, version_view, a->json));
}

static const struct cmd_option version_options[] = {CMD_JSON(offsetof(struct version_args, json), NULL), {0}};

const struct command cmd_version = {
	.name = "version",
	.summary = "show the versions of sockhop, its pinned maps and libbpf",
	.options = version_options,
	.size = sizeof(struct version_args),
	.run = version,
};
