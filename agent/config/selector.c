// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "selector.h"
#include "agent/lib/util.h"
#include "agent/view/who.h"

#define ID_DIGITS     64 /* of a container */
#define ID_DIGITS_MIN 12 /* as `docker ps` and `podman ps` show it */
#define UUID_LEN      36

const char *selector_kind_name(enum selector_kind kind)
{
	static const char *const names[] = {
		[SELECT_UNIT] = "unit",
		[SELECT_CONTAINER] = "container",
		[SELECT_POD] = "pod",
		[SELECT_CGROUP] = "cgroup",
	};

	return names[kind];
}

/* ---- reading ---- */

static int bad(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return -EINVAL;
}

static bool all_hex(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefABCDEF");

	return n && !s[n];
}

static int parse_cgroup(const char *value, struct selector *out, char *why, size_t size)
{
	if (*value != '/')
		return bad(why, size, "a cgroup begins with a slash: its path below the cgroup2 mount");
	if (!strncmp(value, "/sys/fs/cgroup", 14))
		return bad(why, size, "a cgroup is named below its mount, without /sys/fs/cgroup");
	if (strstr(value, "/../") || strstr(value, "/./"))
		return bad(why, size, "a cgroup has no '.' or '..'");
	snprintf(out->pattern, sizeof(out->pattern), "%s", value);
	return 0;
}

static bool has_suffix(const char *unit)
{
	static const char *const suffixes[] = {".service", ".scope", ".slice", ".socket", ".mount", ".swap"};
	const char *dot = strrchr(unit, '.');

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (dot && !strcmp(dot, suffixes[i]))
			return true;
	return false;
}

static int parse_unit(const char *value, struct selector *out, char *why, size_t size)
{
	const char *slash = strchr(value, '/'), *unit = slash ? slash + 1 : value;

	if (strchr(unit, '/'))
		return bad(why, size, "a unit is NAME, or user@UID/NAME");
	if (slash && (strncmp(value, "user@", 5) || slash == value + 5))
		return bad(why, size, "what stands before the slash of a unit is user@UID");
	if (!*unit)
		return bad(why, size, "a unit has a name");
	if (slash)
		snprintf(out->scope, sizeof(out->scope), "%.*s", (int)(slash - value - 5), value + 5);
	snprintf(out->pattern, sizeof(out->pattern), "%s%s", unit, has_suffix(unit) ? "" : ".service");
	return 0;
}

static int parse_container(const char *value, struct selector *out, char *why, size_t size)
{
	static const char *const runtimes[] = {"docker", "podman", "containerd", "cri-o", "lxc"};
	const char *colon = strchr(value, ':'), *name = colon ? colon + 1 : value;
	bool known = !colon;

	for (size_t i = 0; i < ARRAY_SIZE(runtimes) && colon; i++)
		known = known || (strlen(runtimes[i]) == (size_t)(colon - value) &&
				  !strncmp(value, runtimes[i], colon - value));
	if (!known)
		return bad(why, size,
			   "what stands before the colon of a container is docker, podman, "
			   "containerd, cri-o or lxc");
	if (!*name || strchr(name, '/'))
		return bad(why, size, "a container is an id or a name");
	if (colon)
		snprintf(out->scope, sizeof(out->scope), "%.*s", (int)(colon - value), value);
	out->exact = all_hex(name) && strlen(name) >= ID_DIGITS_MIN && strlen(name) <= ID_DIGITS;
	snprintf(out->pattern, sizeof(out->pattern), "%s", name);
	return 0;
}

static int parse_pod(const char *value, struct selector *out, char *why, size_t size)
{
	const char *slash = strchr(value, '/');

	out->exact = !slash && strlen(value) == UUID_LEN && strspn(value, "0123456789abcdef-") == UUID_LEN;
	if (!out->exact && (!slash || slash == value || !slash[1] || strchr(slash + 1, '/')))
		return bad(why, size, "a pod is NAMESPACE/NAME, or its UID");
	snprintf(out->pattern, sizeof(out->pattern), "%s", value);
	return 0;
}

