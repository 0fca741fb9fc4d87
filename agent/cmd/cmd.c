// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "cmd.h"
#include "agent/lib/text.h"
#include "agent/lib/util.h"

enum { PARSE_HELP = -1, PARSE_ERROR = -2 };

int cmd_usage_error(const char *cmd, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	msg_error("%s: %s; see `sockhop %s --help`", cmd, text, cmd);
	return EXIT_USAGE;
}

int cmd_parse_status(int parsed)
{
	return parsed == PARSE_HELP ? EXIT_OK : EXIT_USAGE;
}

static int unknown_option(const char *cmd, const struct cmd_option *options, const char *arg, size_t len)
{
	const char *names[32] = {"help", "verbose"};
	char word[TEXT_WORD_MAX + 1];
	const char *like;
	size_t n = 2;

	for (; options && options->name && n < ARRAY_SIZE(names) - 1; options++)
		names[n++] = options->name;
	snprintf(word, sizeof(word), "%.*s", (int)len, arg);
	like = text_closest(word, names);
	if (like)
		cmd_usage_error(cmd, "unknown option '--%.*s', did you mean '--%s'?", (int)len, arg, like);
	else
		cmd_usage_error(cmd, "unknown option '--%.*s'", (int)len, arg);
	return PARSE_ERROR;
}

static int set_number(const char *cmd, const char *name, const char *text, unsigned int *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	/* strtoul() takes signs and leading blanks as well */
	if (*text < '0' || *text > '9' || *end || errno || n > UINT_MAX) {
		cmd_usage_error(cmd, "option '--%s' wants a number, not '%s'", name, text);
		return PARSE_ERROR;
	}
	*out = n;
	return 0;
}

static int set_interval(const char *cmd, const struct cmd_option *o, const char *value)
{
	unsigned int *s = o->value;
	int err = set_number(cmd, o->name, value, s);

	if (!err && !*s) {
		cmd_usage_error(cmd, "option '--%s' wants at least 1 second", o->name);
		err = PARSE_ERROR;
	}
	return err;
}

static int set_value(const char *cmd, const struct cmd_option *o, const char *value)
{
	struct cmd_list *list = o->value;

	if (o->type == CMD_INTERVAL)
		return set_interval(cmd, o, value);
	if (o->type == CMD_LIST) {
		list->word[list->count++] = value;
		return 0;
	}
	if (o->type == CMD_NUMBER)
		return set_number(cmd, o->name, value, o->value);
	*(const char **)o->value = value;
	return 0;
}

/* "--name", "--name=value" or "--name value"; *i moves on over a value that is an argument of its own. */
static int long_option(int argc, char **argv, int *i, const struct cmd_option *options)
{
	const char *arg = argv[*i] + 2, *eq = strchrnul(arg, '=');
	const struct cmd_option *o = options;
	size_t len = eq - arg;

	if (!strcmp(arg, "help"))
		return PARSE_HELP;
	if (!strcmp(arg, "verbose")) {
		log_level++;
		return 0;
	}
	while (o && o->name && (strlen(o->name) != len || memcmp(o->name, arg, len)))
		o++;
	if (!o || !o->name)
		return unknown_option(argv[0], options, arg, len);
	if (o->type == CMD_FLAG && *eq) {
		cmd_usage_error(argv[0], "option '--%s' takes no value", o->name);
		return PARSE_ERROR;
	}
	if (o->type == CMD_FLAG) {
		*(bool *)o->value = true;
		return 0;
	}
	if (*eq)
		return set_value(argv[0], o, eq + 1);
	if (o->type == CMD_INTERVAL && (*i + 1 >= argc || !isdigit((unsigned char)argv[*i + 1][0]))) {
		*(unsigned int *)o->value = CMD_INTERVAL_S;
		return 0;
	}
	if (*i + 1 >= argc) {
		cmd_usage_error(argv[0], "option '--%s' wants a value", o->name);
		return PARSE_ERROR;
	}
	return set_value(argv[0], o, argv[++*i]);
}

static int short_options(const char *cmd, const char *letters)
{
	for (; *letters; letters++) {
		if (*letters == 'h')
			return PARSE_HELP;
		if (*letters != 'v') {
			cmd_usage_error(cmd, "unknown option '-%c'", *letters);
			return PARSE_ERROR;
		}
		log_level++;
	}
	return 0;
}

static int parse(int argc, char **argv, const struct cmd_option *options, enum cmd_parse mode)
{
	bool ended = false;
	int operands = 0;

	for (int i = 1; i < argc; i++) {
		int r = 0;

		if (ended || argv[i][0] != '-' || !argv[i][1]) {
			argv[++operands] = argv[i];
			ended = ended || mode == CMD_STOP;
		} else if (!strcmp(argv[i], "--")) {
			ended = true;
		} else if (argv[i][1] == '-') {
			r = long_option(argc, argv, &i, options);
		} else {
			r = short_options(argv[0], argv[i] + 1);
		}
		if (r < 0)
			return r;
	}
	argv[operands + 1] = NULL;
	return operands;
}

int cmd_parse(int argc, char **argv, const struct cmd_option *options, enum cmd_parse mode)
{
	int r = parse(argc, argv, options, mode);

	if (r == PARSE_HELP)
		usage_print(stdout, argv[0]);
	return r;
}
