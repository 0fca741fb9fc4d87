/* SPDX-License-Identifier: GPL-2.0-only */
/* elfcode.h: the search through the segments of an ELF file, for elfscan.c. */
#ifndef SOCKHOP_ELFCODE_H
#define SOCKHOP_ELFCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <gelf.h>
#include <linux/types.h>

struct elfcode {
	int fd;
	Elf *elf;
	__u64 slot[4]; /* addresses of the GOT slots of syscall(2) */
	size_t slots;
};

struct elfcode_found {
	unsigned int number; /* of the first system call found: splice, tee or vmsplice; 0 none */
	bool fionread;	     /* the number FIONREAD is in its data, or loaded by its code */
};

/*
 * Search all loadable segments. `code`: machine code of the executable ones is understood (x86-64). Returns 0
 * or -errno when the file cannot be read.
 */
int elfcode_search(const struct elfcode *e, bool code, struct elfcode_found *found);

/* "splice", "tee" or "vmsplice". */
const char *elfcode_name(unsigned int number);

#endif
