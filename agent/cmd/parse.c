// SPDX-License-Identifier: GPL-2.0-only
/* parse.c: command lines, as the declarations have them. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cmd.h"
#include "usage.h"
#include "agent/lib/text.h"
#include "agent/lib/util.h"

enum { PARSE_HELP = -1, PARSE_ERROR = -2 };

#define OPTIONS_MAX 32

struct parse {
	const struct command *cmd;
	int argc;
	char **argv;
	char *args;
	unsigned int given; /* a bit for each option, by its place in the table */
};

static int __attribute__((format(printf, 2, 3))) error(const struct parse *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cmd_usage_error(p->cmd->name, "%s", text);
	return PARSE_ERROR;
}

int cmd_parse_status(int parsed)
{
	return parsed == PARSE_HELP ? EXIT_OK : EXIT_USAGE;
}

static int unknown_option(const struct parse *p, const char *arg, size_t len)
{
	const char *names[OPTIONS_MAX + 3] = {"help", "verbose"};
	char word[64];
	const char *like;
	size_t n = 2;

	for (const struct cmd_option *o = p->cmd->options; o && o->name && n < OPTIONS_MAX + 2; o++)
		names[n++] = o->name;
	snprintf(word, sizeof(word), "%.*s", (int)len, arg);
	like = text_closest(word, names);
	return error(p, "unknown option '--%.*s'%s%s%s", (int)len, arg, like ? ", did you mean '--" : "",
		     like ?: "", like ? "'?" : "");
}

static int set_text(const struct parse *p, const struct cmd_option *o, const char *text)
{
	char name[64], why[256];

	snprintf(name, sizeof(name), "--%s", o->name);
	return cmd_value(o, name, text, p->args, why, sizeof(why)) ? error(p, "%s", why) : 0;
}

static int add_word(const struct parse *p, const struct cmd_option *o, const char *text)
{
	struct cmd_list *list = (struct cmd_list *)(p->args + o->offset);

	if (!list->word)
		list->word = calloc(p->argc + 1, sizeof(*list->word));
	if (!list->word)
		return error(p, "%s", strerror(ENOMEM));
	list->word[list->count++] = text;
	return 0;
}

static int set_value(struct parse *p, const struct cmd_option *o, const char *value)
{
	p->given |= 1u << (o - p->cmd->options);
	switch (o->type) {
	case CMD_FLAG:
		*(bool *)(p->args + o->offset) = true;
		return 0;
	case CMD_STRING:
	case CMD_NUMBER:
	case CMD_SECONDS:
	case CMD_CHOICE:
		return set_text(p, o, value);
	case CMD_LIST:
		return add_word(p, o, value);
	}
	return PARSE_ERROR;
}

/* The value of an option is the next word; *i moves on to it. */
static int next_value(struct parse *p, const struct cmd_option *o, int *i)
{
	const char *next = *i + 1 < p->argc ? p->argv[*i + 1] : NULL;

	if (o->alone && (!next || *next < '0' || *next > '9')) {
		p->given |= 1u << (o - p->cmd->options);
		*(unsigned int *)(p->args + o->offset) = o->alone;
		return 0;
	}
	if (!next)
		return error(p, "option '--%s' wants a value: %s", o->name, o->arg);
	++*i;
	return set_value(p, o, next);
}

/* "--name", "--name=value" or "--name value"; *i moves on over a value that is an argument of its own. */
static int long_option(struct parse *p, int *i)
{
	const char *arg = p->argv[*i] + 2, *eq = strchrnul(arg, '=');
	const struct cmd_option *o = p->cmd->options;
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
		return unknown_option(p, arg, len);
	if (o->type == CMD_FLAG && *eq)
		return error(p, "option '--%s' takes no value", o->name);
	if (o->type == CMD_FLAG || *eq)
		return set_value(p, o, *eq ? eq + 1 : NULL);
	return next_value(p, o, i);
}

static const struct cmd_option *find_letter(const struct parse *p, char letter)
{
	const struct cmd_option *o = p->cmd->options;

	while (o && o->name && o->letter != letter)
		o++;
	return o && o->name ? o : NULL;
}

/* "-bv", "-n 2": one that wants a value is the last of its word. */
static int short_options(struct parse *p, int *i)
{
	int r = 0;

	for (const char *l = p->argv[*i] + 1; *l && !r; l++) {
		const struct cmd_option *o = find_letter(p, *l);

		if (*l == 'h')
			return PARSE_HELP;
		if (*l == 'v')
			log_level++;
		else if (o && o->type == CMD_FLAG)
			r = set_value(p, o, NULL);
		else if (o && !l[1])
			return next_value(p, o, i);
		else
			return error(p, "unknown option '-%c'", *l);
	}
	return r;
}

