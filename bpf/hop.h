/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hop.h: what the kernel side and user space share: records (abi.h), reasons (reasons.h),
 * constants (tuning.h).
 *
 * Included by BPF programs (after vmlinux.h) and by user space (after <linux/types.h>), and by unit tests on
 * the host, so it holds plain data and constants only.
 *
 * Vocabulary (docs/design.md has the long form):
 *   end        one of the two sockets of a TCP connection
 *   pair       both ends, both on this host, both in an attached cgroup
 *   candidate, member, ...: the states of an end, in end.h
 *   hop        one redirect by sk_msg; stay: a message that takes the TCP path, with a counted reason
 *   why-not    the reason why an end is no member
 */
#ifndef SOCKHOP_HOP_H
#define SOCKHOP_HOP_H

#include "abi.h"
#include "reasons.h"
#include "tuning.h"

#endif
