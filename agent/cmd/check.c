// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <string.h>
#include <errno.h>
#include <sys/utsname.h>
#include <bpf/libbpf.h>

#include "cmd.h"
#include "agent/check/check.h"
#include "agent/lib/progress.h"
#include "agent/lib/util.h"
#include "agent/view/output.h"

static const int statuses[] = {
	[CHECK_OK] = EXIT_OK,	    [CHECK_SKIPPED] = EXIT_OK,		[CHECK_WARN] = EXIT_OK,
	[CHECK_FAILED] = EXIT_FAIL, [CHECK_MISSING] = EXIT_UNSUPPORTED, [CHECK_DENIED] = EXIT_PERMISSION,
};

/* The findings that have a remedy, once more: the lines are long. */
static json_object *to_do(json_object *lines)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(lines); i++) {
		json_object *line = json_object_array_get_idx(lines, i);
		json_object *o, *fix = json_object_object_get(line, "fix");

		if (!fix)
			continue;
		o = json_object_new_object();
		json_object_object_add(o, "check", json_object_get(json_object_object_get(line, "check")));
		json_object_object_add(o, "fix", json_object_get(fix));
		json_object_array_add(list, o);
	}
	return list;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return log_level < 2 || level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, fmt, ap);
}

static const struct output_column line_columns[] = {{"/state", "STATE", OUTPUT_TEXT},
						    {"/check", "CHECK", OUTPUT_TEXT},
						    {"/found", "FOUND", OUTPUT_TEXT},
						    {0}};
static const struct output_column fix_columns[] = {
	{"/check", "CHECK", OUTPUT_TEXT}, {"/fix", "REMEDY", OUTPUT_TEXT}, {0}};
static const struct output_column result_columns[] = {
	{"/result", "result", OUTPUT_TEXT}, {"/kernel", "kernel", OUTPUT_TEXT}, {0}};
static const struct output_section view[] = {
	{OUTPUT_TABLE, "/checks", NULL, line_columns},
	{OUTPUT_TABLE, "/to_do", "what to do", fix_columns},
	{OUTPUT_RECORD, NULL, "summary", result_columns},
	{0},
};

static const char *result_text(const struct checks *c)
{
	switch (c->worst) {
	case CHECK_DENIED:
		return "cannot tell: permissions are lacking";
	case CHECK_MISSING:
		return "this kernel cannot run sockhop";
	case CHECK_FAILED:
		return "sockhop cannot work yet";
	case CHECK_WARN:
		return "sockhop works, with limits";
	default:
		return "sockhop works";
	}
}

struct check_args {
	const char *instance; /* accepted like everywhere; the check has an instance of its own */
	bool json;
};

static int check(void *args, int n, char **operand)
{
	const struct check_args *a = args;
	_cleanup_json_ json_object *o = json_object_new_object();
	json_object *profile = json_object_new_object(), *self = json_object_new_object();
	json_object *advisories = json_object_new_array();
	struct checks c = {.lines = json_object_new_array()};
	struct utsname uts;
	int printed;

	(void)n;
	(void)operand;
	libbpf_set_print(quiet);
	if (!a->json)
		progress_begin();
	progress_say("what can this kernel do?");
	uname(&uts);
	json_object_object_add(o, "kernel", output_string(uts.release, sizeof(uts.release)));
	json_object_object_add(o, "result", NULL);
	json_object_object_add(o, "profile", profile);
	json_object_object_add(o, "self_test", self);
	json_object_object_add(o, "checks", c.lines);
	json_object_object_add(o, "advisories", advisories);

	check_host(&c);
	check_advisories(&c, advisories);
	if (check_kernel(&c, profile)) {
		progress_say("a connection joins and leaves");
		check_self(&c, self);
	} else {
		check_line(&c, CHECK_SKIPPED, "self test", NULL, "what it needs is not there, see above");
	}

	json_object_object_add(o, "to_do", to_do(c.lines));
	json_object_object_add(o, "result", json_object_new_string(result_text(&c)));
	progress_end();
	printed = output_print(o, view, a->json);
	return statuses[c.worst] ?: exit_status(printed);
}

static const struct cmd_option options[] = {
	CMD_JSON(offsetof(struct check_args, json), NULL),
	CMD_INSTANCE(offsetof(struct check_args, instance)),
	{0},
};

const struct command cmd_check = {
	.name = "check",
	.summary = "find out by trying what this host can do",
	.options = options,
	.size = sizeof(struct check_args),
	.run = check,
};
