/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * examiner.h: the process that looks at programs for the agent. Whatever it touches (/proc/PID/maps, a file
 * on FUSE or NFS) may block for as long as a tenant likes; the agent waits a little, and kills it in the end.
 */
#ifndef SOCKHOP_PROGRAM_EXAMINER_H
#define SOCKHOP_PROGRAM_EXAMINER_H

#include "filecache.h"
#include "process.h"

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

/* CPU time of its scanner so far in ns; 0 when it is gone. */
unsigned long long scanner_cpu_ns(const struct examiner *x);

/* veto_process(), here and now. -EAGAIN: some file has to wait, for its owner's share or for another scanner.
 */
int veto_examine(struct examiner *x, pid_t pid, struct veto_result *out);
/* The answer for a process that could not be examined for the errno `err`. 0 or -ESRCH. */
int veto_unexamined(pid_t pid, int err, struct veto_result *out);

#endif
