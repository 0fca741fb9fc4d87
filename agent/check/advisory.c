// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advisory.h"
#include "agent/lib/util.h"

static const struct advisory advisories[] = {
#define X(name, since, fixed, meets, remedy) {name, since, fixed, meets, remedy},
	ADVISORIES(X)
#undef X
};

const struct advisory *advisory_at(size_t i)
{
	return i < ARRAY_SIZE(advisories) ? &advisories[i] : NULL;
}

/* Debian's "-28-amd64", Ubuntu's "-45-generic", RHEL's "-427.13.1.el9", a cloud's "-1021-aws": they count
 * builds. */
static bool is_plain(const char *rest)
{
	return strcspn(rest, "0123456789") == strlen(rest);
}

int kernel_version_parse(const char *text, struct kernel_version *out)
{
	struct kernel_version v = {.plain = true};
	char *end = (char *)text;

	for (int i = 0; i < 3; i++) {
		if (i && *end != '.')
			break;
		if (!isdigit((unsigned char)end[!!i]))
			return -EINVAL;
		v.part[i] = strtol(end + !!i, &end, 10);
	}
	if (end == text || (!v.part[0] && !v.part[1]) || !strchr(text, '.'))
		return -EINVAL;
	if (!strncmp(end, "-rc", 3) && isdigit((unsigned char)end[3]))
		v.rc = strtol(end + 3, &end, 10);
	v.plain = is_plain(end);
	*out = v;
	return 0;
}

int kernel_version_compare(const struct kernel_version *a, const struct kernel_version *b)
{
	for (int i = 0; i < 3; i++)
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	if (!a->rc || !b->rc)
		return !b->rc - !a->rc ? (a->rc ? -1 : 1) : 0;
	return a->rc < b->rc ? -1 : a->rc > b->rc;
}

/* Is it of a series that has the fix, or never needed one? */
static bool has_fix(const struct advisory *a, const struct kernel_version *v)
{
	_cleanup_free_ char *fixed = strdup(a->fixed);
	struct kernel_version fix = {};

	if (!fixed)
		return false;
	for (char *rest = fixed, *word; (word = strsep(&rest, " "));) {
		if (kernel_version_parse(word, &fix))
			return false;
		if (fix.part[0] == v->part[0] && fix.part[1] == v->part[1])
			break;
	}
	/* a series that is not listed is newer than all that are, or never got it */
	return kernel_version_compare(v, &fix) >= 0;
}

bool advisory_affects(const struct advisory *a, const struct kernel_version *v)
{
	struct kernel_version since;

	if (!kernel_version_parse(a->since, &since) && kernel_version_compare(v, &since) < 0)
		return false;
	return !has_fix(a, v);
}

enum advisory_state advisory_judge(const struct advisory *a, const char *release, const char *upstream,
				   const char *changelog)
{
	struct kernel_version v, from;

	if (changelog && strstr(changelog, a->name))
		return ADVISORY_FIXED;
	/* distributions add fixes to what they start from, and take none out */
	if (upstream && !kernel_version_parse(upstream, &from))
		return advisory_affects(a, &from) ? ADVISORY_CANNOT_TELL : ADVISORY_FIXED;
	if (kernel_version_parse(release, &v))
		return ADVISORY_CANNOT_TELL;
	if (v.plain)
		return advisory_affects(a, &v) ? ADVISORY_AFFECTED : ADVISORY_FIXED;
	/* they bring features, and their defects, to older versions as well: `since` says nothing */
	return has_fix(a, &v) ? ADVISORY_FIXED : ADVISORY_CANNOT_TELL;
}
