// SPDX-License-Identifier: GPL-2.0-only
/*
 * gen-commands: what man pages and completion say about the commands, from the declarations in the program.
 *
 *   gen-commands <FILE       FILE anew: the lines between "generated: WHAT" and "end" are replaced. Both are
 *                            comments of the file, so they begin with "; " or "# ".
 *   gen-commands COMMAND     a first man page for a new command, for its author to go on with
 *   gen-commands names       the names of the commands
 *
 * `make docs` runs it over docs/man and docs/completion.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cmd/cmd.h"
#include "agent/cmd/usage.h"

#define WIDTH 98

/* Where a part is written to. */
static FILE *out;

/* scdoc: what stands for something is underlined (capitals), what is fixed is bold (--options). */
static void mark_up(const char *s)
{
	while (*s) {
		bool fixed = !strncmp(s, "--", 2) || !strncmp(s, "-v", 2);
		size_t n = fixed ? 1 + strspn(s + 1, "abcdefghijklmnopqrstuvwxyz-")
				 : strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ:");

		if (n)
			fprintf(out, "%c%.*s%c", fixed ? '*' : '_', (int)n, s, fixed ? '*' : '_');
		else
			fputc(*s, out);
		s += n ?: 1;
	}
}

/* A help text as a sentence: its value underlined wherever it stands alone, what is in backquotes bold. */
static void sentence(const char *text, const char *arg, bool capital)
{
	const char *word = arg ?: "";
	size_t len = strlen(word);
	char before = ' ';

	for (const char *s = text; *s; before = *s++) {
		bool value = len && before == ' ' && !strncmp(s, word, len) && !isalnum(s[len]);

		if (value)
			fprintf(out, "_%s_", word);
		else
			fputc(*s == '`' ? '*' : s == text && capital ? toupper(*s) : *s, out);
		s += value ? len - 1 : 0;
	}
	fputc('.', out);
}

static void synopsis_line(const struct command *cmd, const struct cmd_verb *verb, bool common)
{
	char *line = NULL;
	size_t size;
	FILE *m = open_memstream(&line, &size);

	if (!m)
		exit(1);
	usage_synopsis(m, cmd, verb, common);
	fclose(m);
	fputs("*sockhop*", out);
	mark_up(line + strlen("sockhop"));
	free(line);
}

/* All ways to call it, a line each; `more`: others follow. */
static void synopsis(const struct command *cmd, bool common, bool more)
{
	const struct cmd_verb *verb = cmd->verbs;
	bool last;

	do {
		last = !verb || !verb[1].name;
		synopsis_line(cmd, verb, common);
		fputs(last && !more ? "\n" : "++\n", out);
	} while (!last && verb++);
}

static void gen_synopses(const struct command *cmd)
{
	(void)cmd;
	for (const struct command *const *c = commands; *c; c++)
		synopsis(*c, false, c[1]);
}

static void gen_commands(const struct command *cmd)
{
	(void)cmd;
	for (const struct command *const *c = commands; *c; c++) {
		fprintf(out, "*sockhop-%s*(8)\n\t", (*c)->name);
		sentence((*c)->summary, NULL, true);
		fputs("\n\n", out);
	}
}

static void range(const struct cmd_option *o)
{
	bool number = o->type == CMD_NUMBER || o->type == CMD_SECONDS;
	char preset[32];

	usage_preset(o, preset, sizeof(preset));
	if (number)
		fprintf(out, "%s from %u to %u",
			o->type == CMD_SECONDS ? " In seconds, or with a unit as in 90s, 5m, 2h, 1d:"
					       : " A number",
			o->min, o->max);
	if (*preset)
		fprintf(out, "%s default is *%s*", number ? "; the" : " The", preset);
	if (o->alone)
		fprintf(out, "; *%u* without a value", o->alone);
	if (number || *preset)
		fputc('.', out);
	if (o->zero)
		fprintf(out, " 0 means %s.", o->zero);
}

static void choices(const struct cmd_option *o)
{
	if (!o->words)
		return;
	fprintf(out, " _%s_ is ", o->arg);
	for (size_t i = 0; o->words[i]; i++)
		fprintf(out, "%s*%s*", !i ? "" : o->words[i + 1] ? ", " : " or ", o->words[i]);
	fputc('.', out);
}

static void option(const struct cmd_option *o)
{
	if (o->letter)
		fprintf(out, "*-%c*, ", o->letter);
	fprintf(out, "*--%s*", o->name);
	if (o->arg)
		fprintf(out, " _%s_", o->arg);
	fputs("\n\t", out);
	if (o->verb)
		fprintf(out, "With *%s*: ", o->verb);
	sentence(o->help, o->arg, !o->verb);
	choices(o);
	if (o->more)
		fprintf(out, " %s", o->more);
	range(o);
	fputs("\n\n", out);
}

