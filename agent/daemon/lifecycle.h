/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lifecycle.h: what attach, run and detach share: get an instance, add cgroups, take them out again
 * losslessly.
 */
#ifndef SOCKHOP_DAEMON_LIFECYCLE_H
#define SOCKHOP_DAEMON_LIFECYCLE_H

#include "agent/instance/create.h"
#include "agent/lib/report.h"

struct lifecycle_options {
	const char *instance;
	const char *policy_file;	 /* NULL: none */
	const struct hop_policy *policy; /* instead of a file; NULL: none */
	unsigned int max_connections;
	unsigned int idle_timeout; /* seconds; see load_options.idle_s */
	unsigned int heartbeat;	   /* seconds; see load_options.heartbeat_s */
	bool observe;		   /* see load_options.observe */
};

/* All of these return 0 or -errno; the report (may be NULL) gets what failed, and other notes. */

/*
 * Open the instance, locked; make it first if need be (*created says so). With an existing instance a policy
 * file replaces its policy; one that lets connections join cannot be made to observe them (-EBUSY). On
 * failure the instance is closed.
 */
int lifecycle_open(struct instance *in, const struct lifecycle_options *o, bool *created, struct report *r);

/*
 * Attach to one resolved cgroup. 0 also when it is attached already, or waits (enum cgroup_state); with
 * HOP_CG_SELECTED also when it has gone.
 */
int lifecycle_attach(struct instance *in, const char *path, __u32 flags, struct report *r);

/* Resolve an operator's argument: a cgroup that exists, or one that this instance waits for. */
int lifecycle_resolve(const char *instance, const char *arg, char *path, size_t size, struct report *r);

/* Start the agent in the background; wake it where it runs. */
int lifecycle_start_agent(const struct instance *in, struct report *r);

/*
 * Take the whole instance out: no new members, everyone leaves, pins go. The instance is closed. What could
 * not leave within timeout_ms stays, correct, on the TCP path, and is set aside for a later detach: -EBUSY,
 * or -ETIMEDOUT where no pass could look.
 */
int lifecycle_detach_all(struct instance *in, unsigned int timeout_ms, struct report *r);

/* Take single cgroups (by id) out; the others go on. Errors as above. */
int lifecycle_detach_some(struct instance *in, const __u64 *ids, unsigned int n, unsigned int timeout_ms,
			  struct report *r);

#endif
