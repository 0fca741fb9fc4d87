/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agent.h: the resident loop. It waits for events of the kernel side, looks at the programs behind
 * candidates, and runs passes in which they join or leave. Without events it sleeps. It may be killed at any
 * moment: members stay correct, and the next agent starts from the pinned maps (design.md, I24).
 *
 * The door of agent/daemon: what runs while an instance is attached, and brings it to its end. agent is the
 * loop, plan what is to be done when, pass and seek do it, follow attaches what came back, budget bounds what
 * it costs, sweep and trouble see to what went wrong, spawn makes a process of it, lifecycle attaches and
 * detaches. It owns the decision when something happens; whether it may is decided in program, policy and
 * bpf/. It may call program, instance, policy and what is below; relay, check and cmd call it.
 */
#ifndef SOCKHOP_DAEMON_AGENT_H
#define SOCKHOP_DAEMON_AGENT_H

#include <stdbool.h>

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

#endif
