/* SPDX-License-Identifier: GPL-2.0-only */
/* spawn.h: the agent as a process of its own: where it can be, its start in the background, its end. */
#ifndef SOCKHOP_DAEMON_SPAWN_H
#define SOCKHOP_DAEMON_SPAWN_H

#include <stdbool.h>

struct instance;

/* Nice value of the agent, and of the daemon's session. */
#define AGENT_NICE (-10)

/*
 * Can an agent work here? The kernel tells it of processes by their numbers in the initial pid namespace, and
 * iter/task_file shows only those of the reader's own; it examines them in /proc. So it must be in that
 * namespace, and its /proc must show it (design.md, I46). Elsewhere it would examine other processes, or
 * none.
 */
bool agent_names_processes(void);
#define AGENT_WHERE                                                                                          \
	"it must run in the initial pid namespace, with its own /proc: on the host, or in a container with " \
	"the host's pid namespace (hostPID, --pid=host)"

/* Be the agent of this instance for as long as the returned fd is open. -EBUSY: another one is; -errno. */
int agent_lock(struct instance *in);

/*
 * Start an agent in the background: a daemon that logs to syslog. Returns once it holds the lock, or -errno.
 */
int agent_spawn(const char *instance);
/*
 * The daemon's side: the fd to report to, and messages go to syslog from now on; or -1: it was started by
 * hand or by a service manager. agent_report_ready() reports (0 or -errno) and lets go of the caller's
 * standard streams; nothing with fd -1.
 */
int agent_ready_fd(void);
void agent_report_ready(int fd, int err);

/*
 * Call fn(instance) in a process of its own, without waiting for it. It logs where the agent logs, has its
 * privileges (an agent may execute nothing) and none of its descriptors, and ends with what fn returns. 0 or
 * -errno.
 */
int agent_fork(int (*fn)(const char *instance), const char *instance);

/*
 * Let the agent of a draining instance end, and wait for it; 0 also when there was none. It is woken, finds
 * the instance draining and lets go of its lock; a mere agent does that with its last breath. -ETIMEDOUT: it
 * has not within timeout_ms.
 */
int agent_stop(const struct instance *in, unsigned int timeout_ms);

/*
 * Is an agent at work? 0: it runs, and has read all events that were there when this was called. Nothing is
 * sent, so asking costs it nothing. -ESRCH: none runs. -ETIMEDOUT: it did not read them within timeout_ms.
 */
int agent_answers(const struct instance *in, unsigned int timeout_ms);

#endif
