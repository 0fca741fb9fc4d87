/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * scanner.h: elfscan() in a process that may do nothing else (sandbox.h). Whoever asks keeps its privileges
 * away from the parser, and a file that crashes the parser or takes it too long is unknown.
 */
#ifndef SOCKHOP_PROGRAM_SCANNER_H
#define SOCKHOP_PROGRAM_SCANNER_H

#include "elf.h"

/* CPU time that one file may take, in ms. 110 MB of libLLVM take 400, 1 GiB 4 000. */
#define SCANNER_CPU_MS 6000

/* The scanner itself, in a process that was forked for it: serves the SOCK_SEQPACKET socket until its end. */
void scanner_main(int sock, int parent) __attribute__((noreturn));

/*
 * Have the file behind fd classified by the scanner at the other end of sock. 0; -ECHILD: *out is filled in,
 * and the scanner has ended over it; else -errno: it had ended before. Waits for as long as it takes.
 */
int scanner_scan(int sock, int fd, struct veto *out);

#endif
