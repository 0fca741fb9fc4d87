/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * process.h: may the sockets of a program join? A process whose program can call splice(2) on a socket, or
 * use urgent data, would notice (docs/limits.md); what elf.h finds in its executable and libraries decides.
 */
#ifndef SOCKHOP_PROGRAM_PROCESS_H
#define SOCKHOP_PROGRAM_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include "elf.h"
#include "filecache.h"

struct veto_result {
	__u32 why;	    /* enum hop_why; HOP_WHY_NONE: fit */
	__u32 rest;	    /* of SPLICE and GO: what there is beyond that, as in struct veto */
	bool uses_ioctl;    /* some object imports ioctl, or the program is static */
	bool uses_fionread; /* one of them also has the number FIONREAD; scripts may bring their own */
	char comm[16];
	char exe[PATH_MAX]; /* as /proc/PID/exe shows it */
	char reason[512];   /* one line: "/usr/sbin/haproxy imports splice"; "" when fit */
};

/* Classify one file. Returns 0; one that cannot be read or understood is HOP_WHY_UNKNOWN. */
int veto_file(const char *path, struct veto *out);

/* What an examiner is busy with, in shared memory: if it is killed, it was that. */
struct examined_file {
	bool busy;
	struct file_id id;
};

/* The state of an examiner, in its process. */
struct examiner {
	struct file_cache *files;
	struct examined_file *at;
	int scanner; /* socket; -1: it ended over the last file */
	pid_t scanner_pid;
	bool pending; /* some file could not be looked at now */
};

/*
 * veto_process(), here and now. -EAGAIN: some file has to wait, for its owner's share or for another scanner.
 */
int veto_examine(struct examiner *x, pid_t pid, struct veto_result *out);
/* The answer for a process that could not be examined for the errno `err`. 0 or -ESRCH. */
int veto_unexamined(pid_t pid, int err, struct veto_result *out);

/*
 * Does the splice guard answer for this veto: the program splices, goes on when that is refused, and nothing
 * else?
 */
bool veto_can_be_guarded(const struct veto_result *veto);

#endif
