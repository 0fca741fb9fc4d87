/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * follow.h: a path that was attached stays attached (design.md, I50). A service that restarts gets a new
 * cgroup at the same path: it is attached when it appears, within some ms, and what is left of the old one is
 * dropped.
 *
 * The paths are those in map `cgroups` (enum cgroup_state in instance.h), so an agent that starts goes on
 * with what it finds there. Cgroups that `sockhop run` made are not followed: they end with it. Nor is a path
 * that never had a cgroup: `attach` refuses it, as it could not tell a typing error from a service to come.
 *
 * inotify tells (fsnotify_mkdir() and fsnotify_rmdir() of the VFS, so whoever makes or removes a cgroup, in
 * any mount of cgroup2). All folders above a path are watched, as parents come and go, too. kernfs does not
 * end the watch of a folder that is removed (its link count never gets to 0), so this does.
 */
#ifndef SOCKHOP_DAEMON_FOLLOW_H
#define SOCKHOP_DAEMON_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/instance/instance.h"

#define FOLLOW_LOCKED	(20 * 1000000ull)    /* a command has the lock of the instance: try again after */
#define FOLLOW_REST	(1000 * 1000000ull)  /* first look at what is left of a removed cgroup, in ns */
#define FOLLOW_REST_MAX (60000 * 1000000ull) /* each further one after twice as long, up to this */
/*
 * Whoever owns the folder may make and remove the cgroup in a loop (design.md, I43): a look is
 * followed by a pause of so many times the CPU time that it cost, but no longer than FOLLOW_PAUSE, so that
 * 100 ms can be kept.
 */
#define FOLLOW_SHARE 20
#define FOLLOW_PAUSE (50 * 1000000ull)

struct followed {
	__u64 id;
	struct hop_cgroup cg;
};

/* Starts zeroed but for fd: -1. */
struct follow {
	int fd;	      /* of inotify */
	int epoll_fd; /* has it as EPOLLONESHOT, with this `source` */
	unsigned int source;
	unsigned long long events; /* when to read events, now_ns(); 0: there are none */
	unsigned long long due;	   /* when to look; 0: not before something happens */
	unsigned long long paused; /* not before */
	unsigned long long rest;   /* how long to wait for what is left of removed cgroups */
	struct followed *entry;	   /* all cgroups of the instance, as last seen */
	size_t n, room;
	int *watch, *keep; /* inotify's numbers: of all watches, and of those that are still of use */
	size_t n_watch, watch_room, n_keep, keep_room;
};

/*
 * Begin, or begin again after an error: the descriptor is added to the epoll descriptor with data.u32
 * `source`, and a look is due in any case. 0 or -errno, then it may be tried again. follow_close() frees what
 * it holds.
 */
int follow_open(struct follow *f, int epoll_fd, unsigned int source);
void follow_close(struct follow *f);

/* Is this name one of the folders of an absolute path, or the last? */
bool follow_names(const char *path, const char *name);

/*
 * The descriptor is readable. It is not reported again before the events are read, as soon as pauses allow.
 */
void follow_readable(struct follow *f);
/* Look at once, as soon as the pauses allow. */
void follow_soon(struct follow *f);

/* How long to sleep, in ms as for epoll_wait(), if it would be `ms` but for us. */
int follow_timeout_ms(const struct follow *f, unsigned long long now, int ms);

/*
 * Do what it is time for: read events, and if one of them concerns a followed path, look: watch all paths,
 * attach those that are back, drop what is left of cgroups that were removed; sets `due`. Returns 1 if one
 * was attached, so that all should be looked at; 0; or -errno of one of them, with the others done.
 */
int follow_look(struct follow *f, struct instance *in);

#endif
