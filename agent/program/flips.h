/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flips.h: the programs that have turned a member blocking, so that their next connections do not join
 * (design.md, I38), and those that make receive calls which may wait on blocking files, so that these are not
 * watched again (design.md, I53). A program is its executable and its name (comm): the executable alone would
 * be every script of an interpreter. Kept in memory only; another agent learns again, at the price of one
 * connection that leaves.
 */
#ifndef SOCKHOP_PROGRAM_FLIPS_H
#define SOCKHOP_PROGRAM_FLIPS_H

#include <stdbool.h>
#include <sys/types.h>

#define FLIPS_MAX 64 /* then the oldest is forgotten */

struct flips {
	struct flips_program {
		dev_t dev;
		ino_t ino;
		char comm[16];
	} seen[FLIPS_MAX];
	unsigned int n; /* ever added; the last FLIPS_MAX of them are there */
};

/* What the agent remembers of programs. Starts zeroed. */
struct habits {
	struct flips flips;  /* have turned a member blocking */
	struct flips blocks; /* make receive calls that may wait */
};

/* Names the program of a process; 0 or -errno, -ENOENT for one without an address space. */
int flips_program(pid_t pid, const char *comm, struct flips_program *out);
bool flips_has(const struct flips *f, const struct flips_program *p);
/* True if it was not there. */
bool flips_add(struct flips *f, const struct flips_program *p);

#endif
