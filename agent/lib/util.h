/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * util.h: ownership helpers and messages. Functions return 0 or -errno; the command level prints, once, what
 * failed, on what, and what to do about it (report.h). Below it only what runs on its own writes messages, as
 * its log: the agent and the relay.
 *
 * The door of agent/lib: util, report (what failed, for the commands to say), progress (what takes long),
 * tarball (a .tar.gz), text (words), map (reading BPF maps). It calls no other room, and every room calls it.
 */
#ifndef SOCKHOP_LIB_UTIL_H
#define SOCKHOP_LIB_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

static inline void util__close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void util__free(void *p)
{
	free(*(void **)p);
}
static inline void util__fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* Scope-bound ownership. File descriptors start at -1, pointers at NULL. */
#define _cleanup_close_	 __attribute__((cleanup(util__close)))
#define _cleanup_free_	 __attribute__((cleanup(util__free)))
#define _cleanup_fclose_ __attribute__((cleanup(util__fclose)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Room for one more element of an array of which n out of *room elements, `size` bytes each, are used: it
 * doubles when it is full. Returns the array, which may have moved, or NULL without memory: then it is as it
 * was. The caller keeps what is returned and frees it in the end.
 */
void *array_grow(void *array, size_t n, size_t *room, size_t size);

/* Is there a process of this number, ours to signal or not? */
bool process_alive(pid_t pid);

/* Return *fd and give up ownership of it. */
static inline int steal_fd(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

/* "sockhop: <message>\n" on stderr (or syslog once log_to_syslog() was called). */
void msg_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void msg_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void msg_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Only with -v / --verbose. */
void msg_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* From now on messages go to syslog(3), facility daemon: for the agent in the background. */
void log_to_syslog(void);
/* 0 errors and warnings, 1 adds information, 2 adds debug. */
extern int log_level;
/* Called before a message goes to stderr, if set: what is drawn there has to go (progress.h). */
extern void (*msg_before)(void);

/* CLOCK_MONOTONIC in nanoseconds. */
unsigned long long now_ns(void);
/* CPU time of this thread in nanoseconds. */
unsigned long long cpu_ns(void);

#endif
