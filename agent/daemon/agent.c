// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <linux/types.h>
#include <bpf/libbpf.h>

#include "agent.h"
#include "find.h"
#include "follow.h"
#include "notify.h"
#include "pass.h"
#include "plan.h"
#include "seek.h"
#include "spawn.h"
#include "sweep.h"
#include "translate.h"
#include "agent/instance/collapse.h"
#include "agent/instance/instance.h"
#include "agent/instance/netns.h"
#include "agent/instance/walk.h"
#include "agent/lib/util.h"
#include "agent/program/flips.h"
#include "agent/program/guard.h"
#include "agent/program/judge.h"
#include "agent/program/receive.h"
#include "agent/program/examiner.h"
#include "bpf/hop.h"

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

/* It is tried again. The loop ends only if the instance is gone, of which no event may have told. */
static void fail(struct agent *a, const char *what, int err)
{
	unsigned int silent;

	if (plan_failed(&a->plan, now_ns(), &silent))
		msg_warn("%s failed: %s; the agent tries again (%u more since the last report)", what,
			 strerror(-err), silent);
}

/* A negative return ends ring_buffer__consume(), which else goes on for as long as events come. Nothing is
 * lost.
 */
static int on_event(void *ctx, void *data, size_t size)
{
	const struct hop_event *event = data;
	struct agent *a = ctx;

	if (size < sizeof(struct hop_event))
		return 0;
	if (event->type == HOP_EV_EXEC || event->type == HOP_EV_START)
		guard_started(&a->guard);
	return plan_event(&a->plan, now_ns(), data) ? 0 : -EAGAIN;
}

static void take_events(struct agent *a)
{
	__u32 pokes;

	ring_buffer__consume(a->events);
	plan_took_events(&a->plan, now_ns());
	pokes = __atomic_load_n(&a->in.config->pokes, __ATOMIC_ACQUIRE);
	if (pokes != a->pokes) {
		guard_started(&a->guard);
		plan_changed(&a->plan, now_ns());
		follow_soon(&a->follow);
		find_poked(&a->find);
	}
	a->pokes = pokes;
}

/* A child is back from this namespace. */
static void on_back(__u32 inum, void *arg)
{
	struct agent *a = arg;

	msg_debug("network namespace %u is back", inum);
	pass_unblock(&a->in, inum);
	plan_back(&a->plan, now_ns());
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

/* Where the ends are, and after a change of policy everybody: who was refused before he registered has no
 * record.
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

	walks_reap(&a->walks, on_back, a);
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

/* Without inotify's descriptor nothing is followed; it may be had later (retry()). */
static void follow_start(struct agent *a)
{
	int err = follow_open(&a->follow, a->epoll_fd, SOURCE_FOLLOW);

	if (!err)
		err = find_open(&a->find, a->epoll_fd, SOURCE_FIND);
	if (err)
		fail(a, "watching for cgroups", err);
}

/* What the configuration selects. */
static void find(struct agent *a)
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
	follow_start(a);
	return 0;
}

/* Do what is due, up to a pass: events may have come by then. */
static int work(struct agent *a)
{
	int err = 0;

	if (guard_work(&a->guard, &a->in, a->veto) || receive_work(&a->receive, &a->in))
		plan_all(&a->plan, now_ns());
	find(a);
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

static int handle(struct agent *a, int source, int (*extra)(void *arg), void *arg)
{
	switch (source) {
	case SOURCE_EVENTS:
		take_events(a);
		return 0;
	case SOURCE_STUCK:
		walks_reap(&a->walks, on_back, a);
		return 0;
	case SOURCE_FOLLOW:
		follow_readable(&a->follow);
		return 0;
	case SOURCE_FIND:
		find_readable(&a->find);
		return 0;
	default:
		return extra(arg);
	}
}

static int watch(struct agent *a, int fd, int source)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = source};

	return epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/* Until the plan, a guard or the followed paths need something; -1: none of them. */
