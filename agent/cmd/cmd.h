/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd.h: the commands: how each declares itself, and what they share.
 *
 * A command is one table, `const struct command cmd_NAME`, listed in commands[] (help.c). The parser, the
 * usage, the completion and the man pages come from it; `make docs` writes what is kept in docs/. Only this
 * level prints messages and knows exit statuses.
 *
 * The door of agent/cmd: one file a command, and parse, usage and report, which they share. It owns the
 * command line: options, usage, tables, what is printed. It may call every room, and none calls it.
 */
#ifndef SOCKHOP_AGENT_CMD_H
#define SOCKHOP_AGENT_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "agent/instance/instance.h"
#include "agent/lib/report.h"

/* Exit statuses of every command. */
enum {
	EXIT_OK = 0,
	EXIT_FAIL = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_ATTACHED = 3,
	EXIT_PERMISSION = 4,
	EXIT_UNSUPPORTED = 5,
};

enum cmd_option_type {
	CMD_FLAG,    /* bool: set to true */
	CMD_STRING,  /* const char *: points into argv; NULL unless given */
	CMD_NUMBER,  /* unsigned int, decimal, from min to max */
	CMD_SECONDS, /* unsigned int, the same; may have a unit: 90, 90s, 5m, 2h, 1d */
	CMD_CHOICE,  /* unsigned int: index of one of the words */
	CMD_LIST,    /* struct cmd_list: may be given several times */
};

/* What a shell can complete for a value or an operand. */
enum cmd_completes { CMD_NOTHING, CMD_FILES, CMD_INSTANCES, CMD_CGROUPS, CMD_PROGRAMS, CMD_COMMANDS };

/* Points into argv. */
struct cmd_list {
	const char **word;
	size_t count;
};

/* .preset of a number or choice that has no default, and what the command then finds. */
#define CMD_NONE (~0u)

/*
 * The declaration of an option. A table of them ends with .name = NULL. Which fields matter depends on the
 * type; texts are in the present tense, begin small, and have no full stop.
 */
struct cmd_option {
	const char *name; /* without dashes */
	enum cmd_option_type type;
	size_t offset;		  /* of its value in the arguments of the command */
	const char *arg;	  /* what the usage calls the value; NULL for a flag */
	const char *help;	  /* one line */
	const char *more;	  /* further sentences for the man page, in scdoc's markup, or NULL */
	unsigned int min, max;	  /* of a number */
	unsigned int preset;	  /* of a number or choice: the default, or CMD_NONE */
	const char *zero;	  /* what 0 means, or NULL */
	unsigned int alone;	  /* of a number that may be left out: what it is then; 0: it may not */
	char letter;		  /* a short form, as in top(1); 0: none */
	const char *const *words; /* of a choice; ends with NULL */
	const char *unset;	  /* what a string that is not given stands for, or NULL */
	const char *verb;	  /* the verb that it goes with; NULL: all */
	bool required;
	enum cmd_completes completes;
};

/* First operand of a command that does several things. A table of them ends with .name = NULL. */
struct cmd_verb {
	const char *name;
	const char *operand; /* what follows it, as in the synopsis; NULL: nothing */
	bool many;	     /* one or more of it */
	const char *help;    /* as of an option */
	const char *more;
	enum cmd_completes completes;
};

struct command {
	const char *name;
	const char *summary;		  /* one line, no full stop */
	const char *operands;		  /* as in the synopsis; NULL: takes none, or has verbs */
	const struct cmd_verb *verbs;	  /* NULL: none */
	const struct cmd_option *options; /* NULL: only the common ones */
	const char *text;		  /* further paragraphs of the usage, or NULL */
	size_t size;			  /* of the arguments that the options point into */
	enum cmd_completes completes;	  /* of the operands */
	bool stop; /* the first operand ends the options: what follows belongs to another program */
	/*
	 * args: filled by the options. operand[0..n-1], ends with NULL; with verbs operand[0] is one of them,
	 * has what it wants, and the options go with it. Returns an exit status.
	 */
	int (*run)(void *args, int n, char **operand);
};

extern const struct command cmd_attach, cmd_detach, cmd_run, cmd_agent, cmd_status, cmd_list, cmd_check,
	cmd_policy, cmd_pause, cmd_resume, cmd_bugreport, cmd_relay, cmd_metrics, cmd_top, cmd_advise,
	cmd_config, cmd_reload, cmd_help, cmd_version;
extern const struct command *const commands[]; /* ends with NULL */

/* The option that nearly every command has. */
#define CMD_INSTANCE(offset_)                                                                               \
	{                                                                                                   \
		.name = "instance", .type = CMD_STRING, .offset = offset_, .arg = "NAME",                   \
		.help = "the instance to work on", .unset = INSTANCE_DEFAULT, .completes = CMD_INSTANCES,   \
		.more = "Instances share nothing: connections between the cgroups of two instances do not " \
			"hop.",                                                                             \
	}
#define CMD_JSON(offset_, more_)                                                                          \
	{                                                                                                 \
		.name = "json", .type = CMD_FLAG, .offset = offset_, .help = "print JSON", .more = more_, \
	}

/* The command of that name, NULL if there is none. */
const struct command *command_find(const char *name);
/* The command whose name is most like `word` (a typo or two away), or NULL. */
const char *command_suggest(const char *word);
/* Parse what follows the command's name, argv[0], and run it. Returns an exit status. */
int command_call(const struct command *cmd, int argc, char **argv);

/*
 * Parse the options of a command into args, which are zeroed: defaults are set first. `--help`, `-h` (prints
 * the usage), `-v` and `--verbose` (log_level) are included; long options must be spelled out. Returns the
 * number of operands, which then stand at argv[1..n], followed by NULL; or a negative value when the command
 * is over: return cmd_parse_status() of it. cmd_parse_free() frees what the options of type CMD_LIST hold.
 */
int cmd_parse(const struct command *cmd, int argc, char **argv, void *args);
/* The exit status for a negative result of cmd_parse(). */
int cmd_parse_status(int parsed);
void cmd_parse_free(const struct command *cmd, void *args);
/*
 * Set what an option says from its text, of all types but flags and lists; a string is kept as a pointer.
 * -EINVAL: `why` says what is wrong, and calls the option `name`.
 */
int cmd_value(const struct cmd_option *o, const char *name, const char *text, void *args, char *why,
	      size_t size);
/* The place of a verb in the command's table. */
unsigned int cmd_verb(const struct command *cmd, const char *name);
/* "sockhop: CMD: <message>; see `sockhop CMD --help`" on stderr; returns EXIT_USAGE. */
int cmd_usage_error(const char *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* instance_open() for a command: says what is wrong and what to do. Returns an exit status. */
int cmd_open(struct instance *in, const char *name, int flags);
/* What cmd_open() says and returns, of an instance_open() that gave `err`. */
int cmd_opened(const struct instance *in, const char *name, int flags, int err);

/* Say what a failure is, of what, and what to do about it. Returns the exit status that fits. */
int cmd_failed(enum failure_kind kind, int err, const char *object);
/*
 * Say all that a report holds, and free it. err: what the function that wrote it has returned. Returns the
 * exit status of the last error of the report, or of err if it has none.
 */
int cmd_report(struct report *r, int err);
/* The exit status that fits an error: EPERM/EACCES -> EXIT_PERMISSION, EOPNOTSUPP -> EXIT_UNSUPPORTED, ... */
int exit_status(int err);

#endif
