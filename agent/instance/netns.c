// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "netns.h"
#include "instance.h"
#include "agent/lib/map.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

#define NETNS_RUN "/run/netns" /* of iproute2 */

bool netns_listed(const struct netns_list *l, __u32 inum)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->inum[i] == inum)
			return true;
	return false;
}

int netns_list_add(struct netns_list *l, __u32 inum)
{
	__u32 *p;

	if (netns_listed(l, inum))
		return 0;
	p = array_grow(l->inum, l->n, &l->room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	l->inum = p;
	l->inum[l->n++] = inum;
	return 0;
}

void netns_list_clear(struct netns_list *l)
{
	l->n = 0;
}

void netns_list_free(struct netns_list *l)
{
	free(l->inum);
	*l = (struct netns_list){};
}

static int add_end(const void *key, const void *value, void *arg)
{
	(void)key;
	return netns_list_add(arg, ((const struct hop_end *)value)->netns);
}

int netns_list_all(struct netns_list *l, const struct instance *in)
{
	return map_each(in->map[MAP_ENDS], sizeof(struct hop_key), sizeof(struct hop_end), add_end, l);
}

struct each {
	struct netns_list *seen;
	netns_fn *fn;
	void *arg;
};

/* One file that stands for a namespace. */
static int each_file(const char *path, struct each *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (stat(path, &st) || netns_listed(e->seen, st.st_ino))
		return 0; /* it has gone, or was seen before */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : 0;
	/* the process may have changed its namespace, or its pid been reused, in between */
	if (fstat(fd, &st) || netns_listed(e->seen, st.st_ino))
		return 0;
	return netns_list_add(e->seen, st.st_ino) ?: e->fn(fd, st.st_ino, e->arg);
}

static int each_pid(pid_t pid, void *arg)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return each_file(path, arg);
}

static int each_cgroup(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	int err = cgroup_each_pid(cg->path, each_pid, arg);

	(void)id;
	return err == -ENOENT ? 0 : err;
}

int netns_each(const struct instance *in, const char *path, struct netns_list *seen, netns_fn *fn, void *arg)
{
	struct netns_list own = {};
	struct each e = {seen ?: &own, fn, arg};
	int err = path ? cgroup_each_pid(path, each_pid, &e) : instance_each_cgroup(in, each_cgroup, &e);

	netns_list_free(&own);
	return err == -ENOENT ? 0 : err;
}

/* Call fn for the files of a folder of namespaces, or of processes, until it returns non-zero. */
static int each_in(const char *dir, bool procs, int (*fn)(const char *path, const char *name, void *arg),
		   void *arg)
{
	DIR *d = opendir(dir);
	char path[PATH_MAX];
	struct dirent *f;
	int ret = 0;

	while (d && !ret && (f = readdir(d))) {
		if (f->d_name[0] == '.' || (procs && (f->d_name[0] < '0' || f->d_name[0] > '9')))
			continue;
		snprintf(path, sizeof(path), procs ? "%s/%s/ns/net" : "%s/%s", dir, f->d_name);
		ret = fn(path, f->d_name, arg);
	}
	if (d)
		closedir(d);
	return ret;
}

static int each_named(const char *path, const char *name, void *arg)
{
	(void)name;
	return each_file(path, arg);
}

int netns_each_of_host(netns_fn *fn, void *arg)
{
	struct netns_list seen = {};
	struct each e = {&seen, fn, arg};
	int err = each_in("/proc", true, each_named, &e) ?: each_in(NETNS_RUN, false, each_named, &e);

	netns_list_free(&seen);
	return err;
}

/* The fd of this file if it is that namespace, else -1. */
static int try_file(const char *path, __u32 inum)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (stat(path, &st) || st.st_ino != inum)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* the process may have gone and its pid been reused in between */
	if (fd < 0 || fstat(fd, &st) || st.st_ino != inum)
		return fd < 0 && (errno == EMFILE || errno == ENFILE) ? -errno : -1;
	return steal_fd(&fd);
}

struct search {
	__u32 inum;
	int fd;	    /* -1 until it is found; another -errno: no descriptor can be had */
	char *name; /* NULL, or room of `size` for the name of the file that it was found by */
	size_t size;
};

static int try_netns(int fd, __u32 inum, void *arg)
{
	struct search *s = arg;

	if (inum != s->inum)
		return 0;
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (s->fd < 0)
		s->fd = -errno;
	return 1;
}

static int try_named(const char *path, const char *name, void *arg)
{
	struct search *s = arg;

	s->fd = try_file(path, s->inum);
	if (s->fd >= 0 && s->name)
		snprintf(s->name, s->size, "%s", name);
	return s->fd != -1;
}

int netns_open(const struct instance *in, __u32 inum)
{
	struct search s = {.inum = inum, .fd = try_file("/proc/self/ns/net", inum)};

	if (s.fd == -1)
		netns_each(in, NULL, NULL, try_netns, &s);
	/* Named namespaces (ip netns) and, last, every process: a socket may outlive those of its cgroup. */
	if (s.fd == -1)
		each_in(NETNS_RUN, false, try_named, &s);
	if (s.fd == -1)
		each_in("/proc", true, try_named, &s);
	return s.fd == -1 ? -ENOENT : s.fd;
}

void netns_name(__u32 inum, char *buf, size_t size)
{
	struct search s = {.inum = inum, .fd = -1, .name = buf, .size = size};

	buf[0] = '\0';
	each_in(NETNS_RUN, false, try_named, &s);
	if (s.fd >= 0)
		close(s.fd);
}
