// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "instances.h"
#include "folder.h"
#include "instance.h"
#include "agent/lib/util.h"

static bool bpffs_is_mounted(void)
{
	char root[PATH_MAX];

	return !instance_root(root, sizeof(root));
}

int bpffs_mount(void)
{
	if (bpffs_is_mounted())
		return 0;
	return mount("bpf", FOLDER_BPFFS, "bpf", 0, "mode=0700") ? -errno : 0;
}

bool bpffs_lasts(void)
{
	struct stat first, own;

	if (bpffs_is_mounted())
		return true;
	return !stat("/proc/1/ns/mnt", &first) && !stat("/proc/self/ns/mnt", &own) &&
	       first.st_ino == own.st_ino;
}

int instances_lock(void)
{
	_cleanup_close_ int fd = -1;

	/* whoever removes the last instance removes the folder too: make sure that we hold the one that is
	 * there */
	for (;;) {
		_cleanup_close_ int again = -1;
		struct stat held, there;

		util__close(&fd);
		fd = folder_root(true);
		if (fd == -ENOENT && bpffs_is_mounted())
			continue;
		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX) || fstat(fd, &held))
			return -errno;
		again = folder_root(false);
		if (again >= 0 && !fstat(again, &there) && there.st_ino == held.st_ino)
			return steal_fd(&fd);
		if (again < 0 && again != -ENOENT)
			return again;
	}
}

pid_t instance_stage_pid(const char *name)
{
	const char *mark = NULL, *p = name;
	size_t n;

	/* the last one: the instance may be called so itself */
	while ((p = strstr(p, "-new-")))
		mark = p++;
	if (!mark || mark == name)
		return 0;
	mark += strlen("-new-");
	n = strspn(mark, "0123456789");
	return n && n < 10 && !mark[n] && mark[0] != '0' ? atoi(mark) : 0;
}

/* What a killed attach has left. A process that makes an instance holds the lock that our caller holds. */
static int sweep_stage(const char *name, void *root)
{
	pid_t pid = instance_stage_pid(name);
	int err;

	if (!pid || process_alive(pid))
		return 0;
	err = folder_remove(*(const int *)root, name);
	if (err)
		msg_debug("cannot remove %s: %s", name, strerror(-err));
	return 0;
}

void instances_sweep(void)
{
	_cleanup_close_ int root = folder_root(false);

	if (root >= 0)
		instance_each(sweep_stage, &root);
}

void instances_tidy(void)
{
	_cleanup_close_ int fd = folder_root(false);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return;
	instances_sweep();
	rmdir(FOLDER_BPFFS "/" FOLDER_NAME);
}

int instance_remove(const char *name)
{
	_cleanup_close_ int root = folder_root(false);
	int err = root < 0 ? root : folder_remove(root, name);

	instances_tidy();
	return err;
}

int instance_set_aside(const char *name, char *to, size_t size)
{
	_cleanup_close_ int root = folder_root(false);
	struct stat st;

	if (root < 0)
		return root;
	for (int i = 1; i < 1000; i++) {
		snprintf(to, size, "%s-draining-%d", name, i);
		if (fstatat(root, to, &st, AT_SYMLINK_NOFOLLOW))
			return renameat(root, name, root, to) ? -errno : 0;
	}
	return -EEXIST;
}
