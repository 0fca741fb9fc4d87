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

/* Is this veto one that the splice guard answers for: it splices, goes on when that is refused, and no more?
 */
bool veto_can_be_guarded(const struct veto_result *veto);

#endif
