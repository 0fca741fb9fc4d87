// SPDX-License-Identifier: GPL-2.0-only
/* Make, enter and remove a cgroup. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/lib/util.h"
#include "cgroup/cgroup.h"
#include "cgroup/path.h"

static bool is_plain_name(const char *name)
{
	return *name && strcmp(name, ".") && strcmp(name, "..") && !strpbrk(name, "/\n");
}

int cgroup_create(const char *parent, const char *name, char *path, size_t size)
{
	char buf[PATH_MAX];
	int err;

	if (!is_plain_name(name))
		return -EINVAL;
	err = path_join(buf, sizeof(buf), parent, name);
	if (!err && strlen(buf) >= size)
		err = -ENAMETOOLONG;
	if (err)
		return err;
	if (mkdir(buf, 0755))
		return -errno;
	return path_copy(path, size, buf);
}

int cgroup_enter(const char *path, pid_t pid)
{
	char name[PATH_MAX], text[16];
	int len = snprintf(text, sizeof(text), "%d", pid);
	int err = path_join(name, sizeof(name), path, "cgroup.procs");
	_cleanup_close_ int fd = -1;

	if (err)
		return err;
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, len) == len ? 0 : -errno;
}

/*
 * 1 if a process lives in the cgroup or below it, 0 if not. Reading also re-arms poll(): it tells of changes
 * since the last read (fs/kernfs/file.c, kernfs_generic_poll()).
 */
static int read_populated(int events)
{
	char buf[256], *at;
	ssize_t n = pread(events, buf, sizeof(buf) - 1, 0);

	if (n < 0)
		return errno == ENODEV ? -ENOENT : -errno;
	buf[n] = 0;
	at = strstr(buf, "populated ");
	return at ? at[strlen("populated ")] == '1' : -EPROTO;
}

static bool has_children(const char *path)
{
	struct stat st;

	/* a directory's link count: itself, its name, and one for each child; kernfs keeps it */
	return !stat(path, &st) && st.st_nlink > 2;
}

/* Waits for a change of cgroup.events until `deadline` (now_ns(); 0: for ever). -EBUSY: there was none. */
static int wait_event(int events, unsigned long long deadline)
{
	struct pollfd p = {.fd = events, .events = POLLPRI};
	unsigned long long now = now_ns();
	int left = -1;

	if (deadline) {
		if (now >= deadline)
			return -EBUSY;
		left = (int)((deadline - now) / 1000000) + 1;
	}
	return poll(&p, 1, left) < 0 && errno != EINTR ? -errno : 0;
}

int cgroup_remove(const char *path, int timeout_ms)
{
	unsigned long long deadline = timeout_ms < 0 ? 0 : now_ns() + timeout_ms * 1000000ull;
	_cleanup_close_ int events = -1;
	char name[PATH_MAX];
	int err = path_join(name, sizeof(name), path, "cgroup.events");

	if (err)
		return err;
	events = open(name, O_RDONLY | O_CLOEXEC);
	if (events < 0)
		return -errno;
	do {
		int populated = read_populated(events);

		if (populated < 0)
			return populated;
		if (!populated) {
			if (!rmdir(path))
				return 0;
			if (errno != EBUSY)
				return -errno;
			if (has_children(path))
				return -ENOTEMPTY;
			/* somebody entered since the read, which is an event */
		}
		err = wait_event(events, deadline);
	} while (!err);
	return err;
}
