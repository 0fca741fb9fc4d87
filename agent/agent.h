/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agent.h: the resident loop. It waits for events of the kernel side, looks at the programs behind
 * candidates, and runs passes in which they join or leave. Without events it sleeps. It may be killed at any
 * moment: members stay correct, and the next agent starts from the pinned maps.
 */
#ifndef SOCKHOP_AGENT_H
#define SOCKHOP_AGENT_H

#include <stdbool.h>

/* Nice value of the agent, and of the daemon's session. */
#define AGENT_NICE (-10)

struct agent;

/*
 * Become the agent of the instance NAME. -EBUSY: another agent runs; -EOPNOTSUPP: it could not name processes
 * here (agent_names_processes()); *out is untouched on failure. The agent owns its own view of the instance.
 */
int agent_new(struct agent **out, const char *instance);
void agent_free(struct agent *a);
/* Keep the agent's lock beyond agent_free(), until this process ends: whoever waits for it waits for that. */
void agent_lock_until_exit(const struct agent *a);

/*
 * Run until the instance drains, SIGTERM or SIGINT arrives (both must be blocked: agent_block_signals()), or
 * `extra` says so. extra(arg) is called when extra_fd (-1: none) is readable; a non-zero return ends the loop
 * and is returned. 0: ended in an orderly way; -errno otherwise.
 */
int agent_run(struct agent *a, int extra_fd, int (*extra)(void *arg), void *arg);

/*
 * Can an agent work here? The kernel tells it of processes by their numbers in the initial pid namespace, and
 * iter/task_file shows only those of the reader's own; it examines them in /proc. So it must be in that
 * namespace, and its /proc of it as well. Elsewhere it would examine strangers, or nobody.
 */
bool agent_names_processes(void);
#define AGENT_WHERE                                                                                          \
	"it must run in the initial pid namespace, with its own /proc: on the host, or in a container with " \
	"the host's pid namespace (hostPID, --pid=host)"

/* Start an agent in the background: a daemon that logs to syslog. Returns once it holds the lock, or -errno.
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
 * Let the agent of a draining instance end, and wait for it; 0 also when there was none. It is woken, finds
 * the instance draining and lets go of its lock; a mere agent does that with its last breath. -ETIMEDOUT: it
 * has not within timeout_ms.
 */
struct instance;
int agent_stop(const struct instance *in, unsigned int timeout_ms);

#endif
