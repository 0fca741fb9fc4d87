/* SPDX-License-Identifier: GPL-2.0-only */
/* scan.h: the cgroups that a configuration means, found by a walk over the folders that may have some. */
#ifndef SOCKHOP_CONFIG_SCAN_H
#define SOCKHOP_CONFIG_SCAN_H

#include <stddef.h>

#include "config.h"

struct scan {
	const struct config *config;
	const char *mount; /* of cgroup2 */
	/* A folder whose children are looked at next, by its full path; NULL: nobody wants to know. */
	int (*folder)(const char *path, void *arg);
	/*
	 * A cgroup that is meant, by its full path; what is below it is not looked at. It may be told twice.
	 */
	int (*found)(const char *path, const struct selector *s, void *arg);
	void *arg;
};

/*
 * Look at the cgroup at `path` and what is below it. What goes meanwhile is left out. 0, or what a function
 * has returned, which ends it; or -errno.
 */
int scan_tree(const struct scan *s, const char *path);

/* What a walk over the whole tree finds, each cgroup once, by the first selector that means it. */
struct match {
	char path[PATH_MAX]; /* full */
	const struct selector *selector;
};
struct matches {
	struct match *match;
	size_t n, room;
};
int matches_find(const struct config *c, struct matches *out);
void matches_free(struct matches *m);

#endif
