// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <string.h>
#include <errno.h>
#include <sys/utsname.h>
#include <bpf/libbpf.h>

#include "cmd.h"
#include "agent/check/check.h"
#include "agent/lib/util.h"
#include "agent/view/output.h"

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

int cmd_check(int argc, char **argv)
{
	bool json = false;
	const char *name = NULL; /* accepted like everywhere; the check has an instance of its own */
	const struct cmd_option options[] = {{"instance", CMD_STRING, &name}, {"json", CMD_FLAG, &json}, {0}};
	int n = cmd_parse(argc, argv, options, CMD_PERMUTE), printed;
	_cleanup_json_ json_object *o = NULL;
	struct checks c = {};
	struct utsname uts;
	json_object *profile, *self, *advisories;

	if (n < 0)
		return cmd_parse_status(n);
	if (n)
		return cmd_usage_error(argv[0], "unexpected argument '%s'", argv[1]);
	libbpf_set_print(quiet);
	uname(&uts);
	o = json_object_new_object();
	c.lines = json_object_new_array();
	profile = json_object_new_object();
	self = json_object_new_object();
	json_object_object_add(o, "kernel", output_string(uts.release, sizeof(uts.release)));
	json_object_object_add(o, "result", NULL);
	json_object_object_add(o, "profile", profile);
	json_object_object_add(o, "self_test", self);
	json_object_object_add(o, "checks", c.lines);
	advisories = json_object_new_array();
	json_object_object_add(o, "advisories", advisories);

	check_host(&c);
	check_advisories(&c, advisories);
	if (check_kernel(&c, profile))
		check_self(&c, self);
	else
		check_line(&c, CHECK_SKIPPED, "self test", NULL, "what it needs is not there, see above");

	json_object_object_add(o, "to_do", to_do(c.lines));
	json_object_object_add(o, "result", json_object_new_string(result_text(&c)));
	printed = output_print(o, view, json);
	return check_status(c.worst) ?: printed;
}
