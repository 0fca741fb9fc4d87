// SPDX-License-Identifier: GPL-2.0-only
/* usage.c: what --help says, from the declarations. */
#include <string.h>

#include "usage.h"
#include "agent/lib/util.h"

#define COLUMNS	    80
#define NAME_COLUMN 25

const struct cmd_common cmd_common[] = {
	{'v', "verbose", "say more; twice for debugging", "It goes to standard error."},
	{'h', "help", "show this", NULL},
	{0},
};

bool usage_goes_with(const struct cmd_option *o, const struct cmd_verb *verb)
{
	return !verb || !o->verb || !strcmp(o->verb, verb->name);
}

void usage_words(FILE *f, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		fprintf(f, "%s%s", !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

void usage_preset(const struct cmd_option *o, char *buf, size_t size)
{
	bool number = o->type == CMD_NUMBER || o->type == CMD_SECONDS;

	buf[0] = '\0';
	if (number && o->preset != CMD_NONE)
		snprintf(buf, size, "%u", o->preset);
	else if (o->type == CMD_CHOICE && o->preset != CMD_NONE)
		snprintf(buf, size, "%s", o->words[o->preset]);
	else if (o->type == CMD_STRING && o->unset)
		snprintf(buf, size, "%s", o->unset);
}

static void put_option(FILE *f, const struct cmd_option *o)
{
	fprintf(f, "%s--%s%s%s%s%s", o->required ? "" : "[", o->name, o->arg ? " " : "", o->arg ?: "",
		o->type == CMD_LIST ? "..." : "", o->required ? "" : "]");
}

void usage_synopsis(FILE *f, const struct command *cmd, const struct cmd_verb *verb, bool common)
{
	const char *operands = verb ? verb->operand : cmd->operands;

	fprintf(f, "sockhop %s%s%s", cmd->name, verb ? " " : "", verb ? verb->name : "");
	if (operands && !cmd->stop)
		fprintf(f, " %s%s", operands, verb && verb->many ? "..." : "");
	for (const struct cmd_option *o = cmd->options; o && o->name; o++) {
		if (!usage_goes_with(o, verb) || (!common && o->completes == CMD_INSTANCES))
			continue;
		fputc(' ', f);
		put_option(f, o);
	}
	if (common)
		fputs(" [-v]", f);
	if (operands && cmd->stop)
		fprintf(f, " %s", operands);
}

/* Writes the words of text from column `at` on; further lines begin at `indent`. What is in [] stays
 * together. */
static void wrap(FILE *f, const char *text, size_t at, size_t indent)
{
	size_t first = at;

	while (*text) {
		size_t n = 0;
		int depth = 0;

		for (; text[n] && (depth || text[n] != ' '); n++)
			depth += (text[n] == '[') - (text[n] == ']');
		if (at > first && at + 1 + n > COLUMNS) {
			fprintf(f, "\n%*s", (int)indent, "");
			at = first = indent;
		} else if (at > first) {
			fputc(' ', f);
			at++;
		}
		fwrite(text, 1, n, f);
		at += n;
		text += n + (text[n] == ' ');
	}
	fputc('\n', f);
}

/* "  --name ARG            what it does" */
static void print_line(FILE *f, const char *name, const char *what)
{
	int n = fprintf(f, "  %-*s", NAME_COLUMN - 2, name);

	if (n > NAME_COLUMN)
		fprintf(f, "\n%*s", NAME_COLUMN, "");
	wrap(f, what, NAME_COLUMN, NAME_COLUMN);
}

static void print_option(FILE *f, const struct cmd_option *o)
{
	_cleanup_free_ char *what = NULL;
	char name[64], preset[32];
	size_t size;
	FILE *m = open_memstream(&what, &size);

	if (!m)
		return;
	usage_preset(o, preset, sizeof(preset));
	if (o->zero && !strcmp(preset, "0"))
		preset[0] = '\0';
	fprintf(m, "%s%s%s", o->verb ?: "", o->verb ? ": " : "", o->help);
	if (o->words) {
		fputs(": ", m);
		usage_words(m, o->words);
	}
	if (o->alone)
		fprintf(m, " (%u without a value)", o->alone);
	if (o->letter)
		fprintf(m, "; also -%c", o->letter);
	if (*preset || o->zero)
		fprintf(m, " (%s%s%s%s)", preset, *preset && o->zero ? "; " : "", o->zero ? "0: " : "",
			o->zero ?: "");
	fclose(m);
	snprintf(name, sizeof(name), "--%s%s%s", o->name, o->arg ? " " : "", o->arg ?: "");
	print_line(f, name, what);
}

static void print_verbs(FILE *f, const struct cmd_verb *v)
{
	char name[64];

	fputs("\nverbs:\n", f);
	for (; v->name; v++) {
		snprintf(name, sizeof(name), "%s%s%s%s", v->name, v->operand ? " " : "", v->operand ?: "",
			 v->many ? "..." : "");
		print_line(f, name, v->help);
	}
}

static void print_common(FILE *f)
{
	char name[32];

	for (const struct cmd_common *c = cmd_common; c->name; c++) {
		snprintf(name, sizeof(name), "-%c, --%s", c->letter, c->name);
		print_line(f, name, c->help);
	}
}

static void print_synopsis(FILE *f, const struct command *cmd, const struct cmd_verb *verb, bool first)
{
	const char *head = first ? "usage: " : "       ";
	_cleanup_free_ char *line = NULL;
	size_t size;
	FILE *m = open_memstream(&line, &size);

	if (!m)
		return;
	usage_synopsis(m, cmd, verb, true);
	fclose(m);
	fputs(head, f);
	wrap(f, line, strlen(head), 2 * strlen(head));
}

static void print_overview(FILE *f)
{
	fputs("usage: sockhop COMMAND [ARGUMENT...]\n\n"
	      "An in-kernel short cut for TCP connections within one host.\n\ncommands:\n",
	      f);
	for (const struct command *const *c = commands; *c; c++)
		fprintf(f, "  %-10s %s\n", (*c)->name, (*c)->summary);
	fputs("\n`sockhop help COMMAND` or `sockhop COMMAND --help` tells more; so does sockhop(8).\n", f);
}

void usage_print(FILE *f, const struct command *cmd)
{
	const struct cmd_verb *verb = cmd ? cmd->verbs : NULL;

	if (!cmd) {
		print_overview(f);
		return;
	}
	do
		print_synopsis(f, cmd, verb, verb == cmd->verbs);
	while (verb && (++verb)->name);
	fprintf(f, "\n%s\n", cmd->summary);
	if (cmd->verbs)
		print_verbs(f, cmd->verbs);
	fputs("\noptions:\n", f);
	for (const struct cmd_option *o = cmd->options; o && o->name; o++)
		print_option(f, o);
	print_common(f);
	if (cmd->text) {
		fputc('\n', f);
		wrap(f, cmd->text, 0, 0);
	}
}
