// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockhop: an in-kernel short cut for TCP between two sockets of one host.
 */
#include <errno.h>
#include <stdio_ext.h>
#include <string.h>

#include "agent/cmd/cmd.h"
#include "agent/lib/util.h"

/* What help says about each is in cmd_usage[] (cmd/help.c). */
static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"attach", cmd_attach},	  {"detach", cmd_detach},   {"run", cmd_run},	  {"agent", cmd_agent},
	{"status", cmd_status},	  {"list", cmd_list},	    {"check", cmd_check}, {"policy", cmd_policy},
	{"relay", cmd_relay},	  {"metrics", cmd_metrics}, {"top", cmd_top},	  {"help", cmd_help},
	{"version", cmd_version},
};

static int unknown(const char *word)
{
	const char *like = usage_suggest(word);

	if (like)
		msg_error("unknown command '%s', did you mean '%s'?", word, like);
	else
		msg_error("unknown command '%s'; see `sockhop help`", word);
	return EXIT_USAGE;
}

static int dispatch(int argc, char **argv)
{
	const char *word = argv[1];

	if (argc < 2) {
		usage_print(stderr, NULL);
		return EXIT_USAGE;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		word = "help";
	if (!strcmp(word, "--version") || !strcmp(word, "-V"))
		word = "version";
	argv[1] = (char *)word;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(word, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	return unknown(word);
}

/*
 * A result that did not reach its reader is a failure; a stdout that was closed from the start is none as
 * long as nothing was to be written. SIGPIPE stays as it is: the programs that `run` starts would inherit it.
 */
static int close_stdout(int status)
{
	bool wrote = __fpending(stdout) > 0, failed = ferror(stdout);

	errno = 0;
	if (fclose(stdout) && (wrote || errno != EBADF))
		failed = true;
	if (!failed)
		return status;
	msg_error("cannot write the result: %s", strerror(errno ?: EIO));
	return status ?: EXIT_FAIL;
}

int main(int argc, char **argv)
{
	return close_stdout(dispatch(argc, argv));
}
