// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "check.h"
#include "agent/lib/util.h"
#include "agent/view/output.h"

static const struct {
	const char *name;
	int status;
} states[] = {
	[CHECK_OK] = {"ok", EXIT_OK},
	[CHECK_SKIPPED] = {"skipped", EXIT_OK},
	[CHECK_WARN] = {"warning", EXIT_OK},
	[CHECK_FAILED] = {"failed", EXIT_FAIL},
	[CHECK_MISSING] = {"missing", EXIT_UNSUPPORTED},
	[CHECK_DENIED] = {"denied", EXIT_PERMISSION},
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
	json_object_object_add(o, "state", json_object_new_string(states[state].name));
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

int check_status(enum check_state worst)
{
	return states[worst].status;
}
