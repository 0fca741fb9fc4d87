/* SPDX-License-Identifier: GPL-2.0-only */
/* probe.h: the kernel path, once it is proved on this kernel. */
#ifndef SOCKHOP_RELAY_PROBE_H
#define SOCKHOP_RELAY_PROBE_H

struct relay_kern;

/*
 * relay_kern_open(), and prove on loopback connections of our own that the kernel does what the relay relies
 * on: early bytes are forwarded, order is kept over entering and leaving, nothing is lost. Takes some
 * milliseconds. 0 or -errno: those of relay_kern_open(), -EOPNOTSUPP also when the proof failed; then *why is
 * a text that says what is missing.
 */
int relay_probe_open(struct relay_kern **out, unsigned int pairs, const char **why);

#endif
