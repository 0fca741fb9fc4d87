/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * selector.h: which cgroups are meant, by names that people know. Pure: a path below the cgroup2 mount and
 * what it belongs to (view/who.h) are all that is asked, but for the names of containers and pods
 * (runtime.h).
 *
 *   cgroup = /a/b*.service     path below the mount; * ? [] within one component
 *   unit = redis.service       a unit of systemd; without a suffix ".service"; * ? []
 *   unit = user@1000/app       the same of a user's manager, by uid
 *   container = 0123456789ab   the id, from 12 digits on; or the name; * ? []; with "docker:" of that runtime
 *   pod = NAMESPACE/NAME       of Kubernetes; * ? []; or the pod's UID
 */
#ifndef SOCKHOP_CONFIG_SELECTOR_H
#define SOCKHOP_CONFIG_SELECTOR_H

#include <stddef.h>

enum selector_kind { SELECT_UNIT, SELECT_CONTAINER, SELECT_POD, SELECT_CGROUP, SELECTOR_KINDS };

struct selector {
	enum selector_kind kind;
	unsigned int line;   /* of its file */
	char text[256];	     /* "unit = redis.service", as `status` shows it */
	char scope[32];	     /* uid of the user's manager, or runtime; "": none is named */
	char pattern[256];   /* for fnmatch(3); of a container's id or a pod's UID: as it is */
	unsigned char exact; /* the pattern is an id, or the beginning of one */
};

/* "unit", ... */
const char *selector_kind_name(enum selector_kind kind);

/* Read one. -EINVAL: `why` says what is wrong with the value; *out is then undefined. */
int selector_parse(enum selector_kind kind, const char *value, struct selector *out, char *why, size_t size);

/* Where names come from that paths do not have: see runtime.h. Each writes "" where there is none. */
struct who;
struct selector_names {
	void (*container)(const struct who *who, char *buf, size_t size, void *arg);
	void (*pod)(const char *uid, char *buf, size_t size, void *arg);
	void *arg;
};

enum selected {
	SELECTED_NONE,	/* neither this cgroup nor any below it */
	SELECTED_BELOW, /* cgroups below it may be meant */
	SELECTED_HERE,
};

/*
 * Is the cgroup at this path (below the mount, "/" is its top) meant? HERE: *len bytes of the path are the
 * cgroup that is: that of the pod or container, whose name may be known only when something is in it.
 */
enum selected selector_match(const struct selector *s, const char *path, const struct selector_names *names,
			     size_t *len);

#endif
