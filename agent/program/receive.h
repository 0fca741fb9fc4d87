/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * receive.h: the receive guard: a program that sees whether a receive call may wait, so that sockets with a
 * blocking file may join as long as none does (design.md, I53). Some kernels and hosts refuse it; then
 * blocking files stay out.
 *
 * It is attached while a socket needs it, and pinned with the instance: it acts without an agent,
 * and goes with the instance's folder.
 */
#ifndef SOCKHOP_PROGRAM_RECEIVE_H
#define SOCKHOP_PROGRAM_RECEIVE_H

#include <stdbool.h>

#include "guards.h"
#include "agent/instance/instance.h"

/*
 * By which mechanism receive calls are seen here (enum hop_guard_kind), found by doing it with a socket of
 * our own; nothing stays. 0 or -errno: why there is none (-EPERM: this host refuses the programs).
 */
int receive_probe(__u32 *kind);

/* "lsm/socket_recvmsg" and the like; "none". */
const char *receive_name(__u32 kind);

/*
 * Make the guard follow the need, after a pass. wanted: the pass met an end that it is for, a member or one
 * that could be one; whole: it left no end out. It is attached for the first one, and detached
 * RECEIVE_KEEP_NS after the last one.
 */
#define RECEIVE_KEEP_NS 600000000000ull
void receive_follow(struct guard_need *n, struct instance *in, bool wanted, bool whole);

/* When receive_work() is due, 0: never. It returns true when a whole pass is: nobody was seen for so long. */
unsigned long long receive_due(const struct guard_need *n, const struct instance *in);
bool receive_work(struct guard_need *n, const struct instance *in);

#endif
