/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plan.h: what the agent has to do, and when: it takes events, examines programs, runs passes, and looks at
 * everything again now and then. agent.c has the loop around it.
 */
#ifndef SOCKHOP_DAEMON_PLAN_H
#define SOCKHOP_DAEMON_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "budget.h"
#include "sweep.h"
#include "trouble.h"
#include "agent/instance/instance.h"
#include "agent/instance/netns.h"
#include "agent/instance/walk.h"
#include "agent/program/flips.h"
#include "agent/program/guard.h"

/* What an event of the agent's epoll descriptor is about (data.u32). */
enum { SOURCE_EVENTS, SOURCE_STUCK, SOURCE_EXTRA };

struct agent {
	struct instance in;
	int lock_fd, epoll_fd;
	__u32 pokes; /* config.pokes as last seen */
	__u32 gen;   /* config.policy_gen when all namespaces of attached cgroups were last looked at */
	struct ring_buffer *events;
	struct veto_cache *veto;
	struct flips flips; /* programs that turn members blocking */
	struct guard guard;
	struct netns_list dirty; /* namespaces that need a pass */
	struct walks walks;	 /* those that do not come back from one */
	struct sweep sweep;
	struct trouble failed, blocked;
	unsigned long long retry;     /* when to look at everything again after a failure, 0: all is well */
	unsigned long long stand_off; /* no pass before that: the last one failed as a whole */
	bool all;		      /* the next pass is over all namespaces that have ends */
	unsigned int taken;	      /* events, this time */
	unsigned long long
		vet_by; /* programs must be examined, by then even if somebody leaves; 0: no need */
	bool leaves;	/* somebody is leaving */
	bool members;	/* the next pass looks at members, too: one leaves, or anything may have changed */
	bool seeks;	/* somebody looks for a peer that does not register by itself */
	bool held;	/* somebody is held back for a while */
	unsigned int leave_passes; /* in a row */
	unsigned long long left;   /* when that count last began anew because somebody wanted to leave */
	unsigned long long spent;  /* CPU time of the present pass, programs' examination included */
	unsigned long long due;	   /* when the next pass may run, 0: none is needed */
	struct budget budget;
	unsigned long long pairs; /* that became complete since, or joined in the last pass if that is more */
	unsigned long long review; /* when to look at everything again, 0: never */
	unsigned long long lost;   /* events lost so far */
	unsigned long long hops;   /* at the last review */
	unsigned long long
		moved; /* when `hops` last changed, or members were last looked at for being idle */
};

/* Look at everything: at the start, after a change of policy, when events were lost. */
void plan_all(struct agent *a);
/* Has a command said that the policy, or the set of cgroups, has changed? */
void plan_poked(struct agent *a);
/* Take what is in the ring of events, so many at most that nothing else has to wait. */
void plan_take_events(struct agent *a);
/* The callback of that ring: a negative return ends ring_buffer__consume(), which else goes on for as long as
 * events come; nothing is lost. */
int plan_event(void *agent, void *data, size_t size);
/* A child is back from this namespace: the callback of walks_reap(). */
void plan_back(__u32 inum, void *agent);
/* How long to sleep, for epoll_wait(). */
int plan_timeout_ms(const struct agent *a);
/* Do what is due by now. 0, or -ENOENT: the instance is no more, though it never drained. */
int plan_work(struct agent *a);

#endif
