// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "who.h"
#include "agent/lib/util.h"

#define ID_LEN	 64 /* hexadecimal digits of a container's id */
#define ID_SHOWN 12 /* as `docker ps` and `podman ps` show it */
#define UUID_LEN 36
#define HASH_LEN 32 /* of a static pod: the kubelet hashes its manifest */

/* A component of a path. */
struct part {
	const char *s;
	size_t n;
};

static bool part_is(struct part p, const char *word)
{
	return p.n == strlen(word) && !memcmp(p.s, word, p.n);
}

static bool part_ends(struct part p, const char *suffix)
{
	size_t n = strlen(suffix);

	return p.n > n && !memcmp(p.s + p.n - n, suffix, n);
}

/* Takes the prefix off. */
static bool part_skip(struct part *p, const char *prefix)
{
	size_t n = strlen(prefix);

	if (p->n <= n || memcmp(p->s, prefix, n))
		return false;
	p->s += n;
	p->n -= n;
	return true;
}

static void part_cut(struct part *p, const char *suffix)
{
	if (part_ends(*p, suffix))
		p->n -= strlen(suffix);
}

/* Starts at the last occurrence of the mark, behind it. */
static bool part_behind(struct part *p, const char *mark)
{
	size_t n = strlen(mark);

	for (size_t i = p->n; i >= n; i--) {
		if (memcmp(p->s + i - n, mark, n))
			continue;
		p->s += i;
		p->n -= i;
		return true;
	}
	return false;
}

static bool part_hex(struct part p, size_t n)
{
	if (p.n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)p.s[i]))
			return false;
	return true;
}

static void part_copy(struct part p, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", (int)p.n, p.s);
}

/*
 * The UID of a pod: a UUID, in the name of a slice with '_' for '-'; or the hash of a static pod's manifest.
 */
static bool pod_uid(struct part p, char uid[40])
{
	if (!part_hex(p, HASH_LEN) && p.n != UUID_LEN)
		return false;
	for (size_t i = 0; i < p.n && p.n == UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? p.s[i] != '-' && p.s[i] != '_' : !isxdigit((unsigned char)p.s[i]))
			return false;
	}
	part_copy(p, uid, 40);
	for (; *uid; uid++)
		if (*uid == '_')
			*uid = '-';
	return true;
}

/*
 * "podUID" (driver cgroupfs) or "[PREFIX-]kubepods[-QOS]-podUID.slice" (driver systemd); in_kube: below
 * kubepods.
 */
static bool find_pod(struct part p, bool in_kube, struct who *out)
{
	struct part name = p;
	char uid[40];

	if (part_ends(p, ".slice") && memmem(p.s, p.n, "kubepods", 8)) {
		part_cut(&name, ".slice");
		if (!part_behind(&name, "-pod"))
			return false;
	} else if (!in_kube || !part_skip(&name, "pod")) {
		return false;
	}
	if (!pod_uid(name, uid))
		return false;
	snprintf(out->pod, sizeof(out->pod), "%s", uid);
	out->container[0] = out->runtime[0] = 0;
	return true;
}

/* What runtimes put before the id: in the name of a scope (driver systemd), or of a cgroup of its own. */
static const struct {
	const char *prefix, *runtime;
} runtimes[] = {
	{"docker-", "docker"},	    {"libpod-", "podman"}, {"cri-containerd-", "containerd"},
	{"nerdctl-", "containerd"}, {"crio-", "cri-o"},
};

static void set_container(struct who *out, struct part id, const char *runtime)
{
	part_copy(id, out->container, sizeof(out->container));
	snprintf(out->runtime, sizeof(out->runtime), "%s", runtime);
}

/* containerd with a systemd driver that systemd does not serve: "...-podUID.slice:cri-containerd:ID". */
static bool find_colons(struct part p, struct who *out)
{
	struct part id = p, slice = p;

	if (!part_behind(&id, ":cri-containerd:") || !part_hex(id, ID_LEN))
		return false;
	slice.n = memchr(p.s, ':', p.n) - (const void *)p.s;
	find_pod(slice, true, out);
	set_container(out, id, "containerd");
	return true;
}

