/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lifecycle.h: what attach, run and detach share: get an instance, add cgroups, take them out again
 * losslessly.
 */
#ifndef SOCKHOP_DAEMON_LIFECYCLE_H
#define SOCKHOP_DAEMON_LIFECYCLE_H

#include "agent/instance/create.h"

struct lifecycle_options {
	const char *instance;
	const char *policy_file; /* NULL: none */
	unsigned int max_connections;
	unsigned int idle_timeout; /* seconds; see load_options.idle_s */
	unsigned int heartbeat;	   /* seconds; see load_options.heartbeat_s */
};

/*
 * Open the instance, locked; make it first if need be (*created says so). Prints what went wrong; returns an
 * exit status. With an existing instance a policy file replaces its policy.
 */
int lifecycle_open(struct instance *in, const struct lifecycle_options *o, bool *created);

/* Attach to one resolved cgroup; prints what went wrong. EXIT_OK also when it is attached already. */
int lifecycle_attach(struct instance *in, const char *path, __u32 flags);

/* Resolve an operator's argument; prints what is wrong with it. */
int lifecycle_resolve(const char *arg, char *path, size_t size);

/*
 * Take the whole instance out: no new members, everyone leaves, pins go. The instance is closed. What could
 * not leave within timeout_ms stays, correct, on the TCP path, and is set aside for a later detach. Prints.
 */
int lifecycle_detach_all(struct instance *in, unsigned int timeout_ms);

/* Take single cgroups (by id) out; the others go on. Prints. */
int lifecycle_detach_some(struct instance *in, const __u64 *ids, unsigned int n, unsigned int timeout_ms);

#endif