int selector_parse(enum selector_kind kind, const char *value, struct selector *out, char *why, size_t size)
{
	static int (*const parse[])(const char *, struct selector *, char *, size_t) = {
		[SELECT_UNIT] = parse_unit,
		[SELECT_CONTAINER] = parse_container,
		[SELECT_POD] = parse_pod,
		[SELECT_CGROUP] = parse_cgroup,
	};

	*out = (struct selector){.kind = kind};
	if (!*value)
		return bad(why, size, "it has no value");
	if (strstr(value, " #"))
		return bad(why, size, "a comment stands on a line of its own");
	if (strlen(value) > sizeof(out->pattern) - sizeof(".service"))
		return bad(why, size, "it is too long");
	snprintf(out->text, sizeof(out->text), "%s = %.*s", selector_kind_name(kind),
		 (int)sizeof(out->text) - 16, value);
	return parse[kind](value, out, why, size);
}

/* ---- matching ---- */

/* The next component of a path, into buf; NULL at its end. Longer ones than the kernel has match nothing. */
static const char *component(const char *path, char buf[256])
{
	size_t n;

	path += strspn(path, "/");
	n = strcspn(path, "/");
	if (!n)
		return NULL;
	snprintf(buf, 256, "%.*s", (int)n, path);
	return path + n;
}

static enum selected match_cgroup(const struct selector *s, const char *path)
{
	const char *pattern = s->pattern;
	char want[256], is[256];

	while ((path = component(path, is))) {
		pattern = component(pattern, want);
		if (!pattern || fnmatch(want, is, FNM_PERIOD))
			return SELECTED_NONE;
	}
	return component(pattern, want) ? SELECTED_BELOW : SELECTED_HERE;
}

static const char *last_component(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	return *name == '_' ? name + 1 : name; /* systemd's escape */
}

/*
 * The shortest beginning of the path that belongs to the same unit, container or pod: a field of struct who.
 */
static size_t shortest(const char *path, const struct who *who, size_t offset)
{
	const char *name = (const char *)who + offset;
	char part[PATH_MAX];
	struct who above;

	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
		who_parse(part, &above);
		if (!strcmp((const char *)&above + offset, name))
			return end - path;
	}
	return strlen(path);
}

/* A unit has its cgroup in slices, of the system's manager or of a user's. */
static enum selected match_unit(const struct selector *s, const char *path, const struct who *who)
{
	bool manager = !strncmp(who->unit, "user@", 5), slices;
	size_t len = strlen(who->unit);

	slices = !len || (len > 6 && !strcmp(who->unit + len - 6, ".slice"));
	if (who->kind > WHO_UNIT)
		return SELECTED_NONE;
	if (*s->scope && *who->user && fnmatch(s->scope, who->user, 0))
		return SELECTED_NONE;
	if (!*s->scope == !(*who->user && !manager) && !fnmatch(s->pattern, who->unit, 0) &&
	    !strcmp(last_component(path), who->unit) &&
	    shortest(path, who, offsetof(struct who, unit)) == strlen(path))
		return SELECTED_HERE;
	return slices || (*s->scope && manager) ? SELECTED_BELOW : SELECTED_NONE;
}

static bool is_container(const struct selector *s, const struct who *who, const struct selector_names *names)
{
	char name[256] = "";

	if (!*who->container || (*s->scope && strcmp(s->scope, who->runtime)))
		return false;
	if (s->exact)
		return !strncasecmp(s->pattern, who->container, strlen(s->pattern));
	if (names && names->container)
		names->container(who, name, sizeof(name), names->arg);
	return *name && !fnmatch(s->pattern, name, 0);
}

static bool is_pod(const struct selector *s, const struct who *who, const struct selector_names *names)
{
	char name[256] = "";

	if (!*who->pod)
		return false;
	if (s->exact)
		return !strcmp(s->pattern, who->pod);
	if (names && names->pod)
		names->pod(who->pod, name, sizeof(name), names->arg);
	return *name && !fnmatch(s->pattern, name, FNM_PATHNAME);
}

enum selected selector_match(const struct selector *s, const char *path, const struct selector_names *names,
			     size_t *len)
{
	struct who who;

	*len = strlen(path);
	if (s->kind == SELECT_CGROUP)
		return match_cgroup(s, path);
	who_parse(path, &who);
	if (s->kind == SELECT_UNIT)
		return match_unit(s, path, &who);
	/* a container may be in any cgroup, also in a container */
	if (s->kind == SELECT_POD && is_pod(s, &who, names))
		*len = shortest(path, &who, offsetof(struct who, pod));
	else if (s->kind == SELECT_CONTAINER && is_container(s, &who, names))
		*len = shortest(path, &who, offsetof(struct who, container));
	else
		return SELECTED_BELOW;
	return SELECTED_HERE;
}
