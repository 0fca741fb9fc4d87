// SPDX-License-Identifier: GPL-2.0-only
/* The result layer, the words for reasons, option parsing and suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <linux/types.h>

#include "agent/cmd/cmd.h"
#include "agent/view/output.h"
#include "agent/view/reasons.h"
#include "agent/lib/util.h"
#include "bpf/hop.h"

/* Point a standard stream at a temporary file; capture_end() restores it and returns what was written. */
struct capture {
	FILE *stream, *file;
	int saved;
};

static struct capture capture_begin(FILE *stream)
{
	struct capture c = {stream, tmpfile(), -1};

	assert_non_null(c.file);
	fflush(stream);
	c.saved = dup(fileno(stream));
	dup2(fileno(c.file), fileno(stream));
	return c;
}

static const char *capture_end(struct capture *c)
{
	static char text[65536];
	size_t n;

	fflush(c->stream);
	dup2(c->saved, fileno(c->stream));
	close(c->saved);
	rewind(c->file);
	n = fread(text, 1, sizeof(text) - 1, c->file);
	text[n] = '\0';
	fclose(c->file);
	return text;
}

static const char *printed(const char *result, const struct output_section *view, bool json)
{
	_cleanup_json_ json_object *o = json_tokener_parse(result);
	struct capture c = capture_begin(stdout);
	int status = output_print(o, view, json);
	const char *text = capture_end(&c);

	assert_int_equal(status, EXIT_OK);
	return text;
}

static const struct output_column pair_columns[] = {
	{"/a", "A", OUTPUT_ADDRESS},
	{"/owner", "PROGRAM", OUTPUT_PROGRAM},
	{"/bytes", "BYTES", OUTPUT_BYTES},
	{"/why", "WHY", OUTPUT_TEXT},
	{0},
};
static const struct output_section table_view[] = {{OUTPUT_TABLE, NULL, NULL, pair_columns}, {0}};

static void table_aligns_its_columns(void **state)
{
	(void)state;
	assert_string_equal(printed("[{\"a\":{\"address\":\"::1\",\"port\":80},\"owner\":{\"program\":"
				    "\"nginx\",\"pid\":7},"
				    "\"bytes\":1536,\"why\":\"order\"},"
				    "{\"a\":{\"address\":\"127.0.0.1\",\"port\":6379},\"owner\":{\"program\":"
				    "null},\"bytes\":9}]",
				    table_view, false),
			    "A               PROGRAM    BYTES  WHY\n"
			    "[::1]:80        nginx/7  1.5 KiB  order\n"
			    "127.0.0.1:6379  -            9 B  -\n");
}

static void an_empty_table_is_its_header(void **state)
{
	(void)state;
	assert_string_equal(printed("[]", table_view, false), "A  PROGRAM  BYTES  WHY\n");
	assert_string_equal(printed("[]", table_view, true), "[\n]\n");
}

static void names_cannot_steer_the_terminal(void **state)
{
	const char *text = printed("[{\"why\":\"a\\u001b[31mb\\nc\\u009bd\"}]", table_view, false);

	(void)state;
	assert_non_null(strstr(text, "a?[31mb?c?d\n"));
	text = printed("[{\"why\":\"a\\u001b[31mb\\nc\\u009bd\\u00a0\u00c2\"}]", table_view, true);
	assert_non_null(strstr(text, "\"a\\u001b[31mb\\nc\\u009bd\xc2\xa0\xc3\x82\""));
}

static void wide_and_accented_names_align(void **state)
{
	static const struct output_column columns[] = {
		{"/n", "N", OUTPUT_TEXT}, {"/c", "C", OUTPUT_COUNT}, {0}};
	static const struct output_section view[] = {{OUTPUT_TABLE, NULL, NULL, columns}, {0}};

	(void)state;
	assert_string_equal(printed("[{\"n\":\"日本\",\"c\":1},{\"n\":\"é\",\"c\":22}]", view, false),
			    "N      C\n"
			    "日本   1\n"
			    "é     22\n");
}

static const struct output_column record_columns[] = {
	{"/name", "name", OUTPUT_TEXT},	       {"/fill", "fill", OUTPUT_PERCENT},
	{"/on", "switched on", OUTPUT_YES_NO}, {"/age", "age", OUTPUT_SECONDS},
	{"/absent", "absent", OUTPUT_TEXT},    {0},
};

static void a_record_leaves_out_missing_lines(void **state)
{
	static const struct output_section view[] = {{OUTPUT_RECORD, NULL, NULL, record_columns}, {0}};

	(void)state;
	assert_string_equal(printed("{\"name\":null,\"fill\":12.34,\"on\":true,\"age\":3700}", view, false),
			    "name:        -\n"
			    "fill:        12.3 %\n"
			    "switched on: yes\n"
			    "age:         1 h 1 min\n");
}

