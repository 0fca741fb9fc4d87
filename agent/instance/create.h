/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * create.h: make an instance: load, attach to its maps, pin.
 *
 * An instance is built in a staging folder and renamed into place, so that it exists as a whole or not at all
 * (design.md, I25).
 */
#ifndef SOCKHOP_INSTANCE_CREATE_H
#define SOCKHOP_INSTANCE_CREATE_H

#include <stdbool.h>

#include "instance.h"
#include "agent/probe/probe.h"

#define DEFAULT_MAX_CONNECTIONS 65536
#define DEFAULT_IDLE_TIMEOUT	300 /* seconds */
#define DEFAULT_HEARTBEAT	15  /* seconds */

struct load_options {
	unsigned int max_connections;	 /* 0: the default */
	unsigned int idle_s;		 /* a pair that is silent this long leaves; 0: never */
	const struct hop_policy *policy; /* NULL: empty */
	unsigned int heartbeat_s;	 /* seconds between messages of a direction that take TCP; 0: never */
	bool observe;			 /* judge all, and let nobody join */
};

/*
 * Make the instance NAME and leave it pinned, attached to no cgroup yet. -EEXIST if it exists; -EOPNOTSUPP if
 * the kernel cannot run it at all. The report (may be NULL) says what failed.
 */
struct report;
int instance_create(const char *name, const struct load_options *options, struct report *r);

#endif