static int each_word(struct parse *p)
{
	bool ended = false;
	int operands = 0;

	for (int i = 1; i < p->argc; i++) {
		char *word = p->argv[i];
		int r = 0;

		if (ended || word[0] != '-' || !word[1]) {
			p->argv[++operands] = word;
			ended = ended || p->cmd->stop;
		} else if (!strcmp(word, "--")) {
			ended = true;
		} else if (word[1] == '-') {
			r = long_option(p, &i);
		} else {
			r = short_options(p, &i);
		}
		if (r < 0)
			return r;
	}
	p->argv[operands + 1] = NULL;
	return operands;
}

static void set_defaults(const struct parse *p)
{
	for (const struct cmd_option *o = p->cmd->options; o && o->name; o++)
		if (o->type == CMD_NUMBER || o->type == CMD_SECONDS || o->type == CMD_CHOICE)
			*(unsigned int *)(p->args + o->offset) = o->preset;
}

/* "`show`, `set FILE` or `del N`" */
static void all_verbs(const struct cmd_verb *v, char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; v[i].name && n < size; i++)
		n += snprintf(buf + n, size - n, "%s`%s%s%s`",
			      !i	      ? ""
			      : v[i + 1].name ? ", "
					      : " or ",
			      v[i].name, v[i].operand ? " " : "", v[i].operand ?: "");
}

static int unknown_verb(const struct parse *p, const char *word)
{
	const struct cmd_verb *v = p->cmd->verbs;
	const char *names[OPTIONS_MAX] = {NULL}, *like;
	char all[256] = "";

	for (size_t i = 0; i < OPTIONS_MAX - 1 && v[i].name; i++)
		names[i] = v[i].name;
	like = text_closest(word, names);
	if (like)
		return error(p, "unknown verb '%s', did you mean '%s'?", word, like);
	all_verbs(v, all, sizeof(all));
	if (v[1].name && !v[2].name)
		return error(p, "'%s' is neither `%s` nor `%s`", word, v[0].name, v[1].name);
	return error(p, "unknown verb '%s': say %s", word, all);
}

static int check_operands(const struct parse *p, const struct cmd_verb *v, int n)
{
	char all[256] = "";

	if (v->operand && !n)
		return error(p, "`%s` wants %s", v->name, v->operand);
	if (n <= !!v->operand || v->many)
		return 0;
	all_verbs(p->cmd->verbs, all, sizeof(all));
	return error(p, "unexpected argument '%s': say %s", p->argv[2 + !!v->operand], all);
}

/* Each option that was given must go with the verb, and those that it needs must be there. */
static int check_options(const struct parse *p, const struct cmd_verb *v)
{
	const struct cmd_option *options = p->cmd->options;

	for (size_t i = 0; options && options[i].name; i++) {
		bool given = p->given & 1u << i, fits = usage_goes_with(&options[i], v);

		if (given && !fits)
			return error(p, "--%s goes with `%s` only", options[i].name, options[i].verb);
		if (!given && fits && options[i].required)
			return error(p, "--%s %s is missing", options[i].name, options[i].arg);
	}
	return 0;
}

static int check(const struct parse *p, int n)
{
	const struct cmd_verb *v = p->cmd->verbs;
	char all[256] = "";
	int r;

	if (!v) {
		if (n && !p->cmd->operands)
			return error(p, "unexpected argument '%s'", p->argv[1]);
		return check_options(p, NULL);
	}
	all_verbs(v, all, sizeof(all));
	if (!n)
		return error(p, "say %s", all);
	while (v->name && strcmp(v->name, p->argv[1]))
		v++;
	if (!v->name)
		return unknown_verb(p, p->argv[1]);
	r = check_operands(p, v, n - 1);
	return r ?: check_options(p, v);
}

int cmd_parse(const struct command *cmd, int argc, char **argv, void *args)
{
	struct parse p = {.cmd = cmd, .argc = argc, .argv = argv, .args = args};
	int n, r;

	set_defaults(&p);
	n = each_word(&p);
	if (n == PARSE_HELP)
		usage_print(stdout, cmd);
	if (n < 0)
		return n;
	r = check(&p, n);
	return r ?: n;
}

void cmd_parse_free(const struct command *cmd, void *args)
{
	for (const struct cmd_option *o = cmd->options; o && o->name; o++)
		if (o->type == CMD_LIST)
			free(((struct cmd_list *)((char *)args + o->offset))->word);
}

unsigned int cmd_verb(const struct command *cmd, const char *name)
{
	unsigned int i = 0;

	while (cmd->verbs[i].name && strcmp(cmd->verbs[i].name, name))
		i++;
	return i;
}
