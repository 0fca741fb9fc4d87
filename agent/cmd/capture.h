/* SPDX-License-Identifier: GPL-2.0-only */
/* capture.h: what another command of ours prints. */
#ifndef SOCKHOP_CMD_CAPTURE_H
#define SOCKHOP_CMD_CAPTURE_H

#include <stddef.h>

/* The caller frees the texts. */
struct captured {
	char *out, *err;
	size_t out_size, err_size;
	int status; /* its exit status; -1: it was ended by a signal, or by us when time was up */
};

/*
 * Run `sockhop` with these arguments (argv[0] is its name; ends with NULL) as a child, for so many seconds at
 * most. It reads nothing. 0, or -errno where it could not be run.
 */
int capture(char *const argv[], unsigned int seconds, struct captured *to);

#endif