static void common_options(void)
{
	for (const struct cmd_common *c = cmd_common; c->name; c++) {
		fprintf(out, "*-%c*, *--%s*\n\t", c->letter, c->name);
		sentence(c->help, NULL, true);
		if (c->more)
			fprintf(out, " %s", c->more);
		fputs("\n\n", out);
	}
}

static void gen_name(const struct command *cmd)
{
	fprintf(out, "# NAME\n\nsockhop-%s - %s\n\n# SYNOPSIS\n\n", cmd->name, cmd->summary);
	synopsis(cmd, true, false);
}

static void gen_options(const struct command *cmd)
{
	if (cmd->verbs)
		fputs("# VERBS\n\n", out);
	for (const struct cmd_verb *v = cmd->verbs; v && v->name; v++) {
		fprintf(out, "*%s*", v->name);
		if (v->operand)
			fprintf(out, " _%s_%s", v->operand, v->many ? "..." : "");
		fputs("\n\t", out);
		sentence(v->help, v->operand, true);
		fprintf(out, "%s%s\n\n", v->more ? " " : "", v->more ?: "");
	}
	fputs("# OPTIONS\n\n", out);
	for (const struct cmd_option *o = cmd->options; o && o->name; o++)
		option(o);
	common_options();
}

static void gen_common(const struct command *cmd)
{
	(void)cmd;
	for (const struct cmd_option *o = cmd_status.options; o->name; o++)
		if (o->completes == CMD_INSTANCES)
			option(o);
	common_options();
}

static const char *const completes[] = {
	[CMD_NOTHING] = "nothing", [CMD_FILES] = "files",	[CMD_INSTANCES] = "instances",
	[CMD_CGROUPS] = "cgroups", [CMD_PROGRAMS] = "programs", [CMD_COMMANDS] = "commands"};

static void complete_options(const struct command *cmd, const struct cmd_verb *verb)
{
	fprintf(out, "\t%s%s%s) echo \"", cmd->name, verb ? ":" : "", verb ? verb->name : "");
	for (const struct cmd_option *o = cmd->options; o && o->name; o++)
		if (usage_goes_with(o, verb))
			fprintf(out, "--%s ", o->name);
	for (const struct cmd_common *c = cmd_common; c->name; c++)
		fprintf(out, "--%s%s", c->name, c[1].name ? " " : "\" ;;\n");
}

static void all_options(const struct command *cmd)
{
	for (const struct cmd_verb *v = cmd->verbs; v && v->name; v++)
		complete_options(cmd, v);
	complete_options(cmd, NULL);
}

static void all_verbs(const struct command *cmd)
{
	if (!cmd->verbs)
		return;
	fprintf(out, "\t%s) echo \"", cmd->name);
	for (const struct cmd_verb *v = cmd->verbs; v->name; v++)
		fprintf(out, "%s%s", v->name, v[1].name ? " " : "\" ;;\n");
}

static void all_values(const struct command *cmd)
{
	for (const struct cmd_option *o = cmd->options; o && o->name; o++) {
		if (o->type == CMD_FLAG)
			continue;
		fprintf(out, "\t%s:--%s) echo \"%s", cmd->name, o->name,
			o->words ? "words" : completes[o->completes]);
		for (size_t i = 0; o->words && o->words[i]; i++)
			fprintf(out, " %s", o->words[i]);
		fputs("\" ;;\n", out);
	}
}

static void all_operands(const struct command *cmd)
{
	for (const struct cmd_verb *v = cmd->verbs; v && v->name; v++)
		if (v->completes)
			fprintf(out, "\t%s:%s) echo %s ;;\n", cmd->name, v->name, completes[v->completes]);
	if (cmd->completes)
		fprintf(out, "\t%s) echo %s ;;\n", cmd->name, completes[cmd->completes]);
}

static void function(const char *name, const char *what, void (*each)(const struct command *cmd),
		     const char *otherwise)
{
	fprintf(out, "\n# %s\n%s() {\n\tcase $1 in\n", what, name);
	for (const struct command *const *c = commands; *c; c++)
		each(*c);
	fprintf(out, "%s\tesac\n}\n", otherwise);
}

