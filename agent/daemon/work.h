/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * work.h: what the agent does when it is due: passes, reviews, looks at what it follows. agent.c has the loop
 * that waits.
 */
#ifndef SOCKHOP_DAEMON_WORK_H
#define SOCKHOP_DAEMON_WORK_H

#include <stdbool.h>
#include <linux/types.h>
#include <bpf/libbpf.h>

#include "find.h"
#include "follow.h"
#include "plan.h"
#include "sweep.h"
#include "agent/instance/instance.h"
#include "agent/instance/walk.h"
#include "agent/program/flips.h"
#include "agent/program/guard.h"
#include "agent/program/judge.h"
#include "agent/program/receive.h"

/* What an event of the epoll descriptor is about (data.u32). */
enum { SOURCE_EVENTS, SOURCE_STUCK, SOURCE_FOLLOW, SOURCE_FIND, SOURCE_EXTRA };

struct agent {
	struct instance in;
	int lock_fd, epoll_fd;
	__u32 pokes; /* config.pokes as last seen */
	bool asks;   /* the last pass has left questions for translate_all() */
	__u32 gen;   /* config.policy_gen when all namespaces of attached cgroups were last looked at */
	struct ring_buffer *events;
	struct veto_cache *veto;
	struct habits habits;	   /* of programs */
	struct guard guard;	   /* the splice guard */
	struct guard_need receive; /* of the receive guard */
	struct walks walks;	   /* namespaces that do not come back from a pass */
	struct sweep sweep;
	struct follow follow;
	struct find find;
	struct plan plan;
};

/* Do what is due, up to a pass: events may have come by then. -ENOENT: the instance is gone. */
int work_due(struct agent *a);

/* Take back the children that have returned from their namespaces. */
void work_reap(struct agent *a);

/* Begin to follow cgroups. Without inotify's descriptor nothing is followed; it is tried again. */
void work_follow(struct agent *a);

/* Attach what the configuration selects. */
void work_find(struct agent *a);

#endif
