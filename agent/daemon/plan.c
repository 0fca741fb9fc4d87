// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "plan.h"
#include "pass.h"
#include "seek.h"
#include "agent/instance/collapse.h"
#include "agent/lib/util.h"
#include "agent/program/judge.h"
#include "agent/program/process.h"

/* Pace, in nanoseconds. A pass costs milliseconds however little there is to do: it walks the hash table. */
#define MS	      1000000ull
#define COALESCE      (20 * MS)	   /* after the first event, for others to come along */
#define CROWD	      50	   /* so many pairs wait, or so many joined in the last pass: BUDGET_CROWD */
#define LEAVE_SHARE   4		   /* passes for leaves, which an application may be waiting for */
#define LEAVE_AT_ONCE 3		   /* passes that a leave takes when nothing is in its way */
#define LEAVE_SPREAD  (10 * MS)	   /* between those after it, at least: a reader must be met awake */
#define LEAVE_URGENT  20	   /* so many in a row; then they are as patient as joins */
#define VET_PATIENCE  (200 * MS)   /* so long passes for leaves go before the examination of programs */
#define REVIEW	      (30000 * MS) /* while there are members: lost events, programs that hold them */
#define HELD_PAUSE    (1000 * MS)  /* between looks at ends that are held back, at least */
#define LEAVE_AGAIN   (2000 * MS)  /* so long after one, another leave is urgent from the start again */
#define EVENTS_MAX    1024	   /* at once; then what is due is done first */

static void schedule_for(struct agent *a, enum budget_reason reason, unsigned long long delay)
{
	unsigned long long at = now_ns() + delay;
	unsigned long long not_before =
		budget_not_before(&a->budget, a->pairs >= CROWD ? BUDGET_CROWD : reason);

	if (a->in.config->force & HOP_FORCE_YOUNG) { /* young connections end soon */
		at -= delay;
		not_before = 0;
	}
	if (at < not_before && !a->leaves)
		at = not_before;
	if (at < a->stand_off)
		at = a->stand_off;
	if (!a->due || at < a->due)
		a->due = at;
}

static void schedule(struct agent *a, unsigned long long delay)
{
	schedule_for(a, BUDGET_AGAIN, delay);
}

static void want_vet(struct agent *a)
{
	if (!a->vet_by)
		a->vet_by = now_ns() + VET_PATIENCE;
}

/* Look at every registered end and its programs, members included; the pass finds out where they are. */
static void look_at_ends(struct agent *a)
{
	a->all = a->members = true;
	want_vet(a);
	schedule(a, COALESCE);
}

/* Look at everything: at the start, after a change of policy, when events were lost. */
void plan_all(struct agent *a)
{
	guard_started(&a->guard);
	a->seeks = true;
	look_at_ends(a);
}

/* A leave is urgent; but who makes others leave all the time does not drive the passes. */
static void hurry(struct agent *a)
{
	unsigned long long now = now_ns();

	if (!a->left || now - a->left >= LEAVE_AGAIN) {
		a->left = now;
		a->leave_passes = 0;
	}
	a->leaves = a->leave_passes < LEAVE_URGENT;
	a->members = true;
}

/* A negative return ends ring_buffer__consume(), which else goes on for as long as events come; nothing is
 * lost. */
int plan_event(void *ctx, void *data, size_t size)
{
	struct agent *a = ctx;
	const struct hop_event *e = data;

	if (size < sizeof(*e))
		return 0;
	switch (e->type) {
	case HOP_EV_PAIRED:
		a->pairs++;
		want_vet(a);
		netns_list_add(&a->dirty, e->netns);
		netns_list_add(&a->dirty, e->peer_netns);
		schedule_for(a, BUDGET_NEW, COALESCE);
		break;
	case HOP_EV_LEAVE:
		hurry(a);
		if (e->why == HOP_WHY_BLOCKING)
			want_vet(a); /* by then it is known whose program did it */
		netns_list_add(&a->dirty, e->netns);
		netns_list_add(&a->dirty, e->peer_netns);
		schedule(a, MS);
		break;
	case HOP_EV_SEEK:
		a->seeks = true;
		want_vet(a); /* after the pass that finds the peer, and that pass asks for one more */
		netns_list_add(&a->dirty, e->netns);
		schedule_for(a, BUDGET_NEW, COALESCE);
		break;
	case HOP_EV_EXEC:
		guard_started(&a->guard);
		look_at_ends(a);
		break;
	case HOP_EV_START:
		guard_started(&a->guard);
		break;
	case HOP_EV_POKE: /* it has woken us: see plan_poked() */
		break;
	}
	return ++a->taken < EVENTS_MAX ? 0 : -EAGAIN;
}

