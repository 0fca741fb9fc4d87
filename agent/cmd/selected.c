// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "selected.h"
#include "agent/config/config.h"
#include "agent/config/scan.h"
#include "agent/instance/instance.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

/* Does one path lie in the other, or is it the same? */
static bool is_within(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	while (n && folder[n - 1] == '/')
		n--;
	return !strncmp(path, folder, n) && (!path[n] || path[n] == '/');
}

static int is_related(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	const char *path = arg;

	(void)id;
	return is_within(path, cg->path) || is_within(cg->path, path);
}

/* 1: added; 0: it is not attached, or has just gone; or -errno. */
static int add_cgroup(const struct instance *in, const char *path, struct selected_cgroups *out)
{
	char name[PATH_MAX];
	__u64 id, *list;

	snprintf(name, sizeof(name), "%s", path);
	if (instance_each_cgroup(in, is_related, name) <= 0 || cgroup_id(path, &id))
		return 0;
	list = array_grow(out->id, out->n, &out->room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	out->id = list;
	list[out->n++] = id;
	return 1;
}

/* "unit:redis.service": 0 and the selector; -ENOENT: it does not begin so; -EINVAL: `why` says it. */
static int parse(const char *word, struct selector *s, char *why, size_t size)
{
	const char *colon = strchr(word, ':');

	for (unsigned int kind = 0; colon && kind < SELECTOR_KINDS; kind++) {
		const char *name = selector_kind_name(kind);

		if (strlen(name) == (size_t)(colon - word) && !strncmp(word, name, colon - word))
			return selector_parse(kind, colon + 1, s, why, size);
	}
	return -ENOENT;
}

static int add_selected(const struct instance *in, struct selector *s, struct selected_cgroups *out)
{
	const struct config c = {.selector = s, .n = 1};
	struct matches m = {};
	int added = 0, err = matches_find(&c, &m);

	for (size_t i = 0; i < m.n && err >= 0; i++) {
		err = add_cgroup(in, m.match[i].path, out);
		added += err > 0;
	}
	matches_free(&m);
	return err < 0 ? err : added;
}

static int add_word(const struct instance *in, const char *word, struct selected_cgroups *out)
{
	char path[PATH_MAX], why[256];
	struct selector s;
	int err = parse(word, &s, why, sizeof(why));

	if (err == -EINVAL) {
		msg_error("'%s': %s", word, why);
		return EXIT_USAGE;
	}
	if (!err) {
		err = add_selected(in, &s, out);
	} else {
		err = cgroup_resolve(word, path, sizeof(path));
		if (!err)
			err = add_cgroup(in, path, out);
		else if (err == -ENOENT)
			err = 0;
	}
	if (!err) {
		msg_error("instance '%s' has no attached cgroup that '%s' means: see `sockhop status`",
			  in->name, word);
		return EXIT_NOT_ATTACHED;
	}
	return err < 0 ? cmd_failed(FAILED_CGROUP, err, word) : EXIT_OK;
}

int cmd_selected(const struct instance *in, int n, char **word, struct selected_cgroups *out)
{
	int status = EXIT_OK;

	*out = (struct selected_cgroups){};
	for (int i = 0; i < n && status == EXIT_OK; i++)
		status = add_word(in, word[i], out);
	return status;
}
