// SPDX-License-Identifier: GPL-2.0-only
/* The parser of options, the declarations that it works by, and suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/cmd/cmd.h"
#include "agent/lib/util.h"
#include "tests/unit/capture.h"

static void typos_find_their_word(void **state)
{
	(void)state;
	assert_string_equal(command_suggest("stauts"), "status");
	assert_string_equal(command_suggest("detatch"), "detach");
	assert_string_equal(command_suggest("lsit"), "list");
	assert_string_equal(command_suggest("polici"), "policy");
	assert_null(command_suggest("x"));
	assert_null(command_suggest("rm"));
	assert_null(command_suggest(""));
	assert_null(command_suggest("frobnicate"));
	assert_null(command_suggest("a-word-that-is-longer-than-any-command-of-this-program"));
}

struct args {
	const char *file;
	struct cmd_list add;
	unsigned int limit, wait, way;
	bool json;
};

struct parsed {
	int n, status;
	const char *messages;
	struct args args;
	char *argv[8];
};

static const char *const ways[] = {"left", "right", NULL};
static const struct cmd_option options[] = {
	{.name = "file",
	 .type = CMD_STRING,
	 .offset = offsetof(struct args, file),
	 .arg = "FILE",
	 .help = "a file"},
	{.name = "add", .type = CMD_LIST, .offset = offsetof(struct args, add), .arg = "X", .help = "some"},
	{.name = "limit",
	 .type = CMD_NUMBER,
	 .offset = offsetof(struct args, limit),
	 .arg = "N",
	 .help = "a limit",
	 .max = UINT32_MAX,
	 .preset = 7},
	{.name = "wait",
	 .type = CMD_SECONDS,
	 .offset = offsetof(struct args, wait),
	 .arg = "S",
	 .help = "a while",
	 .min = 2,
	 .max = 86400,
	 .preset = 10},
	{.name = "way",
	 .type = CMD_CHOICE,
	 .offset = offsetof(struct args, way),
	 .arg = "WAY",
	 .help = "where",
	 .words = ways,
	 .preset = 1},
	{.name = "json", .type = CMD_FLAG, .offset = offsetof(struct args, json), .help = "JSON"},
	{0},
};
static const struct command permute = {.name = "list", .operands = "[X...]", .options = options};
static const struct command stop = {.name = "list", .operands = "[X...]", .options = options, .stop = true};

static struct parsed parse_words(const struct command *cmd, char **words, int argc)
{
	struct parsed p = {0};
	struct capture c = capture_begin(stderr);

	memcpy(p.argv, words, argc * sizeof(*words));
	p.n = cmd_parse(cmd, argc, p.argv, &p.args);
	p.status = p.n < 0 ? cmd_parse_status(p.n) : EXIT_OK;
	p.messages = capture_end(&c);
	return p;
}
#define PARSE(cmd, ...) \
	parse_words(&cmd, (char *[]){"list", __VA_ARGS__}, ARRAY_SIZE(((char *[]){"list", __VA_ARGS__})))

static void options_and_operands_may_mix(void **state)
{
	struct parsed p = PARSE(permute, "one", "--file", "f", "--limit=12", "two", "--", "--json");

	(void)state;
	assert_int_equal(p.n, 3);
	assert_string_equal(p.argv[1], "one");
	assert_string_equal(p.argv[2], "two");
	assert_string_equal(p.argv[3], "--json");
	assert_null(p.argv[4]);
	assert_string_equal(p.args.file, "f");
	assert_int_equal(p.args.limit, 12);
	assert_false(p.args.json);
}

static void the_options_of_another_program_are_left_alone(void **state)
{
	struct parsed p = PARSE(stop, "--limit", "3", "cmd", "--json", "--", "-x");

	(void)state;
	assert_int_equal(p.n, 4);
	assert_string_equal(p.argv[2], "--json");
	assert_string_equal(p.argv[3], "--");
	assert_false(p.args.json);
	p = PARSE(stop, "--json", "--", "--file");
	assert_int_equal(p.n, 1);
	assert_string_equal(p.argv[1], "--file");
	assert_true(p.args.json);
}

static void bad_options_are_named(void **state)
{
	struct parsed p = PARSE(permute, "--jsno");

	(void)state;
	assert_int_equal(p.status, EXIT_USAGE);
	assert_string_equal(p.messages, "sockhop: list: unknown option '--jsno', did you mean '--json'?; "
					"see `sockhop list --help`\n");
	/* a prefix is no option */
	p = PARSE(permute, "--fil", "x");
	assert_int_equal(p.status, EXIT_USAGE);
	p = PARSE(permute, "--file");
	assert_non_null(strstr(p.messages, "'--file' wants a value"));
	p = PARSE(permute, "--json=yes");
	assert_non_null(strstr(p.messages, "takes no value"));
	p = PARSE(permute, "-x");
	assert_non_null(strstr(p.messages, "unknown option '-x'"));
}

static void numbers_are_checked(void **state)
{
	static char *const bad[] = {"", "-1", "+1", " 1", "1x", "0x10", "4294967296", "99999999999999999999"};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		p = PARSE(permute, "--limit", bad[i]);
		assert_int_equal(p.status, EXIT_USAGE);
		assert_non_null(strstr(p.messages, "wants a number"));
	}
	p = PARSE(permute, "--limit", "4294967295");
	assert_int_equal(p.args.limit, UINT32_MAX);
}

static void verbosity_counts(void **state)
{
	(void)state;
	log_level = 0;
	PARSE(permute, "-vv", "--verbose");
	assert_int_equal(log_level, 3);
	log_level = 0;
}

