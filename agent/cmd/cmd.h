/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd.h: the subcommands, their usage texts, and what they share: their options.
 *
 * A command is `int cmd_NAME(int argc, char **argv)` with argv[0] = its name. It returns an exit status
 * (util.h) and prints, once, what failed, on what, and what to do about it.
 *
 * The door of agent/cmd: one file a command. It owns the command line: options, usage, tables, what is
 * printed. It may call every room, and none calls it.
 */
#ifndef SOCKHOP_AGENT_CMD_H
#define SOCKHOP_AGENT_CMD_H

#include <stdbool.h>
#include <stdio.h>

int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_agent(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_relay(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

/* What help, the man page and the completion say about a command: one table, checked by tests/cli/cli.bats.
 */
struct cmd_usage {
	const char *name;
	const char *args;    /* as in the synopsis, without the common options */
	const char *summary; /* one line, no full stop */
	const char *options; /* "  --name ARG   what it does\n" lines, or NULL */
	const char *text;    /* further paragraphs, or NULL */
	bool no_instance;    /* does not take --instance */
};
extern const struct cmd_usage cmd_usage[]; /* ends with .name = NULL */

/* The entry of a command, NULL if there is none. */
const struct cmd_usage *usage_find(const char *cmd);
/* Usage of one command; with NULL the overview of all. */
void usage_print(FILE *f, const char *cmd);
/* The command whose name is most like `word` (a typo or two away), or NULL. */
const char *usage_suggest(const char *word);

#define CMD_INTERVAL_S 2

enum cmd_option_type {
	CMD_FLAG,     /* bool: set to true */
	CMD_STRING,   /* const char *: points into argv */
	CMD_NUMBER,   /* unsigned int, decimal */
	CMD_INTERVAL, /* unsigned int, seconds from 1 on; alone, no number behind it, it means CMD_INTERVAL_S
		       */
	CMD_LIST,     /* struct cmd_list: an option that may be given several times */
};

/* Points into argv; the caller gives `word` room for argc words. */
struct cmd_list {
	const char **word;
	size_t count;
};

/* An option of a command, by its long name without dashes. A table of them ends with .name = NULL. */
struct cmd_option {
	const char *name;
	enum cmd_option_type type;
	void *value;
};

enum cmd_parse {
	CMD_PERMUTE, /* options may stand between operands */
	CMD_STOP,    /* the first operand ends the options: what follows belongs to another program */
};

/*
 * Parse the options of a command, `--help`, `-h` (prints the usage), `-v` and `--verbose` (log_level)
 * included; long options must be spelled out. Returns the number of operands, which then stand at argv[1..n],
 * followed by NULL; or a negative value when the command is over: return cmd_parse_status() of it.
 */
int cmd_parse(int argc, char **argv, const struct cmd_option *options, enum cmd_parse mode);
/* The exit status for a negative result of cmd_parse(). */
int cmd_parse_status(int parsed);
/* "sockhop: CMD: <message>; see `sockhop CMD --help`" on stderr; returns EXIT_USAGE. */
int cmd_usage_error(const char *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
