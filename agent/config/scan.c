// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"
#include "runtime.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

#define DEPTH_MAX 32

/* path: a buffer of PATH_MAX bytes, cut for the time of the call. */
static int tell(const struct scan *s, char *path, size_t len, const struct selector *selector)
{
	char *end = path + strlen(s->mount) + len, was = *end;
	int ret;

	*end = '\0';
	ret = s->found(path, selector, s->arg);
	*end = was;
	return ret;
}

/* 1: look below it. */
static int look(const struct scan *s, char *path)
{
	const char *below = path + strlen(s->mount);
	int ret = 0;

	for (size_t i = 0; i < s->config->n; i++) {
		const struct selector *selector = &s->config->selector[i];
		size_t len;

		switch (selector_match(selector, *below ? below : "/", &runtime_names, &len)) {
		case SELECTED_HERE:
			return tell(s, path, *below ? len : 0, selector);
		case SELECTED_BELOW:
			ret = 1;
			break;
		default:
			break;
		}
	}
	return ret;
}

static int walk(const struct scan *s, char *path, unsigned int depth)
{
	size_t len = strlen(path);
	struct dirent *e;
	int ret = look(s, path);
	DIR *dir;

	if (ret <= 0 || depth > DEPTH_MAX)
		return ret < 0 ? ret : 0;
	/* before its children are read, so that none can appear unseen */
	ret = s->folder ? s->folder(path, s->arg) : 0;
	dir = ret ? NULL : opendir(path);
	if (!dir)
		return ret ?: errno == ENOENT || errno == ENODEV ? 0 : -errno;
	while (!ret && (e = readdir(dir))) {
		if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(path + len, PATH_MAX - len, "/%s", e->d_name) < (int)(PATH_MAX - len))
			ret = walk(s, path, depth + 1);
		path[len] = '\0';
	}
	closedir(dir);
	return ret;
}

int scan_tree(const struct scan *s, const char *path)
{
	char buf[PATH_MAX];

	if ((size_t)snprintf(buf, sizeof(buf), "%s", path) >= sizeof(buf))
		return -ENAMETOOLONG;
	return walk(s, buf, 0);
}

static int add_match(const char *path, const struct selector *s, void *arg)
{
	struct matches *m = arg;
	struct match *list;

	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->match[i].path, path))
			return 0;
	list = array_grow(m->match, m->n, &m->room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	m->match = list;
	snprintf(list[m->n].path, sizeof(list->path), "%s", path);
	list[m->n++].selector = s;
	return 0;
}

int matches_find(const struct config *c, struct matches *out)
{
	char mount[PATH_MAX];
	struct scan s = {.config = c, .mount = mount, .found = add_match, .arg = out};
	int err = cgroup_mount(mount, sizeof(mount));

	return err ?: scan_tree(&s, mount);
}

void matches_free(struct matches *m)
{
	free(m->match);
	*m = (struct matches){0};
}