static void gen_completion(const struct command *cmd)
{
	(void)cmd;
	fputs("_sockhop_commands=\"", out);
	for (const struct command *const *c = commands; *c; c++)
		fprintf(out, "%s%s", (*c)->name, c[1] ? " " : "\"\n");
	function("_sockhop_options", "COMMAND or COMMAND:VERB: its options", all_options, "");
	function("_sockhop_verbs", "COMMAND: its verbs", all_verbs, "");
	function("_sockhop_value", "COMMAND:OPTION: what its value is; false where it has none", all_values,
		 "\t*) return 1 ;;\n");
	function("_sockhop_operands", "COMMAND or COMMAND:VERB: what its operands are", all_operands,
		 "\t*) echo nothing ;;\n");
}

static const struct {
	const char *name;
	void (*write)(const struct command *cmd);
} parts[] = {
	{"synopsis of all commands", gen_synopses},
	{"commands", gen_commands},
	{"common options", gen_common},
	{"name and synopsis of", gen_name},
	{"options of", gen_options},
	{"completion", gen_completion},
};

/* A line of a man page. What is indented is folded, but not before what scdoc takes for something else. */
static void print_folded(const char *line, size_t n)
{
	bool indented = *line == '\t';
	size_t at = WIDTH;

	while (indented && n > WIDTH && at) {
		for (at = WIDTH; at && (line[at] != ' ' || strchr("[-|:#`", line[at + 1])); at--)
			;
		if (at)
			printf("%.*s\n\t", (int)at, line);
		line += at + !!at;
		n -= at + !!at;
	}
	printf("%.*s\n", (int)n, line);
}

/* Writes a part without the blank lines at its end. */
static void put(void (*write)(const struct command *cmd), const struct command *cmd)
{
	char *text = NULL;
	size_t size;

	out = open_memstream(&text, &size);
	if (!out)
		exit(1);
	write(cmd);
	fclose(out);
	while (size && text[size - 1] == '\n')
		size--;
	text[size] = '\0';
	putchar('\n');
	for (const char *s = text; *s; s += strcspn(s, "\n"), s += !!*s) {
		if (write == gen_completion)
			printf("%.*s\n", (int)strcspn(s, "\n"), s);
		else
			print_folded(s, strcspn(s, "\n"));
	}
	putchar('\n');
	free(text);
}

/* what: the name of a part, some with the name of a command. */
static bool write_part(const char *what)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		size_t n = strlen(parts[i].name);
		const struct command *cmd = NULL;

		if (strncmp(what, parts[i].name, n) || (what[n] && what[n] != ' '))
			continue;
		if (what[n])
			cmd = command_find(what + n + 1);
		if (!what[n] == !cmd) {
			put(parts[i].write, cmd);
			return true;
		}
	}
	fprintf(stderr, "gen-commands: no part '%s'\n", what);
	return false;
}

/* What follows the comment sign of a line that begins or ends a part, or NULL. */
static const char *word_to_us(const char *line, const char *word)
{
	size_t n = strlen(word);

	if ((*line != ';' && *line != '#') || line[1] != ' ' || strncmp(line + 2, word, n))
		return NULL;
	return line + 2 + n;
}

static bool filter(void)
{
	char *line = NULL;
	size_t room = 0;
	bool inside = false, good = true;

	while (getline(&line, &room, stdin) > 0) {
		const char *what = word_to_us(line, "generated: ");

		inside = inside && !word_to_us(line, "end\n");
		if (inside)
			continue;
		fputs(line, stdout);
		if (!what)
			continue;
		line[strcspn(line, "\n")] = '\0';
		inside = true;
		good &= write_part(what);
	}
	free(line);
	if (inside)
		fprintf(stderr, "gen-commands: a part has no end\n");
	return good && !inside;
}

static void first_page(const struct command *cmd)
{
	printf("sockhop-%s(8)\n\n; SPDX-License-Identifier: GPL-2.0-only\n"
	       "; Between \"generated\" and \"end\" stands what `make docs` writes from the command's "
	       "table.\n\n"
	       "; generated: name and synopsis of %s\n; end\n\n# DESCRIPTION\n\n%s\n\n"
	       "; generated: options of %s\n; end\n\n# SEE ALSO\n\n*sockhop*(8)\n",
	       cmd->name, cmd->name, cmd->text ?: "TODO", cmd->name);
}

int main(int argc, char **argv)
{
	const struct command *cmd = argc > 1 ? command_find(argv[1]) : NULL;

	if (argc > 1 && !strcmp(argv[1], "names")) {
		for (const struct command *const *c = commands; *c; c++)
			puts((*c)->name);
	} else if (cmd) {
		first_page(cmd);
	} else if (argc > 1 || !filter()) {
		return 1;
	}
	return fflush(stdout) ? 1 : 0;
}
