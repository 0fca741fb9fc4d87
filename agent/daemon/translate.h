/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * translate.h: answers what ends ask about translated addresses (struct hop_translation in bpf/abi.h), so
 * that the next pass lets the two ends of a redirected connection join.
 */
#ifndef SOCKHOP_DAEMON_TRANSLATE_H
#define SOCKHOP_DAEMON_TRANSLATE_H

struct instance;

/*
 * Ask connection tracking about all that is open, 4096 at most; the rest waits for the next pass. The thread
 * visits network namespaces and comes back. What cannot be asked on this kernel is answered with no. 0 or
 * -errno: some are open still.
 */
int translate_all(const struct instance *in);

#endif
