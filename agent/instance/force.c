// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "force.h"
#include "agent/lib/util.h"
#include "bpf/hop.h"

static const struct {
	__u32 bit;
	const char *name;
} names[] = {
	{HOP_FORCE_BLOCKING, "blocking"}, {HOP_FORCE_PROGRAM, "program"}, {HOP_FORCE_TRIM, "trim"},
	{HOP_FORCE_ORDER, "order"},	  {HOP_FORCE_BACKLOG, "backlog"}, {HOP_FORCE_LATCH, "latch"},
	{HOP_FORCE_SHUTDOWN, "shutdown"}, {HOP_FORCE_OPTIONS, "options"}, {HOP_FORCE_YOUNG, "young"},
	{HOP_FORCE_HELD, "held"},	  {HOP_FORCE_FLIPS, "flips"},	  {HOP_FORCE_EDGE, "edge"},
	{HOP_FORCE_QUEUES, "queues"},	  {HOP_FORCE_CUT, "cut"},	  {HOP_FORCE_MARK, "mark"},
	{HOP_FORCE_GUARD, "guard"},	  {HOP_FORCE_WAIT, "wait"},
};

static int one(const char *word, __u32 *force)
{
	unsigned long n;
	char *end;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(word, names[i].name)) {
			*force |= names[i].bit;
			return 0;
		}
	errno = 0;
	n = strtoul(word, &end, 0);
	if (*word < '0' || *word > '9' || *end || errno || n > ~0u)
		return -EINVAL;
	*force |= n;
	return 0;
}

int force_parse(const char *text, __u32 *out)
{
	_cleanup_free_ char *copy = strdup(text);
	__u32 force = 0;
	int err = copy ? 0 : -ENOMEM;

	for (char *rest = copy, *word; !err && (word = strsep(&rest, ","));)
		err = one(word, &force);
	if (!err)
		*out = force;
	return err;
}

int force_from_env(__u32 *out)
{
	const char *text = getenv(FORCE_ENV);

	*out = 0;
	if (!text || !*text)
		return 0;
#ifdef HOP_TEST
	return force_parse(text, out);
#else
	return -EOPNOTSUPP;
#endif
}

void force_names(__u32 force, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names) && at < size; i++)
		if (force & names[i].bit) {
			at += snprintf(buf + at, size - at, "%s%s", at ? "," : "", names[i].name);
			force &= ~names[i].bit;
		}
	if (force && at < size)
		snprintf(buf + at, size - at, "%s%#x", at ? "," : "", force);
}
