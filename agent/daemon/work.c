// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "work.h"
#include "pass.h"
#include "seek.h"
#include "translate.h"
#include "agent/instance/collapse.h"
#include "agent/instance/netns.h"
#include "agent/lib/util.h"
#include "agent/program/examiner.h"
#include "bpf/hop.h"

/* It is tried again. The loop ends only if the instance is gone, of which no event may have told. */
static void fail(struct agent *a, const char *what, int err)
{
	unsigned int silent;

	if (plan_failed(&a->plan, now_ns(), &silent))
		msg_warn("%s failed: %s; the agent tries again (%u more since the last report)", what,
			 strerror(-err), silent);
}

/* A child is back from this namespace. */
static void on_back(__u32 inum, void *arg)
{
	struct agent *a = arg;

	msg_debug("network namespace %u is back", inum);
	pass_unblock(&a->in, inum);
	plan_back(&a->plan, now_ns());
}

void work_reap(struct agent *a)
{
	walks_reap(&a->walks, on_back, a);
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
 * Where the ends are; after a change of policy, all namespaces: an end that was refused before it registered
 * has no record.
 */
static int find_namespaces(struct agent *a, bool all)
{
	__u32 gen = __atomic_load_n(&a->in.config->policy_gen, __ATOMIC_ACQUIRE);
	int err = all ? netns_list_all(&a->plan.dirty, &a->in) : 0;

	if (err || a->gen == gen)
		return err;
	err = netns_each(&a->in, NULL, NULL, add_netns, &a->plan.dirty);
	if (!err)
		a->gen = gen;
	return err;
}

/* What programs are, and where those may be that are sought. */
static int prepare(struct agent *a, const struct plan_pass *how, struct judge_result *vetted,
		   struct plan_result *r)
{
	unsigned long long start = own_ns(a);
	int err = find_namespaces(a, how->all);

	if (how->vet && !err) {
		err = judge_all(&a->in, how->fresh ? HOP_MODE_JOINS : 0, a->veto, &a->habits, vetted);
		r->vetted = !err;
		r->look_again = vetted->pending || vetted->flips;
		if (!err)
			msg_debug("examined %u sockets, %u vetoed", vetted->sockets, vetted->vetoed);
	}
	if (a->asks && translate_all(&a->in))
		msg_debug("connection tracking could not be asked about all"); /* they ask again */
	if (how->seek && seek_namespaces(&a->in, &a->plan.dirty))
		msg_debug("cannot tell where all are that are sought");
	r->prepare_cost = own_ns(a) - start;
	return err;
}

static void visit(struct agent *a, const struct plan_pass *how, struct pass *pass)
{
	__u32 mode = (how->fresh ? HOP_MODE_JOINS : 0) | (how->seek ? HOP_MODE_SEEK : 0);

	work_reap(a);
	msg_debug("pass over %zu namespaces begins", a->plan.dirty.n);
	pass_visit(&a->in, &a->walks, &a->plan.dirty, mode, 0, pass);
	a->asks = pass->more & PASS_ASKS;
	msg_debug("pass over: %llu us, again %d, blocked %u", pass->cost / 1000, pass->more, pass->blocked);
}

/* Those that did not come back this time: say so, and wait for them. */
static void watch_stuck(struct agent *a)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = SOURCE_STUCK};
	unsigned int silent;
	char name[64];

	for (size_t i = 0; i < a->walks.n; i++) {
		struct walk_stuck *s = &a->walks.stuck[i];

		if (s->told)
			continue;
		s->told = 1;
		if (epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev))
			fail(a, "waiting for a pass", -errno); /* it is found when that is over */
		if (!plan_blocked(&a->plan, now_ns(), &silent))
			continue;
		netns_name(s->inum, name, sizeof(name));
		msg_warn(
			"network namespace %u%s%s is blocked: a call holds one of its sockets; no connection "
			"joins or leaves there before it ends (%u more since the last report)",
			s->inum, *name ? " " : "", name, silent);
	}
}

static void run_pass(struct agent *a)
{
	unsigned long long joined = instance_counter(&a->in, HOP_CNT_JOINED);
	struct plan_result result = {};
	struct judge_result vetted = {};
	struct plan_pass how;
	struct pass pass;
	int err;

	plan_pass_begins(&a->plan, now_ns(), &how);
	err = prepare(a, &how, &vetted, &result);
	/* what it costs to load is no part of a pass */
	guard_follow(&a->guard, &a->in, vetted.splicers, how.vet && !err && !how.fresh);
	visit(a, &how, &pass);
	receive_follow(&a->receive, &a->in, pass.receives,
		       how.all && !how.fresh && !err && !pass.err && !pass.blocked);
	if (err)
		fail(a, "looking at programs", err);
	if (pass.err)
		fail(a, "a pass", pass.err);
	result.pass = &pass;
	result.failed = err || pass.err;
	result.joined = instance_counter(&a->in, HOP_CNT_JOINED) - joined;
	result.any_members = a->in.config->members;
	plan_pass_over(&a->plan, now_ns(), &how, &result);
	watch_stuck(a);
}

static void review(struct agent *a)
{
	struct plan_review r = {
		.hops = instance_counter(&a->in, HOP_CNT_HOPS),
		.lost = instance_counter(&a->in, HOP_CNT_EVENTS_LOST),
	};

	guard_started(&a->guard); /* events of programs that started may have been lost */
	collapse_sweep(&a->in);
	r.again = sweep_run(&a->sweep, &a->in);
	r.any_members = a->in.config->members;
	plan_reviewed(&a->plan, now_ns(), &r);
}

void work_follow(struct agent *a)
{
	int err = follow_open(&a->follow, a->epoll_fd, SOURCE_FOLLOW);

	if (!err)
		err = find_open(&a->find, a->epoll_fd, SOURCE_FIND);
	if (err)
		fail(a, "watching for cgroups", err);
}

void work_find(struct agent *a)
{
	int ret = find_look(&a->find, &a->in);

	if (ret < 0) {
		fail(a, "looking for what is configured", ret);
		return;
	}
	if (ret & FIND_ATTACHED)
		plan_all(&a->plan, now_ns());
	if (ret)
		follow_soon(&a->follow);
}

static void follow(struct agent *a)
{
	int ret = follow_look(&a->follow, &a->in);

	if (ret < 0)
		fail(a, "following cgroups", ret);
	else if (ret)
		plan_all(&a->plan, now_ns());
}

/* -ENOENT: the instance is gone, though it never drained. */
static int retry(struct agent *a)
{
	char config[PATH_MAX + 8];

	snprintf(config, sizeof(config), "%s/config", a->in.dir);
	if (access(config, F_OK) && errno == ENOENT && !a->in.config->draining)
		return -ENOENT;
	plan_retried(&a->plan, now_ns());
	work_follow(a);
	return 0;
}

int work_due(struct agent *a)
{
	int err = 0;

	if (guard_work(&a->guard, &a->in, a->veto) || receive_work(&a->receive, &a->in))
		plan_all(&a->plan, now_ns());
	work_find(a);
	follow(a);
	while (!err) {
		switch (plan_job(&a->plan, now_ns())) {
		case PLAN_REVIEW:
			review(a);
			break;
		case PLAN_RETRY:
			err = retry(a);
			break;
		case PLAN_PASS:
			run_pass(a);
			return 0;
		default:
			return 0;
		}
	}
	return err;
}