static bool find_container(struct part p, struct part parent, struct who *out)
{
	struct part id = p;

	if (part_skip(&id, "lxc.payload.") || part_is(parent, "lxc")) {
		set_container(out, id, "lxc");
		return true;
	}
	part_cut(&id, ".scope");
	if (part_hex(id, ID_LEN)) {
		set_container(out, id, part_is(parent, "docker") ? "docker" : "");
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
		struct part rest = id;

		if (!part_skip(&rest, runtimes[i].prefix) || !part_hex(rest, ID_LEN))
			continue;
		set_container(out, rest, runtimes[i].runtime);
		return true;
	}
	return find_colons(p, out);
}

static bool is_unit(struct part p)
{
	static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (part_ends(p, suffixes[i]))
			return true;
	return false;
}

/* What the units found so far leave open. */
enum unit_state {
	UNIT_NONE, /* slices at most */
	UNIT_USER, /* a user manager: its own units are below it */
	UNIT_DONE, /* what is below belongs to the unit */
};

static enum unit_state find_unit(struct part p, enum unit_state state, struct who *out)
{
	struct part user = p;

	part_skip(&p, "_"); /* systemd's escape for names that the kernel would take for its own */
	if (state == UNIT_DONE)
		return state;
	if (part_ends(p, ".slice") && state == UNIT_NONE)
		part_copy(p, out->unit, sizeof(out->unit));
	if (!is_unit(p))
		return state;
	part_copy(p, out->unit, sizeof(out->unit));
	if (state == UNIT_NONE && part_skip(&user, "user@") && part_ends(user, ".service")) {
		part_cut(&user, ".service");
		part_copy(user, out->user, sizeof(out->user));
		return UNIT_USER;
	}
	return UNIT_DONE;
}

void who_parse(const char *path, struct who *out)
{
	enum unit_state units = UNIT_NONE;
	struct part p, parent = {"", 0};
	bool in_kube = false;

	*out = (struct who){0};
	snprintf(out->path, sizeof(out->path), "%s%s", *path == '/' ? "" : "/", path);
	for (; *path; path += p.n, parent = p) {
		path += strspn(path, "/");
		p = (struct part){path, strcspn(path, "/")};
		if (!p.n)
			break;
		if (!out->container[0])
			units = find_unit(p, units, out);
		in_kube = in_kube || memmem(p.s, p.n, "kubepods", 8);
		if (!find_pod(p, in_kube, out))
			find_container(p, parent, out);
	}
	if (out->pod[0])
		out->kind = WHO_POD;
	else if (out->container[0])
		out->kind = WHO_CONTAINER;
	else if (out->unit[0])
		out->kind = WHO_UNIT;
}

void who_pod_name(const char *dir, const char *uid, char *buf, size_t size)
{
	size_t len = strlen(uid);
	DIR *d = opendir(dir);
	struct dirent *e;

	*buf = 0;
	while (d && len && (e = readdir(d))) {
		size_t n = strlen(e->d_name);
		char *line = strchr(e->d_name, '_');

		if (!line || n < len + 2 || e->d_name[n - len - 1] != '_' ||
		    strcmp(e->d_name + n - len, uid) || line == e->d_name + n - len - 1)
			continue;
		*line = '/';
		snprintf(buf, size, "%.*s", (int)(n - len - 1), e->d_name);
		break;
	}
	if (d)
		closedir(d);
}

void who_label(const struct who *who, char buf[WHO_LABEL])
{
	switch (who->kind) {
	case WHO_POD:
		snprintf(buf, WHO_LABEL, "pod:%s", who->pod_name[0] ? who->pod_name : who->pod);
		break;
	case WHO_CONTAINER:
		snprintf(buf, WHO_LABEL, "%s:%.*s", who->runtime[0] ? who->runtime : "container",
			 strcmp(who->runtime, "lxc") ? ID_SHOWN : WHO_LABEL, who->container);
		break;
	case WHO_UNIT:
		if (who->user[0] && strncmp(who->unit, "user@", 5))
			snprintf(buf, WHO_LABEL, "user@%s/%s", who->user, who->unit);
		else
			snprintf(buf, WHO_LABEL, "%s", who->unit);
		break;
	default:
		snprintf(buf, WHO_LABEL, "%.*s", WHO_LABEL - 1, who->path);
	}
}

const char *who_kind_name(enum who_kind kind)
{
	static const char *const names[] = {
		[WHO_CGROUP] = "cgroup",
		[WHO_UNIT] = "unit",
		[WHO_CONTAINER] = "container",
		[WHO_POD] = "pod",
	};

	return names[kind];
}