/* When to run the next pass, after one that cost so much and left so much to do. */
static void plan_next(struct agent *a, int more, unsigned long long cost, unsigned long long joined)
{
	a->spent += cost;
	budget_spend(&a->budget, now_ns(), a->spent, !a->members);
	a->members = more & PASS_LEAVES;
	a->leaves = a->members && ++a->leave_passes < LEAVE_URGENT;
	a->pairs = joined / 2;
	a->spent = 0;
	if (a->leaves)
		schedule(a, a->leave_passes < LEAVE_AT_ONCE	? 0
			    : LEAVE_SHARE * cost < LEAVE_SPREAD ? LEAVE_SPREAD
								: LEAVE_SHARE * cost);
	else if (more & (PASS_JOINS | PASS_LEAVES))
		schedule(a, 0); /* as early as the cost of this one allows */
	else if (a->dirty.n)
		schedule(a, 0); /* there was no time for those */
}

static unsigned long long review_interval(const struct agent *a)
{
	unsigned long long idle = a->in.config->idle_ns;

	return idle && idle < REVIEW ? idle : REVIEW;
}

static void review_by(struct agent *a, unsigned long long at)
{
	if (!a->review || at < a->review)
		a->review = at;
}

/* It is tried again. Only if the instance is no more, which nobody may have told us, is that the end. */
static void fail(struct agent *a, const char *what, int err)
{
	unsigned int silent;
	bool say;
	unsigned long long wait = trouble_note(&a->failed, now_ns(), &say, &silent);

	a->retry = now_ns() + wait;
	if (say)
		msg_warn("%s failed: %s; it is tried again (%u more since the last report)", what,
			 strerror(-err), silent);
}

/* CPU time of the agent and of the processes that look at programs for it, but for first looks at files. */
static unsigned long long own_ns(const struct agent *a)
{
	return cpu_ns() + veto_cache_cpu_ns(a->veto);
}

static int add_netns(int fd, __u32 inum, void *arg)
{
	(void)fd;
	return netns_list_add(arg, inum);
}

/*
 * Where the ends are, and after a change of policy everybody: who was refused before he registered has no
 * record. What their programs are, and where those may be that are sought.
 */
static int prepare(struct agent *a, bool vet, struct judge_result *vetted)
{
	unsigned long long start = own_ns(a);
	__u32 gen = __atomic_load_n(&a->in.config->policy_gen, __ATOMIC_ACQUIRE);
	int err = 0;

	if (a->all)
		err = netns_list_all(&a->dirty, &a->in);
	if (!err && a->gen != gen) {
		err = netns_each(&a->in, NULL, NULL, add_netns, &a->dirty);
		if (!err)
			a->gen = gen;
	}
	a->all = false;
	if (vet && !err) {
		err = judge_all(&a->in, a->veto, &a->flips, vetted);
		if (!err) {
			a->vet_by = 0;
			msg_debug("examined %u sockets, %u vetoed", vetted->sockets, vetted->vetoed);
		}
	}
	if (a->seeks && seek_namespaces(&a->in, &a->dirty))
		msg_debug("cannot tell where all are that are sought");
	a->spent += own_ns(a) - start;
	return err;
}

/* Those that did not come back this time: say so, and wait for them. */
static void watch_stuck(struct agent *a)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = SOURCE_STUCK};
	unsigned int silent;
	char name[64];
	bool say;

	for (size_t i = 0; i < a->walks.n; i++) {
		struct walk_stuck *s = &a->walks.stuck[i];

		if (s->told)
			continue;
		s->told = 1;
		if (epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev))
			fail(a, "waiting for a pass", -errno); /* it is found when that is over */
		trouble_note(&a->blocked, now_ns(), &say, &silent);
		netns_name(s->inum, name, sizeof(name));
		if (say)
			msg_warn("network namespace %u%s%s is blocked: a call holds one of its sockets; "
				 "nobody "
				 "joins or leaves there before it is over (%u more since the last report)",
				 s->inum, *name ? " " : "", name, silent);
	}
}

/*
 * That pass was not finished, and what it was told to leave out may have changed while it slept (`fresh`,
 * `seek`): so everything is looked at there, after a while.
 */
void plan_back(__u32 inum, void *arg)
{
	struct agent *a = arg;

	msg_debug("network namespace %u is back", inum);
	pass_unblock(&a->in, inum);
	if (!a->retry)
		a->retry = now_ns() + HELD_PAUSE;
}

static void after_pass(struct agent *a, const struct pass *p)
{
	if (a->in.config->members || p->err || p->more & PASS_HELD)
		review_by(a, now_ns() + review_interval(a));
	if (p->more & PASS_JOINS)
		want_vet(a); /* one of them may be waiting for just that */
	if (p->more & PASS_HELD) {
		a->held = true;
		review_by(a, p->held_until > now_ns() + HELD_PAUSE ? p->held_until : now_ns() + HELD_PAUSE);
	}
	if (p->err)
		fail(a, "a pass", p->err);
	if (p->whole)
		a->stand_off = a->retry;
	watch_stuck(a);
}

