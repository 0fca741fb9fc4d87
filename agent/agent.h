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
 * Become the agent of the instance NAME. -EBUSY: another agent runs; *out is untouched on failure. The agent
 * owns its own view of the instance.
 */
int agent_new(struct agent **out, const char *instance);
void agent_free(struct agent *a);

/*
 * Run until the instance drains, SIGTERM or SIGINT arrives (both must be blocked: agent_block_signals()), or
 * `extra` says so. extra(arg) is called when extra_fd (-1: none) is readable; a non-zero return ends the loop
 * and is returned. 0: ended in an orderly way; -errno otherwise.
 */
int agent_run(struct agent *a, int extra_fd, int (*extra)(void *arg), void *arg);

/* Start an agent in the background: a daemon that logs to syslog. Returns once it holds the lock, or -errno.
 */
int agent_spawn(const char *instance);

/*
 * Let the agent of a draining instance end, and wait for it; 0 also when there was none. No signal that a
 * program could see: `sockhop run` passes those on. -ETIMEDOUT: it has not let go of the instance within
 * timeout_ms.
 */
struct instance;
int agent_stop(const struct instance *in, unsigned int timeout_ms);

#endif
