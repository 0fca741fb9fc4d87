/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * filecache.h: what was found out about files, in memory that the agent shares with the processes that
 * examine them (examiner.c): it outlives these, and one that is killed while it writes breaks no more than
 * its entry.
 */
#ifndef SOCKHOP_PROGRAM_FILECACHE_H
#define SOCKHOP_PROGRAM_FILECACHE_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include "elf.h"

/* A file as it was when it was examined. */
struct file_id {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

/* Holds 4096 files. NULL: no memory. Owned by the process that made it; children inherit it. */
struct file_cache;
struct file_cache *file_cache_new(void);
void file_cache_free(struct file_cache *c);

/* What is known of the file; false: nothing. */
bool file_cache_get(struct file_cache *c, const struct file_id *id, struct veto *out);
void file_cache_put(struct file_cache *c, const struct file_id *id, const struct veto *veto);
/* The process is dead: what it was writing stays unfinished. */
void file_cache_bury(struct file_cache *c, pid_t pid);

/*
 * The first look at files is paced by owner: the files of one user get 1/SCAN_SHARE of a CPU, all files
 * together 1/SCAN_SHARE_ALL; what was not used of that within SCAN_SAVED may be used at once. 100 MB of code
 * take 0.4 s, so that is 750 MB of programs that are new, and 12 MB a second from then on. Savings are apart
 * from those of passes (daemon/budget.h), so that new programs do not hold up connections of known ones.
 */
#define SCAN_SHARE     20
#define SCAN_SHARE_ALL 5
#define SCAN_SAVED     60000000000ull /* ns: 3 s of CPU time for one user, 12 s for all */
/* May another file of this user be examined now? */
bool file_cache_may_scan(const struct file_cache *c, uid_t owner);
/* That has cost this many ns. */
void file_cache_charge(struct file_cache *c, uid_t owner, unsigned long long cost);

#endif
