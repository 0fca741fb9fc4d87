// SPDX-License-Identifier: GPL-2.0-only
/* Which cgroup: from an operator's argument to a path, from a path to an id, and back. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "agent/lib/util.h"
#include "cgroup/cgroup.h"
#include "cgroup/path.h"

/* The type of a kernfs file handle (include/linux/exportfs.h, FILEID_KERNFS): one __u64, the node's id. */
#define HANDLE_KERNFS 0xfe

struct id_handle {
	struct file_handle fh;
	__u64 id;
};

bool cgroup_is_below(const char *path, const char *ancestor)
{
	size_t len = strlen(ancestor);

	while (len && ancestor[len - 1] == '/')
		len--;
	return !strncmp(path, ancestor, len) && (!path[len] || path[len] == '/');
}

static int is_cgroup2(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return -errno;
	return fs.f_type == CGROUP2_SUPER_MAGIC ? 0 : -EINVAL;
}

/* An O_PATH fd of a cgroup: no permission to read it is needed. */
static int open_cgroup(const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = is_cgroup2(fd);
	return err ? err : steal_fd(&fd);
}

static int id_of_fd(int fd, __u64 *id)
{
	struct id_handle h = {.fh.handle_bytes = sizeof(h.id)};
	struct stat st;
	int mount_id;

	if (!name_to_handle_at(fd, "", &h.fh, &mount_id, AT_EMPTY_PATH) &&
	    h.fh.handle_type == HANDLE_KERNFS) {
		memcpy(id, h.fh.f_handle, sizeof(*id));
		return 0;
	}
	/* seccomp filters of containers refuse handles; inode numbers are as good but on 32-bit kernels */
	if (fstat(fd, &st))
		return -errno;
	*id = st.st_ino;
	return 0;
}

int cgroup_id(const char *path, __u64 *id)
{
	_cleanup_close_ int fd = open_cgroup(path);

	return fd < 0 ? fd : id_of_fd(fd, id);
}

/* The path of an open cgroup, if that path leads back to it: not so outside our root or mount namespace. */
static int path_of_fd(int fd, char *path, size_t size)
{
	char link[64], buf[PATH_MAX];
	__u64 id, back;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, sizeof(buf) - 1);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	if (buf[0] != '/' || id_of_fd(fd, &id) || cgroup_id(buf, &back) || id != back)
		return -ENOENT;
	return path_copy(path, size, buf);
}

static int path_by_handle(const char *mount, __u64 id, char *path, size_t size)
{
	struct id_handle h = {.fh = {.handle_bytes = sizeof(id), .handle_type = HANDLE_KERNFS}};
	_cleanup_close_ int dir = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;

	if (dir < 0)
		return -errno;
	memcpy(h.fh.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(dir, &h.fh, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : path_of_fd(fd, path, size);
}

struct id_search {
	__u64 id;
	char *path;
	size_t size;
};

/* 1: found; the walk ends. */
static int match_id(const char *path, void *arg)
{
	struct id_search *s = arg;
	__u64 id;
	int err;

	if (cgroup_id(path, &id) || id != s->id)
		return 0;
	err = path_copy(s->path, s->size, path);
	return err ? err : 1;
}

int cgroup_path_by_id(__u64 id, char *path, size_t size)
{
	struct id_search search = {.id = id, .path = path, .size = size};
	char mount[PATH_MAX];
	int err = cgroup_mount(mount, sizeof(mount));

	if (err)
		return err;
	err = path_by_handle(mount, id, path, size);
	/* the handle of a removed cgroup is stale: no need to walk */
	if (!err || err == -ENAMETOOLONG)
		return err;
	if (err == -ESTALE)
		return -ENOENT;
	err = cgroup_walk(mount, match_id, &search);
	return err < 0 ? err : err == 1 ? 0 : -ENOENT;
}

/* The one path that names this cgroup everywhere in sockhop: below the main mount wherever that shows it. */
static int canonical(int fd, char *path, size_t size)
{
	char mount[PATH_MAX], direct[PATH_MAX];
	int have = path_of_fd(fd, direct, sizeof(direct));
	__u64 id;

	if (!have && !cgroup_mount(mount, sizeof(mount)) && cgroup_is_below(direct, mount))
		return path_copy(path, size, direct);
	if (!id_of_fd(fd, &id) && !cgroup_path_by_id(id, path, size))
		return 0;
	return have ? have : path_copy(path, size, direct);
}

int cgroup_resolve(const char *arg, char *path, size_t size)
{
	char mount[PATH_MAX], below[PATH_MAX];
	_cleanup_close_ int fd = -1;

	if (!*arg)
		return -EINVAL;
	fd = open_cgroup(arg);
	if (fd == -ENOENT) {
		int err = cgroup_mount(mount, sizeof(mount));

		if (!err)
			err = path_join(below, sizeof(below), mount, arg);
		if (err)
			return err;
		fd = open_cgroup(below);
	}
	return fd < 0 ? fd : canonical(fd, path, size);
}

int cgroup_resolve_gone(const char *arg, char *path, size_t size)
{
	char mount[PATH_MAX];
	int err;

	if (!*arg)
		return -EINVAL;
	err = cgroup_mount(mount, sizeof(mount));
	if (err)
		return err;
	err = cgroup_is_below(arg, mount) ? path_copy(path, size, arg) : path_join(path, size, mount, arg);
	for (size_t len = err ? 0 : strlen(path); len > 1 && path[len - 1] == '/'; len--)
		path[len - 1] = '\0';
	return err;
}
