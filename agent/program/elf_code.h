/* SPDX-License-Identifier: GPL-2.0-only */
/* elf_code.h: the search through the segments of an ELF file, for elf.c. */
#ifndef SOCKHOP_PROGRAM_ELF_CODE_H
#define SOCKHOP_PROGRAM_ELF_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <gelf.h>
#include <linux/types.h>

struct elfcode {
	int fd;
	__u64 size;	/* of the file */
	__u64 slot[64]; /* addresses of the GOT slots of syscall(2) */
	size_t slots;
	GElf_Phdr *load; /* the loadable segments, sorted by their place in the file; owned by the caller */
	size_t loads;
};

struct elfcode_found {
	unsigned int number; /* of the first system call found: splice, tee or vmsplice; 0 none */
	bool fionread;	     /* the number FIONREAD is in its data, or loaded by its code */
};

/*
 * Search all loadable segments. `code`: machine code of the executable ones is understood (x86-64). Each byte
 * of the file is looked at twice at most, as code and as data, however many segments have it. Returns 0;
 * -E2BIG: more possible calls of syscall(2) than any program has; else -errno when the file cannot be read.
 */
int elfcode_search(const struct elfcode *e, bool code, struct elfcode_found *found);

/* "splice", "tee" or "vmsplice". */
const char *elfcode_name(unsigned int number);

#endif
