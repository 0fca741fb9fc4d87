/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flips.h: the programs that have turned a member blocking, so that their next connections do not join
 * (design.md, I38). A program is its executable and its name (comm): the executable alone would be every
 * script of an interpreter. Kept in memory only; another agent learns again, at the price of one connection
 * that leaves.
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

/* Names the program of a process; 0 or -errno, -ENOENT for one without an address space. */
int flips_program(pid_t pid, const char *comm, struct flips_program *out);
bool flips_has(const struct flips *f, const struct flips_program *p);
/* True if it was not there. */
bool flips_add(struct flips *f, const struct flips_program *p);

#endif
