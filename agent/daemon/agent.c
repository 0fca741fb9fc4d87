// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "agent.h"
#include "notify.h"
#include "pass.h"
#include "spawn.h"
#include "work.h"
#include "agent/instance/collapse.h"
#include "agent/lib/util.h"
#include "agent/program/examiner.h"

/*
 * A negative return ends ring_buffer__consume(), which else goes on for as long as events come. Nothing is
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

static int handle(struct agent *a, int source, int (*extra)(void *arg), void *arg)
{
	switch (source) {
	case SOURCE_EVENTS:
		take_events(a);
		return 0;
	case SOURCE_STUCK:
		work_reap(a);
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
	work_follow(a);
	work_find(a);
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
			ret = work_due(a);
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
