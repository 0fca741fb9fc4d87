// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "check.h"
#include "agent/lib/util.h"
#include "agent/view/output.h"

static const char *const names[] = {
	[CHECK_OK] = "ok",	   [CHECK_SKIPPED] = "skipped", [CHECK_WARN] = "warning",
	[CHECK_FAILED] = "failed", [CHECK_MISSING] = "missing", [CHECK_DENIED] = "denied",
};

void check_line(struct checks *c, enum check_state state, const char *name, const char *fix, const char *fmt,
		...)
{
	json_object *o = json_object_new_object();
	char found[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(found, sizeof(found), fmt, ap);
	va_end(ap);
	json_object_object_add(o, "check", json_object_new_string(name));
	json_object_object_add(o, "state", json_object_new_string(names[state]));
	json_object_object_add(o, "found", output_string(found, sizeof(found)));
	json_object_object_add(o, "fix", fix && state != CHECK_OK ? output_string(fix, strlen(fix)) : NULL);
	json_object_array_add(c->lines, o);
	if (state > c->worst)
		c->worst = state;
}

enum check_state check_state_of(int err, enum check_state other)
{
	return err == -EPERM || err == -EACCES ? CHECK_DENIED : other;
}
