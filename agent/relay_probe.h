/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SOCKHOP_RELAY_PROBE_H
#define SOCKHOP_RELAY_PROBE_H

struct relay_kern;
struct relay_walk;

/*
 * Prove on loopback connections of our own that this kernel does what the relay relies on; takes some
 * milliseconds, and seconds if a socket of the namespace is held; `walk` runs its pass. 0, -EOPNOTSUPP when
 * it does not, -ETIMEDOUT if that socket was not let go of, or -errno when it could not be tried.
 */
int relay_probe(struct relay_kern *k, struct relay_walk *walk);

#endif
