// SPDX-License-Identifier: GPL-2.0-only
/* advisories.c: which defects of this kernel our own hooks meet (advisory.h). */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "advisory.h"
#include "check.h"
#include "agent/lib/util.h"
#include "agent/view/output.h"

#define CHANGELOG_MAX (64u << 20)

/* All of a Debian package's changelog, NULL if it cannot be read. */
static char *read_debian(const char *release)
{
	char path[PATH_MAX], *text = NULL;
	size_t n = 0, room = 1u << 20;
	gzFile f;
	int got = 1;

	snprintf(path, sizeof(path), "/usr/share/doc/linux-image-%s/changelog.Debian.gz", release);
	f = gzopen(path, "re");
	while (f && got > 0 && room <= CHANGELOG_MAX) {
		char *more = realloc(text, room + 1);

		if (!more)
			break;
		text = more;
		got = gzread(f, text + n, room - n);
		n += got > 0 ? got : 0;
		if (n == room)
			room *= 2;
	}
	if (f)
		gzclose(f);
	if (text)
		text[n] = 0;
	return text;
}

/* What rpm(8) has of its changelog, NULL if that is not there or does not know this kernel. */
static char *read_rpm(const char *release)
{
	char command[256], *text = NULL;
	size_t room = 0;
	FILE *f;

	if (access("/usr/bin/rpm", X_OK) || strlen(release) > 100 ||
	    strspn(release, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~-") !=
		    strlen(release))
		return NULL;
	snprintf(command, sizeof(command), "/usr/bin/rpm -q --changelog kernel-core-%s 2>/dev/null", release);
	f = popen(command, "re");
	if (f && getdelim(&text, &room, 0, f) < 0) {
		free(text);
		text = NULL;
	}
	if (f && pclose(f)) {
		free(text);
		text = NULL;
	}
	return text;
}

/* The stable version that a distribution's kernel was made from, as it says itself; NULL: it does not. */
static const char *upstream_of(const struct utsname *uts, char buf[64])
{
	_cleanup_fclose_ FILE *f =
		fopen("/proc/version_signature", "re");	      /* Ubuntu 6.8.0-45.45-generic 6.8.12 */
	const char *debian = strstr(uts->version, "Debian "); /* ... Debian 6.1.119-1 (2024-11-22) */

	if (f && fscanf(f, "%*s %*s %63s", buf) == 1)
		return buf;
	return debian && sscanf(debian, "Debian %63[0-9.]", buf) == 1 ? buf : NULL;
}

static const char *const state_names[] = {
	[ADVISORY_FIXED] = "fixed",
	[ADVISORY_AFFECTED] = "affected",
	[ADVISORY_CANNOT_TELL] = "cannot tell",
};

static void add_row(json_object *list, const struct advisory *a, enum advisory_state state)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "advisory", json_object_new_string(a->name));
	json_object_object_add(o, "state", json_object_new_string(state_names[state]));
	json_object_object_add(o, "since", a->since[0] ? json_object_new_string(a->since) : NULL);
	json_object_object_add(o, "fixed_in", json_object_new_string(a->fixed));
	json_object_object_add(o, "meets", json_object_new_string(a->meets));
	json_object_object_add(o, "remedy", json_object_new_string(a->remedy));
	json_object_array_add(list, o);
}

void check_advisories(struct checks *c, json_object *list)
{
	_cleanup_free_ char *changelog = NULL;
	const struct advisory *a;
	const char *upstream;
	char from[64];
	struct utsname uts;
	size_t i, fixed = 0;

	uname(&uts);
	upstream = upstream_of(&uts, from);
	changelog = read_debian(uts.release) ?: read_rpm(uts.release);
	for (i = 0; (a = advisory_at(i)); i++) {
		enum advisory_state state = advisory_judge(a, uts.release, upstream, changelog);

		add_row(list, a, state);
		fixed += state == ADVISORY_FIXED;
		if (state == ADVISORY_AFFECTED)
			check_line(c, CHECK_WARN, a->name, a->remedy, "this kernel is affected: %s",
				   a->meets);
		else if (state == ADVISORY_CANNOT_TELL)
			check_line(c, CHECK_WARN, a->name, a->remedy, "cannot tell (fixed in %s): %s",
				   a->fixed, a->meets);
	}
	check_line(c, CHECK_OK, "kernel defects", NULL, "%zu of %zu that concern sockhop are fixed here%s",
		   fixed, i, changelog ? ", by version and changelog" : ", by version");
}
