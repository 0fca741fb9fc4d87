// SPDX-License-Identifier: GPL-2.0-only
/* Our own cgroup, and where a child cgroup for `sockhop run` can live. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/lib/util.h"
#include "cgroup/cgroup.h"
#include "cgroup/path.h"

/* How long the probe's cgroup may take to become empty once the probe is reaped. */
#define PROBE_REMOVE_MS 2000

/* The line "0::/path" of /proc/self/cgroup: the path as our cgroup namespace shows it. */
static int path_in_namespace(char *path, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/cgroup", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		if (strncmp(line, "0::/", 4))
			continue;
		line[strcspn(line, "\n")] = 0;
		return path_copy(path, size, line + 3);
	}
	return -ENOENT;
}

struct self_search {
	char *path;
	size_t size;
};

static bool holds_self(const char *path)
{
	_cleanup_fclose_ FILE *f = NULL;
	char name[PATH_MAX], line[32];

	if (path_join(name, sizeof(name), path, "cgroup.procs"))
		return false;
	f = fopen(name, "re");
	while (f && fgets(line, sizeof(line), f))
		if (atoi(line) == getpid())
			return true;
	return false;
}

/* 1: found; the walk ends. */
static int match_self(const char *path, void *arg)
{
	struct self_search *s = arg;
	int err;

	if (!holds_self(path))
		return 0;
	err = path_copy(s->path, s->size, path);
	return err ? err : 1;
}

/*
 * The mount's root and our own path are both as our cgroup namespace shows them: strip the one from the
 * other.
 * "/.." parts name a place outside the namespace that has no name here: -ENOENT.
 */
static int strip_root(const struct cgroup_mountpoint *m, const char *own, char *path, size_t size)
{
	const char *rest = own;

	if (!strncmp(m->root, "/..", 3) || !strncmp(own, "/..", 3) || !cgroup_is_below(own, m->root))
		return -ENOENT;
	if (strcmp(m->root, "/"))
		rest += strlen(m->root);
	return path_join(path, size, m->point, rest);
}

int cgroup_self(char *path, size_t size)
{
	struct self_search search = {.path = path, .size = size};
	char own[PATH_MAX], buf[PATH_MAX];
	struct cgroup_mountpoint m;
	int err = cgroup_mountpoint_get(&m);

	if (!err)
		err = path_in_namespace(own, sizeof(own));
	if (err)
		return err;
	if (!strip_root(&m, own, buf, sizeof(buf)) && !access(buf, F_OK))
		return path_copy(path, size, buf);
	err = cgroup_walk(m.point, match_self, &search);
	return err < 0 ? err : err == 1 ? 0 : -ENOENT;
}

/* Sends a process of our own into the cgroup and waits for its end. What it exits with is the error. */
static int try_enter(const char *path)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(-cgroup_enter(path, 0));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static int try_child(const char *parent)
{
	char name[48], path[PATH_MAX];
	int err, gone;

	snprintf(name, sizeof(name), "sockhop-probe-%d", getpid());
	err = cgroup_create(parent, name, path, sizeof(path));
	if (err)
		return err;
	err = try_enter(path);
	gone = cgroup_remove(path, PROBE_REMOVE_MS);
	return err ? err : gone;
}

int cgroup_parent_for_run(char *path, size_t size)
{
	char own[PATH_MAX], mount[PATH_MAX];
	int err = cgroup_mount(mount, sizeof(mount));
	int first;

	if (!err)
		err = cgroup_self(own, sizeof(own));
	if (err)
		return err;
	first = err = try_child(own);
	while (err && strcmp(own, mount) && cgroup_is_below(own, mount)) {
		*strrchr(own, '/') = 0;
		err = try_child(own);
	}
	return err ? first : path_copy(path, size, own);
}
