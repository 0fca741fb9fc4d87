/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * examiner.h: the process that looks at programs for the agent. Whatever it touches (/proc/PID/maps, a file
 * on FUSE or NFS) may block for as long as a tenant likes; the agent waits a little, and finally kills it
 * (design.md, I45).
 */
#ifndef SOCKHOP_PROGRAM_EXAMINER_H
#define SOCKHOP_PROGRAM_EXAMINER_H

#include <sys/types.h>

#include "process.h"

/*
 * What was found out about files, by device, inode, size and times, 4096 of them; and the processes that find
 * it out, a few pairs: one with what it takes to look into other processes, which opens files, and the
 * scanner, which has no privilege at all and reads them (scanner.h). They are started when they are needed,
 * and end with the thread that has started them. NULL: no memory.
 */
struct veto_cache;
struct veto_cache *veto_cache_new(void);
void veto_cache_free(struct veto_cache *cache);
/* CPU time that went into looks at processes so far, in ns; files seen for the first time are not in it. */
unsigned long long veto_cache_cpu_ns(const struct veto_cache *cache);
/* A new look at all processes: it may wait for VETO_LOOK_MS in all. */
#define VETO_LOOK_MS 400
void veto_cache_look(struct veto_cache *cache);

/*
 * Classify a live process by its executable and every file that it maps executable. A process in another
 * mount namespace, and files that are deleted by now, are read too, with CAP_CHECKPOINT_RESTORE or
 * CAP_SYS_ADMIN
 * (/proc/PID/map_files, proc(5)); without them libraries are opened below /proc/PID/root.
 *
 * Returns 0; -ESRCH when the process is gone (or a zombie); -EAGAIN when that takes longer: it goes on in the
 * background, or has to wait until the files' owner has some of its share of the CPU again, and whoever asks
 * later gets the answer. *out is undefined then. What must not or cannot be looked at is HOP_WHY_UNKNOWN with
 * the reason. It is a snapshot: a library may be loaded later.
 */
int veto_process(struct veto_cache *cache, pid_t pid, struct veto_result *out);

#endif
