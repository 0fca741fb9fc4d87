/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late.h: processes whose examination took too long. They are not tried again at once, and each time later:
 * 10 s, doubled up to five times.
 */
#ifndef SOCKHOP_PROGRAM_LATE_H
#define SOCKHOP_PROGRAM_LATE_H

#include <sys/types.h>

/* By the process's number; two numbers may share a slot, and then the later one counts. */
#define LATE_SLOTS 1024

struct late_process {
	pid_t pid;
	unsigned int times;
	int err;
	unsigned long long until; /* it is not tried again before */
};

/* All zero: nobody is late. */
struct late {
	struct late_process slot[LATE_SLOTS];
};

/* Its examination was given up at `now` (ns, any clock). err, positive: what late_error() says until it is
 * tried again. */
void late_note(struct late *l, pid_t pid, int err, unsigned long long now);

/* 0: it may be tried; else the err of late_note(). */
int late_error(const struct late *l, pid_t pid, unsigned long long now);

#endif
