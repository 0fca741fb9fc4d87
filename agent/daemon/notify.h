/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * notify.h: what systemd wants to know of the agent (Type=notify, WatchdogSec=), by libsystemd. Elsewhere,
 * and in the static build, for which there is no such library, nothing happens.
 */
#ifndef SOCKHOP_DAEMON_NOTIFY_H
#define SOCKHOP_DAEMON_NOTIFY_H

/* The agent has begun: what it selects is attached, and it sees what appears. */
void notify_ready(void);
/* It ends in an orderly way. */
void notify_stopping(void);

/*
 * Tell that the loop lives, where it is time for that. Returns how long it may sleep, in ms as for
 * epoll_wait(), if it would be `ms` without a watchdog.
 */
int notify_alive(unsigned long long now, int ms);

#endif
