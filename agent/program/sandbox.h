/* SPDX-License-Identifier: GPL-2.0-only */
/* sandbox.h: what a process that reads hostile input gives up, for good. */
#ifndef SOCKHOP_PROGRAM_SANDBOX_H
#define SOCKHOP_PROGRAM_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Become a worker that was just forked: it dies with `parent`, has the name NAME, default signal actions, no
 * descriptors but fd[0..n) (renumbered to 0..n-1), and no standard streams beside them. 0 or -errno.
 */
int sandbox_detach(const char *name, int parent, const int *fd, size_t n);

/* Keep of the capabilities that we have only cap[0..n) (CAP_*), in all sets. 0 or -errno. */
int sandbox_keep_capabilities(const unsigned int *cap, size_t n);

/* Is this one among ours? */
bool sandbox_has_capability(unsigned int cap);

/*
 * Give up everything that computing on one received descriptor does not need: capabilities, execve() of more
 * privileged programs, opening, writing and mapping files, memory beyond SANDBOX_MEMORY. Any system call that
 * is not needed kills the process. 0 or -errno.
 */
#define SANDBOX_MEMORY (512ull << 20)
int sandbox_enter(void);

#endif
