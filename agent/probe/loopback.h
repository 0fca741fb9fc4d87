/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * loopback.h: a TCP connection with oneself, for trying things out.
 */
#ifndef SOCKHOP_PROBE_LOOPBACK_H
#define SOCKHOP_PROBE_LOOPBACK_H

/* Switch on the loopback device: a fresh network namespace has it down. 0 or -errno. */
int loopback_up(void);

/*
 * An established connection over 127.0.0.1, both ends blocking and close-on-exec; the caller closes them.
 * On failure (-errno) *client may be open, too.
 */
int loopback_pair(int *client, int *server);

#endif
