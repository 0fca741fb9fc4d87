// SPDX-License-Identifier: GPL-2.0-only
/* value.c: the value of an option, from its text: on a command line, and in a configuration file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "agent/lib/util.h"

/* Seconds of a unit, 0: it is none. */
static unsigned int unit_seconds(const char *unit)
{
	static const struct {
		const char *name;
		unsigned int seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(unit, units[i].name))
			return units[i].seconds;
	return 0;
}

static bool read_number(const struct cmd_option *o, const char *text, unsigned int *out)
{
	unsigned long n, scale;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	/* strtoul() takes signs and leading blanks as well */
	if (*text < '0' || *text > '9' || errno)
		return false;
	scale = o->type == CMD_SECONDS ? unit_seconds(end) : !*end;
	if (!scale || n > o->max / scale || n * scale < o->min)
		return false;
	*out = n * scale;
	return true;
}

static int set_number(const struct cmd_option *o, const char *name, const char *text, unsigned int *out,
		      char *why, size_t size)
{
	if (read_number(o, text, out))
		return 0;
	if (o->type == CMD_SECONDS)
		snprintf(why, size, "%s wants seconds from %u to %u (or as in 90s, 5m, 2h, 1d), not '%s'",
			 name, o->min, o->max, text);
	else
		snprintf(why, size, "%s wants a number from %u to %u, not '%s'", name, o->min, o->max, text);
	return -EINVAL;
}

static int set_choice(const struct cmd_option *o, const char *name, const char *text, unsigned int *out,
		      char *why, size_t size)
{
	char all[128] = "";
	size_t n = 0;

	for (unsigned int i = 0; o->words[i]; i++) {
		if (!strcmp(text, o->words[i])) {
			*out = i;
			return 0;
		}
		n += snprintf(all + n, n < sizeof(all) ? sizeof(all) - n : 0, "%s%s", i ? ", " : "",
			      o->words[i]);
	}
	if (!o->words[1])
		snprintf(why, size, "%s %s: only %s is known", name, text, all);
	else
		snprintf(why, size, "%s %s: it is one of %s", name, text, all);
	return -EINVAL;
}

int cmd_value(const struct cmd_option *o, const char *name, const char *text, void *args, char *why,
	      size_t size)
{
	void *at = (char *)args + o->offset;

	switch (o->type) {
	case CMD_STRING:
		*(const char **)at = text;
		return 0;
	case CMD_NUMBER:
	case CMD_SECONDS:
		return set_number(o, name, text, at, why, size);
	case CMD_CHOICE:
		return set_choice(o, name, text, at, why, size);
	default:
		return -EINVAL;
	}
}