static int timeout_ms(const struct agent *a)
{
	unsigned long long now = now_ns(), due = guard_due(&a->guard, &a->in);
	unsigned long long receive = receive_due(&a->receive, &a->in);
	int plan = plan_timeout_ms(&a->plan, now), guard = -1;

	if (receive && (!due || receive < due))
		due = receive;
	if (due)
		guard = due <= now ? 0 : (int)((due - now) / 1000000) + 1;
	if (plan < 0 || (guard >= 0 && guard < plan))
		plan = guard;
	return find_timeout_ms(&a->find, now, follow_timeout_ms(&a->follow, now, plan));
}

/* What is there already, before anybody is told that we are ready. */
static void begin(struct agent *a)
{
	collapse_sweep(&a->in);
	pass_forget(&a->in);
	guard_started(&a->guard);
	plan_all(&a->plan, now_ns());
	follow_start(a);
	find(a);
	notify_ready();
}

int agent_run(struct agent *a, int extra_fd, int (*extra)(void *arg), void *arg)
{
	struct epoll_event ev[8];
	int ret = 0;

	if (extra_fd >= 0)
		ret = watch(a, extra_fd, SOURCE_EXTRA);
	begin(a);
	while (!ret && !a->in.config->draining) {
		int ms = notify_alive(now_ns(), timeout_ms(a));
		int n = epoll_wait(a->epoll_fd, ev, ARRAY_SIZE(ev), ms);

		if (n < 0 && errno != EINTR)
			ret = -errno;
		for (int i = 0; i < n && !ret; i++)
			ret = handle(a, ev[i].data.u32, extra, arg);
		if (!ret)
			ret = work(a);
	}
	notify_stopping();
	if (extra_fd >= 0)
		epoll_ctl(a->epoll_fd, EPOLL_CTL_DEL, extra_fd, NULL);
	return ret;
}

static int agent_setup(struct agent *a)
{
	a->lock_fd = agent_names_processes() ? agent_lock(&a->in) : -EOPNOTSUPP;
	if (a->lock_fd < 0)
		return a->lock_fd;
	a->plan.idle_ns = a->in.config->idle_ns;
	a->plan.young = a->in.config->force & HOP_FORCE_YOUNG;
	a->pokes = a->in.config->pokes; /* agent_run() begins with a look at everything */
	a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (a->epoll_fd < 0)
		return -errno;
	a->veto = veto_cache_new();
	a->events = ring_buffer__new(a->in.map[MAP_EVENTS], on_event, a, NULL);
	if (!a->veto || !a->events)
		return -ENOMEM;
	return watch(a, ring_buffer__epoll_fd(a->events), SOURCE_EVENTS);
}

int agent_new(struct agent **out, const char *instance)
{
	struct agent *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->lock_fd = a->epoll_fd = a->follow.fd = a->find.fd = -1;
	err = instance_open(&a->in, instance, 0);
	if (err) {
		free(a);
		return err;
	}
	err = agent_setup(a);
	if (err) {
		agent_free(a);
		return err;
	}
	/* a pass holds socket locks: get it over with on a busy machine (exec_daemon() does so for the
	 * session) */
	setpriority(PRIO_PROCESS, 0, AGENT_NICE);
	*out = a;
	return 0;
}

void agent_lock_until_exit(const struct agent *a)
{
	(void)fcntl(a->lock_fd, F_DUPFD_CLOEXEC,
		    0); /* flock() belongs to the open file: a copy holds it too */
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	ring_buffer__free(a->events);
	veto_cache_free(a->veto);
	plan_free(&a->plan);
	walks_free(&a->walks);
	sweep_free(&a->sweep);
	follow_close(&a->follow);
	find_close(&a->find);
	util__close(&a->epoll_fd);
	util__close(&a->lock_fd);
	instance_close(&a->in);
	free(a);
}
