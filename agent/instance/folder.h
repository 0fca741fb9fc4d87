/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * folder.h: the folder of all instances, and whether it can be trusted (design.md, I47).
 *
 * A bpffs is mounted 1777 by default, and mkdir(2) and symlink(2) there need no capability: a local user can
 * make our folder before we do. So it is opened without following links, must be on a bpffs, belong to us or
 * to root, and not be writable by others; below it everything is done by descriptors.
 */
#ifndef SOCKHOP_INSTANCE_FOLDER_H
#define SOCKHOP_INSTANCE_FOLDER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#define FOLDER_BPFFS "/sys/fs/bpf"
#define FOLDER_NAME  "sockhop"

/* What folder_root() returns, negated, for a folder that cannot be trusted, and the message for it. */
#define FOLDER_STRANGE EUCLEAN
#define FOLDER_STRANGE_TEXT                                                                         \
	FOLDER_BPFFS                                                                                \
	"/" FOLDER_NAME " cannot be trusted: it, or an instance in it, is a link or no folder, "    \
	"belongs to another user or may be written to by others; find out who made it, remove it, " \
	"and mount the bpffs with mode=0700"

/*
 * An fd of the folder of all instances; make: it is made if it is not there. -ENOENT: no bpffs, or no folder.
 * -FOLDER_STRANGE: see above. The caller closes it.
 */
int folder_root(bool make);

/* An fd of the folder `name` in the folder `at`, which is held to the same. -errno as above. */
int folder_open(int at, const char *name);

/* Remove the folder `name` in the folder `at`, with the pins and empty folders in it. Follows no link. */
int folder_remove(int at, const char *name);

#endif