static void defaults_are_those_of_the_table(void **state)
{
	struct parsed p = PARSE(permute, "x");

	(void)state;
	assert_int_equal(p.args.limit, 7);
	assert_int_equal(p.args.wait, 10);
	assert_int_equal(p.args.way, 1);
	assert_null(p.args.file);
}

static void durations_may_have_a_unit(void **state)
{
	static const struct {
		char *text;
		unsigned int seconds;
	} good[] = {{"2", 2}, {"90s", 90}, {"5m", 300}, {"2h", 7200}, {"1d", 86400}, {"24h", 86400}};
	static char *const bad[] = {"1",   "86401", "2d", "1441m",	     "5x", "m", "5 m",
				    "5ms", "-5",    "",	  "213503982334602d"};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		p = PARSE(permute, "--wait", good[i].text);
		assert_int_equal(p.args.wait, good[i].seconds);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		p = PARSE(permute, "--wait", bad[i]);
		assert_int_equal(p.status, EXIT_USAGE);
		assert_non_null(strstr(p.messages, "--wait wants seconds from 2 to 86400"));
	}
}

static void a_choice_is_one_of_its_words(void **state)
{
	struct parsed p = PARSE(permute, "--way=left");

	(void)state;
	assert_int_equal(p.args.way, 0);
	p = PARSE(permute, "--way", "lef");
	assert_int_equal(p.status, EXIT_USAGE);
	assert_non_null(strstr(p.messages, "--way lef: it is one of left, right"));
}

static void a_list_keeps_all_in_order(void **state)
{
	struct parsed p = PARSE(permute, "--add", "a", "--add=b");

	(void)state;
	assert_int_equal(p.args.add.count, 2);
	assert_string_equal(p.args.add.word[0], "a");
	assert_string_equal(p.args.add.word[1], "b");
	cmd_parse_free(&permute, &p.args);
}

static const struct cmd_option verb_options[] = {
	{.name = "json",
	 .type = CMD_FLAG,
	 .offset = offsetof(struct args, json),
	 .verb = "show",
	 .help = "JSON"},
	{.name = "limit",
	 .type = CMD_NUMBER,
	 .offset = offsetof(struct args, limit),
	 .arg = "N",
	 .help = "a limit",
	 .verb = "add",
	 .max = 9,
	 .required = true},
	{0},
};
static const struct cmd_verb verbs[] = {{.name = "show"},
					{.name = "add", .operand = "RULE", .many = true},
					{.name = "del", .operand = "N"},
					{0}};
static const struct command verbal = {.name = "list", .verbs = verbs, .options = verb_options};

static void refused(struct parsed p, const char *why)
{
	assert_int_equal(p.status, EXIT_USAGE);
	assert_non_null(strstr(p.messages, why));
}

static void verbs_have_their_operands_and_options(void **state)
{
	struct parsed p = PARSE(verbal, "add", "--limit=3", "a", "b");

	(void)state;
	assert_int_equal(p.n, 3);
	assert_int_equal(cmd_verb(&verbal, p.argv[1]), 1);
	refused(PARSE(verbal, "--json"), "say `show`, `add RULE` or `del N`");
	refused(PARSE(verbal, "ad", "x"), "unknown verb 'ad', did you mean 'add'?");
	refused(PARSE(verbal, "frobnicate"), "unknown verb 'frobnicate'");
	refused(PARSE(verbal, "show", "x"), "unexpected argument 'x'");
	refused(PARSE(verbal, "del", "1", "2"), "unexpected argument '2'");
	refused(PARSE(verbal, "del"), "`del` wants N");
	refused(PARSE(verbal, "del", "1", "--json"), "--json goes with `show` only");
	refused(PARSE(verbal, "add", "x"), "--limit N is missing");
}

static void operands_that_nobody_asked_for_are_refused(void **state)
{
	static const struct command none = {.name = "list", .options = options};

	(void)state;
	refused(PARSE(none, "x"), "unexpected argument 'x'");
}

/* What the parser and docs/gen-commands.c rely on. */
static void check_option(const struct cmd_option *o)
{
	bool number = o->type == CMD_NUMBER || o->type == CMD_SECONDS;

	assert_true(o->help && *o->help && o->help[strlen(o->help) - 1] != '.');
	assert_true(!o->arg == (o->type == CMD_FLAG));
	assert_true(!o->words == (o->type != CMD_CHOICE));
	if (number) {
		assert_true(o->min < o->max);
		assert_true(o->preset == CMD_NONE || (o->preset >= o->min && o->preset <= o->max));
		assert_true(!o->zero || !o->min);
	}
}

static void every_declaration_is_complete(void **state)
{
	size_t n;

	(void)state;
	for (const struct command *const *c = commands; *c; c++) {
		assert_ptr_equal(command_find((*c)->name), *c);
		assert_true((*c)->run && (*c)->summary);
		n = 0;
		for (const struct cmd_option *o = (*c)->options; o && o->name; o++, n++) {
			check_option(o);
			assert_true(o->offset < (*c)->size);
		}
		assert_true(n < 32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typos_find_their_word),
		cmocka_unit_test(options_and_operands_may_mix),
		cmocka_unit_test(the_options_of_another_program_are_left_alone),
		cmocka_unit_test(bad_options_are_named),
		cmocka_unit_test(numbers_are_checked),
		cmocka_unit_test(verbosity_counts),
		cmocka_unit_test(defaults_are_those_of_the_table),
		cmocka_unit_test(durations_may_have_a_unit),
		cmocka_unit_test(a_choice_is_one_of_its_words),
		cmocka_unit_test(a_list_keeps_all_in_order),
		cmocka_unit_test(verbs_have_their_operands_and_options),
		cmocka_unit_test(operands_that_nobody_asked_for_are_refused),
		cmocka_unit_test(every_declaration_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
