// SPDX-License-Identifier: GPL-2.0-only
/* All cgroups of a subtree, and all processes in them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "agent/lib/util.h"
#include "cgroup/cgroup.h"
#include "cgroup/path.h"

static void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}
#define _cleanup_closedir_ __attribute__((cleanup(cleanup_closedir)))

/* A cgroup was removed while we looked: ENOENT by name, ENODEV from a file that was open. */
static int unless_gone(int err)
{
	return err == -ENOENT || err == -ENODEV ? 0 : err;
}

/* path: a buffer of PATH_MAX bytes, changed on the way down and restored. */
static int walk(char *path, bool top, int (*fn)(const char *path, void *arg), void *arg)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	size_t len = strlen(path);
	struct dirent *e;
	int ret;

	if (!dir)
		return top ? -errno : unless_gone(-errno);
	ret = fn(path, arg);
	while (!ret && (e = readdir(dir))) {
		/* kernfs knows d_type; directories are child cgroups */
		if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(path + len, PATH_MAX - len, "/%s", e->d_name) >= (int)(PATH_MAX - len))
			ret = -ENAMETOOLONG;
		else
			ret = walk(path, false, fn, arg);
		path[len] = 0;
	}
	return ret;
}

int cgroup_walk(const char *path, int (*fn)(const char *path, void *arg), void *arg)
{
	char buf[PATH_MAX];
	int err = path_join(buf, sizeof(buf), path, "");

	return err ? err : walk(buf, true, fn, arg);
}

/* The process of a thread; 0 if it is gone. */
static pid_t process_of(pid_t tid)
{
	_cleanup_fclose_ FILE *f = NULL;
	char name[64], line[256];
	int pid = 0;

	snprintf(name, sizeof(name), "/proc/%d/status", tid);
	f = fopen(name, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", &pid) == 1)
			break;
	return pid;
}

struct pid_walk {
	int (*fn)(pid_t pid, void *arg);
	void *arg;
	int ret; /* of fn */
};

/* -EOPNOTSUPP: cgroup.procs of a threaded cgroup cannot be read, its threads are in cgroup.threads. */
static int each_in_file(const char *path, const char *file, bool threads, struct pid_walk *w)
{
	_cleanup_fclose_ FILE *f = NULL;
	char name[PATH_MAX], line[32];
	pid_t pid, last = 0;
	int err = path_join(name, sizeof(name), path, file);

	if (err)
		return err;
	f = fopen(name, "re");
	if (!f)
		return -errno;
	while (errno = 0, fgets(line, sizeof(line), f)) {
		pid = threads ? process_of(atoi(line)) : atoi(line);
		/* 0: outside our pid namespace */
		if (pid && pid != last)
			w->ret = w->fn(pid, w->arg);
		if (w->ret)
			return 0;
		last = pid;
	}
	return ferror(f) ? -errno : 0;
}

static int each_in_cgroup(const char *path, void *arg)
{
	struct pid_walk *w = arg;
	int err = each_in_file(path, "cgroup.procs", false, w);

	if (err == -EOPNOTSUPP)
		err = each_in_file(path, "cgroup.threads", true, w);
	return w->ret ? w->ret : unless_gone(err);
}

int cgroup_each_pid(const char *path, int (*fn)(pid_t pid, void *arg), void *arg)
{
	struct pid_walk w = {.fn = fn, .arg = arg};

	return cgroup_walk(path, each_in_cgroup, &w);
}
