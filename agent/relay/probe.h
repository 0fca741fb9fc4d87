/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SOCKHOP_RELAY_PROBE_H
#define SOCKHOP_RELAY_PROBE_H

struct relay_kern;

/*
 * Prove on loopback connections of our own that this kernel does what the relay relies on; takes some
 * milliseconds. 0, -EOPNOTSUPP when it does not, or -errno when it could not be tried.
 */
int relay_probe(struct relay_kern *k);

#endif
