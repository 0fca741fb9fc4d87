/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * other_abi.h: take down an instance that a version of another ABI made, without losing a byte.
 *
 * Its maps cannot be read: only what every ABI has is used (INSTANCE_ANY_ABI in instance.h). Its own programs
 * do the work: once it is draining they let no end join and nothing hop, and each run of its own `visit`
 * takes out the members whose queues have been read. So a package can be upgraded over any version, and taken
 * back.
 */
#ifndef SOCKHOP_DAEMON_OTHER_ABI_H
#define SOCKHOP_DAEMON_OTHER_ABI_H

/*
 * Detach all of the instance NAME, of any ABI. 0: it is gone; a positive number: so many members could not
 * leave within the time, and wait as NAME-draining-N for the next call; -errno.
 */
int other_abi_detach(const char *name, unsigned int timeout_ms);

#endif
