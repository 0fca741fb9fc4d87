/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plan.h: what the agent does next, and when. It gets the events, the results of passes and reviews, and the
 * time; it says what is due, and how to run the next pass. It reads no map, no clock and no file, so it can
 * be tested on the host (tests/unit/test_plan.c). agent.c feeds it and does what it says. The rules and
 * section 10 of the design say why (design.md, I42, I43, I44).
 *
 * `now` is the time in ns of CLOCK_MONOTONIC (now_ns()), as are all times here; a time of 0 means "not at
 * all". Costs are ns of CPU time.
 */
#ifndef SOCKHOP_DAEMON_PLAN_H
#define SOCKHOP_DAEMON_PLAN_H

#include <stdbool.h>

#include "budget.h"
#include "trouble.h"
#include "agent/instance/netns.h"

struct hop_event;
struct pass;

#define PLAN_MS	       1000000ull
#define PLAN_COALESCE  (20 * PLAN_MS)	 /* from the first event to a pass: others come along */
#define PLAN_CROWD     50		 /* pairs that wait, or joined in the last pass: BUDGET_CROWD */
#define PLAN_REVIEW_NS (30000 * PLAN_MS) /* while there are members: lost events, programs that hold them */
#define PLAN_PAUSE     (1000 * PLAN_MS)	 /* between looks at ends that are held back, at least */
#define PLAN_EVENTS    1024		 /* events taken at a time; then what is due is done first */

/* Passes for leaves, which an application may be waiting for. */
#define PLAN_LEAVE_DELAY   PLAN_MS
#define PLAN_LEAVE_AT_ONCE 3		    /* passes that a leave takes when nothing is in its way */
#define PLAN_LEAVE_SPREAD  (10 * PLAN_MS)   /* between those after it, at least: a reader must be met awake */
#define PLAN_LEAVE_SHARE   4		    /* they pause for this many times what the last one cost */
#define PLAN_LEAVE_URGENT  20		    /* this many in a row; then they are as patient as joins */
#define PLAN_LEAVE_AGAIN   (2000 * PLAN_MS) /* after that a leave is urgent from the start again */
#define PLAN_VET_PATIENCE  (200 * PLAN_MS)  /* they go before the examination of programs for this long */

/* Starts zeroed, but for the first two. plan_free() frees what it holds. */
struct plan {
	unsigned long long idle_ns; /* as in struct hop_config */
	bool young; /* HOP_FORCE_YOUNG: connections that are young end soon, so no pass waits */

	/* the next pass */
	struct netns_list dirty;      /* namespaces that need it */
	bool all;		      /* and all others that have ends */
	bool members;		      /* it looks at members, too: one leaves, or anything may have changed */
	bool seeks;		      /* an end looks for a peer that does not register by itself */
	unsigned long long vet_by;    /* programs must be examined, by then even if an end leaves */
	unsigned long long due;	      /* when it may run; 0: none is needed */
	unsigned long long stand_off; /* no pass before that: the last one failed as a whole */
	unsigned long long pairs;     /* new since the last one, or joined in it, whichever is more */
	unsigned int taken;	      /* events, this time */
	struct budget budget;

	/* leaves */
	bool leaves;		   /* an end is leaving, and it is urgent */
	unsigned int leave_passes; /* in a row */
	unsigned long long left;   /* when that count last restarted because an end wanted to leave */

	/* looks at everything */
	unsigned long long review;     /* when the next one is due */
	bool held;		       /* an end is held back for a while */
	unsigned long long hops, lost; /* as counted at the last one */
	unsigned long long
		moved; /* when `hops` last changed, or members were last looked at for being idle */

	/* failures */
	unsigned long long retry; /* when to look at everything again; 0: all is well */
	struct trouble failed, blocked;
};

/* What is due. One thing at a time: ask again after it is done. */
enum plan_job {
	PLAN_NOTHING,
	PLAN_REVIEW, /* then plan_reviewed() */
	PLAN_RETRY,  /* after a failure: look whether the instance is still there, then plan_retried() */
	PLAN_PASS,   /* plan_pass_begins(), the pass, plan_pass_over() */
};

/* How to run a pass over the namespaces of plan.dirty. */
struct plan_pass {
	bool all;     /* add the namespaces of all ends to that list */
	bool fresh;   /* leave the members out */
	bool vet;     /* examine the programs before */
	bool seek;    /* find the peers that are sought: add the namespaces in which they may be */
	bool put_off; /* programs should be examined, but an end leaves: that goes first */
};

/* What came of it. plan.dirty is by then what pass_visit() has left. */
struct plan_result {
	const struct pass *pass;
	unsigned long long prepare_cost; /* what it cost to examine programs and find namespaces */
	unsigned long long joined;	 /* ends that became members */
	bool vetted;			 /* programs were examined */
	bool look_again;		 /* answers about programs are due, or a program has other members */
	bool failed;			 /* something on the way failed: plan_failed() was told as well */
	bool any_members;
};

/* What a review found. */
struct plan_review {
	unsigned long long hops, lost; /* counters: hops, lost events */
	bool any_members;
	bool again; /* the sweep wants to look again */
};

void plan_free(struct plan *p);
/* How long to sleep, for epoll_wait(): in ms, -1 for ever. */
int plan_timeout_ms(const struct plan *p, unsigned long long now);
enum plan_job plan_job(const struct plan *p, unsigned long long now);

/*
 * An event of the kernel side. False once PLAN_EVENTS were taken: then call plan_took_events(), which ends
 * the batch, before the next event. Otherwise a flood would keep the agent from what is due.
 */
bool plan_event(struct plan *p, unsigned long long now, const struct hop_event *e);
void plan_took_events(struct plan *p, unsigned long long now);
/* Look at everything: at the start, or when something unknown was missed. */
void plan_all(struct plan *p, unsigned long long now);
/* A command says that the policy, or the set of cgroups, has changed. */
void plan_changed(struct plan *p, unsigned long long now);

void plan_pass_begins(struct plan *p, unsigned long long now, struct plan_pass *out);
void plan_pass_over(struct plan *p, unsigned long long now, const struct plan_pass *pass,
		    const struct plan_result *r);
void plan_reviewed(struct plan *p, unsigned long long now, const struct plan_review *r);

/*
 * Something failed; everything is looked at again after a while. Returns whether to report it now; *silent is
 * the number of failures since the last report.
 */
bool plan_failed(struct plan *p, unsigned long long now, unsigned int *silent);
void plan_retried(struct plan *p, unsigned long long now);
/* A namespace is blocked: the pass over it does not come back. Returns and sets the same. */
bool plan_blocked(struct plan *p, unsigned long long now, unsigned int *silent);
/*
 * The pass over a blocked namespace has come back. It did not finish, and what it was told to leave out may
 * have changed while it slept, so everything is looked at after a while.
 */
void plan_back(struct plan *p, unsigned long long now);

#endif
