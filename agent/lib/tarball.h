/* SPDX-License-Identifier: GPL-2.0-only */
/* tarball.h: one .tar.gz of a few texts. libarchive has the formats. */
#ifndef SOCKHOP_LIB_TARBALL_H
#define SOCKHOP_LIB_TARBALL_H

#include <stdbool.h>
#include <stddef.h>

/* A file of the archive. It owns the text, which need not end with a zero byte. */
struct tarball_file {
	char name[64];
	char *text;
	size_t size;
};

/* Zeroed: no files. tarball_free() ends it. */
struct tarball {
	struct tarball_file *list;
	size_t n, room;
};

/* Add a file; takes the text (from malloc()), also when it fails. 0 or -ENOMEM. */
int tarball_add(struct tarball *a, const char *name, char *text, size_t size);
void tarball_free(struct tarball *a);

/*
 * Would tarball_write() be let? 0, -EEXIST: it is there and `force` is not given, or what the folder says
 * (-ENOENT, -EACCES, -EROFS, ...). For a caller that wants to know before it starts the work.
 */
int tarball_may_write(const char *path, bool force);

/*
 * Write the files to `path`, mode 0600, each below the folder `top`. It is there whole or not at all: it is
 * written under another name beside it first, and signals that would end us wait meanwhile. 0, -EEXIST as
 * above, or -errno.
 */
int tarball_write(const struct tarball *a, const char *top, const char *path, bool force);

#endif
