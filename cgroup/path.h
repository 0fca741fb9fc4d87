/* SPDX-License-Identifier: GPL-2.0-only */
/* path.h: path helpers of cgroup/, not for others. */
#ifndef SOCKHOP_CGROUP_PATH_H
#define SOCKHOP_CGROUP_PATH_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static inline int path_copy(char *buf, size_t size, const char *path)
{
	size_t len = strlen(path);

	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(buf, path, len + 1);
	return 0;
}

/* buf = dir/name, with one slash between them and none at the end. buf must be neither dir nor name. */
static inline int path_join(char *buf, size_t size, const char *dir, const char *name)
{
	size_t dlen = strlen(dir);
	int n;

	while (dlen && dir[dlen - 1] == '/')
		dlen--;
	name += strspn(name, "/");
	n = *name ? snprintf(buf, size, "%.*s/%s", (int)dlen, dir, name)
		  : snprintf(buf, size, "%.*s", (int)dlen, dir);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

#endif
