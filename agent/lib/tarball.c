// SPDX-License-Identifier: GPL-2.0-only
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tarball.h"
#include "util.h"

int tarball_add(struct tarball *a, const char *name, char *text, size_t size)
{
	struct tarball_file *list = array_grow(a->list, a->n, &a->room, sizeof(*list));

	if (!list) {
		free(text);
		return -ENOMEM;
	}
	a->list = list;
	list[a->n] = (struct tarball_file){.text = text, .size = size};
	snprintf(list[a->n].name, sizeof(list[a->n].name), "%s", name);
	a->n++;
	return 0;
}

void tarball_free(struct tarball *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->list[i].text);
	free(a->list);
	*a = (struct tarball){0};
}

int tarball_may_write(const char *path, bool force)
{
	_cleanup_free_ char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return -ENOMEM;
	if (!force && !lstat(path, &st))
		return -EEXIST;
	return access(dirname(copy), W_OK | X_OK) ? -errno : 0;
}

static int write_file(struct archive *out, const char *top, const struct tarball_file *f)
{
	struct archive_entry *e = archive_entry_new();
	char name[160];
	int r;

	if (!e)
		return ARCHIVE_FATAL;
	snprintf(name, sizeof(name), "%s/%s", top, f->name);
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0600);
	archive_entry_set_size(e, f->size);
	archive_entry_set_mtime(e, time(NULL), 0);
	r = archive_write_header(out, e);
	archive_entry_free(e);
	if (r == ARCHIVE_OK && f->size && archive_write_data(out, f->text, f->size) != (la_ssize_t)f->size)
		r = ARCHIVE_FATAL;
	return r;
}

static int write_all(const struct tarball *a, const char *top, int fd)
{
	struct archive *out = archive_write_new();
	int r, err = 0;

	if (!out)
		return -ENOMEM;
	archive_write_add_filter_gzip(out);
	archive_write_set_format_pax_restricted(out);
	r = archive_write_open_fd(out, fd);
	for (size_t i = 0; i < a->n && r == ARCHIVE_OK; i++)
		r = write_file(out, top, &a->list[i]);
	if (r == ARCHIVE_OK)
		r = archive_write_close(out);
	if (r != ARCHIVE_OK)
		err = -(archive_errno(out) > 0 ? archive_errno(out) : EIO);
	archive_write_free(out);
	return err;
}

static int put_in_place(const char *from, const char *to, bool force)
{
	struct stat st;

	if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, force ? 0 : RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL || force)
		return -errno;
	/* a file system that cannot refuse (NFS): nearly as good */
	if (!lstat(to, &st))
		return -EEXIST;
	return rename(from, to) ? -errno : 0;
}

static int write_beside(const struct tarball *a, const char *top, const char *path, bool force)
{
	char beside[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int err;

	if ((size_t)snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= sizeof(beside))
		return -ENAMETOOLONG;
	fd = mkostemp(beside, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return -errno;
	err = write_all(a, top, fd);
	if (!err && fsync(fd) && errno != EINVAL)
		err = -errno;
	if (!err)
		err = put_in_place(beside, path, force);
	if (err)
		unlink(beside);
	return err;
}

int tarball_write(const struct tarball *a, const char *top, const char *path, bool force)
{
	int err = tarball_may_write(path, force);
	sigset_t ending, before;
	void (*large)(int);

	if (err)
		return err;
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	sigprocmask(SIG_BLOCK, &ending, &before);
	large = signal(SIGXFSZ, SIG_IGN); /* so write() says EFBIG */
	err = write_beside(a, top, path, force);
	signal(SIGXFSZ, large);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}
