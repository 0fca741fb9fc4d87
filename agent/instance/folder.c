// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "folder.h"
#include "agent/lib/util.h"

static bool on_bpffs(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

static bool is_ours(int fd)
{
	struct stat st;

	return on_bpffs(fd) && !fstat(fd, &st) && (st.st_uid == geteuid() || !st.st_uid) &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

int folder_open(int at, const char *name)
{
	_cleanup_close_ int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	/* with O_DIRECTORY a link is no directory either */
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? -FOLDER_STRANGE : -errno;
	return is_ours(fd) ? steal_fd(&fd) : -FOLDER_STRANGE;
}

int folder_root(bool make)
{
	_cleanup_close_ int bpffs = open(FOLDER_BPFFS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (bpffs < 0)
		return -errno;
	if (!on_bpffs(bpffs))
		return -ENOENT;
	if (make && mkdirat(bpffs, FOLDER_NAME, 0700) && errno != EEXIST)
		return -errno;
	return folder_open(bpffs, FOLDER_NAME);
}

int folder_remove(int at, const char *name)
{
	_cleanup_close_ int fd = folder_open(at, name);
	struct dirent **list = NULL;
	int n, err = 0;

	if (fd < 0)
		return fd;
	n = scandirat(fd, ".", &list, NULL, NULL);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		const char *pin = list[i]->d_name;

		if (strcmp(pin, ".") && strcmp(pin, "..") && unlinkat(fd, pin, 0) &&
		    unlinkat(fd, pin, AT_REMOVEDIR))
			err = -errno;
		free(list[i]);
	}
	free(list);
	return unlinkat(at, name, AT_REMOVEDIR) ? -errno : err;
}
