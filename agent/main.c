// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockhop: an in-kernel short cut for TCP between two sockets of one host.
 */
#include <errno.h>
#include <stdio_ext.h>
#include <string.h>

#include "agent/cmd/cmd.h"
#include "agent/cmd/usage.h"
#include "agent/lib/util.h"

static int unknown(const char *word)
{
	const char *like = command_suggest(word);

	if (like)
		msg_error("unknown command '%s', did you mean '%s'?", word, like);
	else
		msg_error("unknown command '%s'; see `sockhop help`", word);
	return EXIT_USAGE;
}

static int dispatch(int argc, char **argv)
{
	const struct command *cmd;
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
	cmd = command_find(word);
	return cmd ? command_call(cmd, argc - 1, argv + 1) : unknown(word);
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
