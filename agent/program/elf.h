/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * elf.h: what an ELF file can do to a socket that a member of the sockhash would notice (docs/limits.md;
 * design.md, I15).
 *
 * Found are: imports of splice, tee, vmsplice and sockatmark; Go programs; and, in x86-64 code, the system
 * calls made without libc, or by its syscall(2). Not found are: names given to dlsym(3), code made at run
 * time, and IORING_OP_SPLICE.
 */
#ifndef SOCKHOP_PROGRAM_ELF_H
#define SOCKHOP_PROGRAM_ELF_H

#include <stdbool.h>
#include <linux/types.h>
#include "bpf/hop.h"

struct veto {
	__u32 why;	     /* enum hop_why: HOP_WHY_NONE, SPLICE, GO, OOB or UNKNOWN */
	__u32 rest;	     /* of SPLICE and GO: what there is beyond that, which no guard answers for */
	bool elf;	     /* it is an ELF file at all */
	bool libc;	     /* it is the C library, whose wrappers do not count */
	bool uses_ioctl;     /* imports ioctl, or is static */
	bool names_fionread; /* has the number FIONREAD somewhere */
	char what[72];	     /* continues "PATH ...": "imports splice"; "" when fit */
};

/* Classify an open file; its offset does not matter. What cannot be understood is HOP_WHY_UNKNOWN. */
void elfscan(int fd, struct veto *out);

#endif