static void titled_sections_without_rows_are_left_out(void **state)
{
	static const struct output_column name[] = {{"/n", "NAME", OUTPUT_TEXT}, {0}};
	static const struct output_section view[] = {
		{OUTPUT_RECORD, NULL, NULL, record_columns},
		{OUTPUT_TABLE, "/empty", "nothing here", name},
		{OUTPUT_TABLE, "/none", "nor here", name},
		{OUTPUT_TABLE, "/some", "some", name},
		{0},
	};

	(void)state;
	assert_string_equal(printed("{\"on\":false,\"empty\":[],\"some\":[{\"n\":\"x\"}]}", view, false),
			    "switched on: no\n\nsome\nNAME\nx\n");
}

static void a_blank_line_stands_between_sections_only(void **state)
{
	static const struct output_column name[] = {{"/n", "NAME", OUTPUT_TEXT}, {0}};
	static const struct output_section view[] = {
		{OUTPUT_TABLE, "/none", "none", name}, {OUTPUT_TABLE, "/some", "some", name}, {0}};

	(void)state;
	assert_string_equal(printed("{\"none\":[],\"some\":[{\"n\":\"x\"}]}", view, false),
			    "some\nNAME\nx\n");
}

static void json_keeps_the_order_of_keys(void **state)
{
	const char *text = printed("{\"z\":1,\"a\":\"/x\",\"m\":null}", table_view, true);

	(void)state;
	assert_string_equal(text, "{\n  \"z\": 1,\n  \"a\": \"/x\",\n  \"m\": null\n}\n");
}

static void bytes_have_one_decimal_and_no_1024(void **state)
{
	static const struct {
		unsigned long long n;
		const char *text;
	} cases[] = {
		{0, "0 B"},
		{1023, "1023 B"},
		{1024, "1.0 KiB"},
		{1048575, "1.0 MiB"},
		{1048524, "1023.9 KiB"},
		{5ull << 30, "5.0 GiB"},
		{UINT64_MAX, "16.0 EiB"},
	};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		output_bytes(buf, sizeof(buf), cases[i].n);
		assert_string_equal(buf, cases[i].text);
	}
}

static void seconds_show_two_units(void **state)
{
	static const struct {
		unsigned long long n;
		const char *text;
	} cases[] = {{0, "0 s"},	 {59, "59 s"},	    {60, "1 min 0 s"}, {3599, "59 min 59 s"},
		     {86400, "1 d 0 h"}, {90061, "1 d 1 h"}};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		output_seconds(buf, sizeof(buf), cases[i].n);
		assert_string_equal(buf, cases[i].text);
	}
}

static void strings_are_made_utf8(void **state)
{
	static const struct {
		const char *raw;
		size_t max;
		const char *text;
	} cases[] = {
		{"redis", 16, "redis"},	  {"caf\xc3\xa9", 16, "caf\xc3\xa9"},  {"cut\xc3", 16, "cut?"},
		{"\xff\xfe.", 16, "??."}, {"sixteen bytes and", 7, "sixteen"}, {"", 16, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_object *o = output_string(cases[i].raw, cases[i].max);

		assert_string_equal(json_object_get_string(o), cases[i].text);
	}
}

static void mapped_addresses_are_shown_as_ipv4(void **state)
{
	static const unsigned char v4[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1}, v6[16] = {0xfd, [15] = 2};
	_cleanup_json_ json_object *a = output_address(v4, 80), *b = output_address(v6, 65535);

	(void)state;
	assert_string_equal(json_object_to_json_string(a), "{ \"address\": \"10.0.0.1\", \"port\": 80 }");
	assert_string_equal(json_object_to_json_string(b), "{ \"address\": \"fd00::2\", \"port\": 65535 }");
}

/* Distinct names: `status --json` uses them as identifiers. */
static void every_reason_has_words_of_its_own(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < HOP_WHY_COUNT; i++) {
		assert_true(*reason_why(i)->name && *reason_why(i)->help);
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(reason_why(i)->name, reason_why(j)->name);
	}
	for (unsigned int i = 0; i < HOP_STAY_COUNT; i++) {
		assert_true(*reason_stay(i)->name && *reason_stay(i)->help);
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(reason_stay(i)->name, reason_stay(j)->name);
	}
	assert_string_equal(reason_why(HOP_WHY_STREAM)->name, "stream");
	assert_string_equal(reason_stay(HOP_STAY_ORDER)->name, "order");
	assert_string_equal(reason_why(HOP_WHY_COUNT)->name, "unknown");
	assert_string_equal(reason_stay(~0u)->name, "unknown");
}

static void typos_find_their_word(void **state)
{
	(void)state;
	assert_string_equal(usage_suggest("stauts"), "status");
	assert_string_equal(usage_suggest("detatch"), "detach");
	assert_string_equal(usage_suggest("lsit"), "list");
	assert_string_equal(usage_suggest("polici"), "policy");
	assert_null(usage_suggest("x"));
	assert_null(usage_suggest("rm"));
	assert_null(usage_suggest(""));
	assert_null(usage_suggest("frobnicate"));
	assert_null(usage_suggest("a-word-that-is-longer-than-any-command-of-this-program"));
}

