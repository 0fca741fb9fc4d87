/* SPDX-License-Identifier: GPL-2.0-only */
/* usage.h: the declarations of the commands as text, for the usage and for docs/gen-commands.c. */
#ifndef SOCKHOP_CMD_USAGE_H
#define SOCKHOP_CMD_USAGE_H

#include "cmd.h"

/* The options that every command has, with their letters; a table that ends with .name = NULL. */
struct cmd_common {
	char letter;
	const char *name, *help, *more; /* as of struct cmd_option */
};
extern const struct cmd_common cmd_common[];

/* Usage of one command; with NULL the overview of all. */
void usage_print(FILE *f, const struct command *cmd);

/*
 * One way to call a command, of so many as it has verbs, or the only one (verb NULL): "sockhop detach
 * [CGROUP...] [--all] [--timeout S]". common: with the instance and -v.
 */
void usage_synopsis(FILE *f, const struct command *cmd, const struct cmd_verb *verb, bool common);

/* Does the option go with the verb? NULL: with any. */
bool usage_goes_with(const struct cmd_option *o, const struct cmd_verb *verb);
/* "a, b or c" */
void usage_words(FILE *f, const char *const *words);
/* The default as it is typed, empty if there is none to show. */
void usage_preset(const struct cmd_option *o, char *buf, size_t size);

#endif
