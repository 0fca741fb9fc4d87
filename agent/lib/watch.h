/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * watch.h: inotify(7) in an epoll set that tells once of what has come, until it is armed again: a reader
 * decides when it looks, however many events come meanwhile.
 */
#ifndef SOCKHOP_LIB_WATCH_H
#define SOCKHOP_LIB_WATCH_H

#include <sys/inotify.h>

/* What is watched of a folder: what is made and removed in it. For inotify_add_watch(). */
#define WATCH_FOLDER (IN_CREATE | IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW)

/* A new descriptor, armed in that epoll set with this data.u32; or -errno. */
int watch_open(int epoll_fd, unsigned int source);
/* Arm it again: 0 or -errno. */
int watch_arm(int epoll_fd, int fd, unsigned int source);
/* Call fn for each event of one buffer's length that is there, without waiting. Returns whether there were
 * any. */
int watch_read(int fd, void (*fn)(const struct inotify_event *e, void *arg), void *arg);

#endif