static void run_pass(struct agent *a)
{
	unsigned long long joined = instance_counter(&a->in, HOP_CNT_JOINED);
	/* whoever leaves does not wait for that; but where somebody always leaves, others want to join */
	bool unvetted = a->vet_by && a->leaves && now_ns() < a->vet_by, vet;
	struct judge_result vetted = {};
	struct pass pass;
	int err;

	a->due = 0;
	/*
	 * These two are read by whatever pass runs. Another process's is a detach, which does not go by them
	 * (`draining`, `leaving`); one of ours that is late is repeated (plan_back()).
	 */
	a->in.config->fresh = !a->members;
	vet = a->vet_by && !unvetted;
	err = prepare(a, vet, &vetted);
	/* what it costs to load is no part of a pass */
	guard_follow(&a->guard, &a->in, vetted.splicers, vet && !err && a->members);
	a->in.config->seek = a->seeks;
	a->seeks = false;
	walks_reap(&a->walks, plan_back, a);
	msg_debug("pass over %zu namespaces begins", a->dirty.n);
	pass_visit(&a->in, &a->walks, &a->dirty, 0, &pass);
	a->in.config->seek = a->in.config->fresh = 0;
	msg_debug("pass over: %llu us, again %d, blocked %u", pass.cost / 1000, pass.more, pass.blocked);
	plan_next(a, pass.more, pass.cost, instance_counter(&a->in, HOP_CNT_JOINED) - joined);
	if (unvetted && !a->leaves)
		plan_all(a);
	else if (vetted.pending || vetted.flips) /* answers are due, or a program has other members */
		look_at_ends(a);
	if (!err && !pass.err && a->failed.row)
		trouble_over(&a->failed);
	if (err)
		fail(a, "looking at programs", err);
	after_pass(a, &pass);
}

/*
 * Every REVIEW while there are members: did events get lost, did a descriptor reach another program? And when
 * the time of an end that was held back is over.
 */
static void review(struct agent *a)
{
	unsigned long long hops = instance_counter(&a->in, HOP_CNT_HOPS);
	unsigned long long lost = instance_counter(&a->in, HOP_CNT_EVENTS_LOST);
	unsigned long long idle = a->in.config->idle_ns;
	int again;

	collapse_sweep(&a->in);
	again = sweep_run(&a->sweep, &a->in);
	a->review = a->in.config->members || again ? now_ns() + review_interval(a) : 0;
	if (hops != a->hops || lost != a->lost || a->held || (idle && now_ns() - a->moved > idle)) {
		plan_all(a);
		a->moved = now_ns();
	}
	a->held = false; /* the pass will tell again */
	a->hops = hops;
	a->lost = lost;
}

int plan_timeout_ms(const struct agent *a)
{
	unsigned long long next = a->due, now = now_ns(), guard = guard_due(&a->guard, &a->in);

	if (!next || (a->review && a->review < next))
		next = a->review;
	if (!next || (a->retry && a->retry < next))
		next = a->retry;
	if (!next || (guard && guard < next))
		next = guard;
	if (!next)
		return -1;
	return next <= now ? 0 : (int)((next - now) / MS) + 1;
}

void plan_poked(struct agent *a)
{
	__u32 pokes = __atomic_load_n(&a->in.config->pokes, __ATOMIC_ACQUIRE);

	if (pokes == a->pokes)
		return;
	a->pokes = pokes;
	plan_all(a);
	/* a cgroup that is leaving is not to wait, nor are members that a new policy lets hop on, once their
	 * programs have been judged by it
	 */
	a->vet_by = now_ns();
	a->leaves = true;
	a->leave_passes = 0;
	schedule(a, MS);
}

/* So many that some may have been lost: the review sees that, also when nobody is a member. */
void plan_take_events(struct agent *a)
{
	a->taken = 0;
	ring_buffer__consume(a->events);
	if (a->taken >= EVENTS_MAX)
		review_by(a, now_ns() + HELD_PAUSE);
}

/* What is due by now. -ENOENT: the instance is no more, though it never drained. */
int plan_work(struct agent *a)
{
	char config[PATH_MAX + 8];

	if (guard_work(&a->guard, &a->in, a->veto))
		plan_all(a);
	if (a->review && now_ns() >= a->review)
		review(a);
	if (a->retry && now_ns() >= a->retry) {
		a->retry = a->stand_off = 0;
		snprintf(config, sizeof(config), "%s/config", a->in.dir);
		if (access(config, F_OK) && errno == ENOENT && !a->in.config->draining)
			return -ENOENT;
		plan_all(a);
	}
	if (a->due && now_ns() >= a->due)
		run_pass(a);
	return 0;
}
