/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * find.h: what a configuration selects is attached when it appears, within some ms; follow.h sees to paths
 * that were attached by hand, and to what is left of cgroups that were removed (design.md, I51).
 *
 * inotify tells of new cgroups in all folders in which the selectors may have one (selector_match()); those
 * are looked at once, at the start, after a reload, and when events were lost. Nobody polls.
 */
#ifndef SOCKHOP_DAEMON_FIND_H
#define SOCKHOP_DAEMON_FIND_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "agent/config/config.h"
#include "agent/instance/instance.h"

#define FIND_LOCKED (20 * 1000000ull) /* a command has the lock of the instance: try again after */
/*
 * Whoever owns a folder may make and remove cgroups in a loop: work is followed by a pause of so many times
 * the CPU time that it cost. That of one event is so short that 100 ms are kept; that of all folders may be
 * longer.
 */
#define FIND_SHARE     20
#define FIND_PAUSE     (50 * 1000000ull)
#define FIND_PAUSE_ALL (1000 * 1000000ull)

struct find_watch {
	int wd;
	char *path;
};

/* Starts zeroed but for fd: -1. */
struct find {
	int fd; /* of inotify */
	int epoll_fd;
	unsigned int source;
	int watch_err;		   /* of a folder that cannot be watched; 0: all are */
	bool changed;		   /* is the record a new one? */
	bool all;		   /* look at all folders */
	unsigned long long events; /* when to read events, now_ns(); 0: there are none */
	unsigned long long due;	   /* when to look, or to attach what waits; 0: nothing to do */
	unsigned long long paused; /* not before */
	struct config config;
	struct stat record; /* of that configuration; zeroed: there is none */
	char mount[PATH_MAX];
	struct find_watch *watch; /* by number, which inotify gives in ascending order */
	size_t n, room;
	char **waiting; /* paths that are to be attached */
	size_t n_waiting, waiting_room;
};

/* Begin, or begin again after an error, as follow_open(). */
int find_open(struct find *f, int epoll_fd, unsigned int source);
void find_close(struct find *f);

/* The descriptor is readable; it is not reported again before the events are read. */
void find_readable(struct find *f);
/* The agent was woken: the configuration may be another one. */
void find_poked(struct find *f);
/* How long to sleep, in ms as for epoll_wait(), if it would be `ms` but for us. */
int find_timeout_ms(const struct find *f, unsigned long long now, int ms);

enum { FIND_ATTACHED = 1, FIND_REMOVED = 2 };
/*
 * Do what it is time for. A set of FIND_ATTACHED: so all should be looked at; and FIND_REMOVED: cgroups have
 * gone that may have been attached; or -errno.
 */
int find_look(struct find *f, struct instance *in);

#endif