struct parsed {
	int n, status;
	const char *file, *messages;
	unsigned int limit;
	bool json;
	char *argv[8];
};

static struct parsed parse_words(enum cmd_parse mode, char **words, int argc)
{
	struct parsed p = {0};
	const struct cmd_option options[] = {{"file", CMD_STRING, &p.file},
					     {"limit", CMD_NUMBER, &p.limit},
					     {"json", CMD_FLAG, &p.json},
					     {0}};
	struct capture c = capture_begin(stderr);

	memcpy(p.argv, words, argc * sizeof(*words));
	p.n = cmd_parse(argc, p.argv, options, mode);
	p.status = p.n < 0 ? cmd_parse_status(p.n) : EXIT_OK;
	p.messages = capture_end(&c);
	return p;
}
#define PARSE(mode, ...) \
	parse_words(mode, (char *[]){"list", __VA_ARGS__}, ARRAY_SIZE(((char *[]){"list", __VA_ARGS__})))

static void options_and_operands_may_mix(void **state)
{
	struct parsed p = PARSE(CMD_PERMUTE, "one", "--file", "f", "--limit=12", "two", "--", "--json");

	(void)state;
	assert_int_equal(p.n, 3);
	assert_string_equal(p.argv[1], "one");
	assert_string_equal(p.argv[2], "two");
	assert_string_equal(p.argv[3], "--json");
	assert_null(p.argv[4]);
	assert_string_equal(p.file, "f");
	assert_int_equal(p.limit, 12);
	assert_false(p.json);
}

static void the_options_of_another_program_are_left_alone(void **state)
{
	struct parsed p = PARSE(CMD_STOP, "--limit", "3", "cmd", "--json", "--", "-x");

	(void)state;
	assert_int_equal(p.n, 4);
	assert_string_equal(p.argv[2], "--json");
	assert_string_equal(p.argv[3], "--");
	assert_false(p.json);
	p = PARSE(CMD_STOP, "--json", "--", "--file");
	assert_int_equal(p.n, 1);
	assert_string_equal(p.argv[1], "--file");
	assert_true(p.json);
}

static void bad_options_are_named(void **state)
{
	struct parsed p = PARSE(CMD_PERMUTE, "--jsno");

	(void)state;
	assert_int_equal(p.status, EXIT_USAGE);
	assert_string_equal(p.messages, "sockhop: list: unknown option '--jsno', did you mean '--json'?; "
					"see `sockhop list --help`\n");
	/* a prefix is no option */
	p = PARSE(CMD_PERMUTE, "--fil", "x");
	assert_int_equal(p.status, EXIT_USAGE);
	p = PARSE(CMD_PERMUTE, "--file");
	assert_non_null(strstr(p.messages, "'--file' wants a value"));
	p = PARSE(CMD_PERMUTE, "--json=yes");
	assert_non_null(strstr(p.messages, "takes no value"));
	p = PARSE(CMD_PERMUTE, "-x");
	assert_non_null(strstr(p.messages, "unknown option '-x'"));
}

static void numbers_are_checked(void **state)
{
	static char *const bad[] = {"", "-1", "+1", " 1", "1x", "0x10", "4294967296", "99999999999999999999"};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		p = PARSE(CMD_PERMUTE, "--limit", bad[i]);
		assert_int_equal(p.status, EXIT_USAGE);
		assert_non_null(strstr(p.messages, "wants a number"));
	}
	p = PARSE(CMD_PERMUTE, "--limit", "4294967295");
	assert_int_equal(p.limit, UINT32_MAX);
}

static void verbosity_counts(void **state)
{
	(void)state;
	log_level = 0;
	PARSE(CMD_PERMUTE, "-vv", "--verbose");
	assert_int_equal(log_level, 3);
	log_level = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_aligns_its_columns),
		cmocka_unit_test(an_empty_table_is_its_header),
		cmocka_unit_test(names_cannot_steer_the_terminal),
		cmocka_unit_test(wide_and_accented_names_align),
		cmocka_unit_test(a_record_leaves_out_missing_lines),
		cmocka_unit_test(titled_sections_without_rows_are_left_out),
		cmocka_unit_test(a_blank_line_stands_between_sections_only),
		cmocka_unit_test(json_keeps_the_order_of_keys),
		cmocka_unit_test(bytes_have_one_decimal_and_no_1024),
		cmocka_unit_test(seconds_show_two_units),
		cmocka_unit_test(strings_are_made_utf8),
		cmocka_unit_test(mapped_addresses_are_shown_as_ipv4),
		cmocka_unit_test(every_reason_has_words_of_its_own),
		cmocka_unit_test(typos_find_their_word),
		cmocka_unit_test(options_and_operands_may_mix),
		cmocka_unit_test(the_options_of_another_program_are_left_alone),
		cmocka_unit_test(bad_options_are_named),
		cmocka_unit_test(numbers_are_checked),
		cmocka_unit_test(verbosity_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
