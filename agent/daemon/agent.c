// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <bpf/libbpf.h>

#include "agent.h"
#include "pass.h"
#include "plan.h"
#include "agent/instance/collapse.h"
#include "agent/instance/instance.h"
#include "agent/lib/util.h"
#include "agent/program/process.h"
static int handle(struct agent *a, int source, int (*extra)(void *arg), void *arg)
{
	switch (source) {
	case SOURCE_EVENTS:
		plan_take_events(a);
		plan_poked(a);
		return 0;
	case SOURCE_STUCK:
		walks_reap(&a->walks, plan_back, a);
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

int agent_run(struct agent *a, int extra_fd, int (*extra)(void *arg), void *arg)
{
	struct epoll_event ev[8];
	int ret = 0;

	if (extra_fd >= 0)
		ret = watch(a, extra_fd, SOURCE_EXTRA);
	collapse_sweep(&a->in);
	pass_forget(&a->in);
	plan_all(a);
	while (!ret && !a->in.config->draining) {
		int n = epoll_wait(a->epoll_fd, ev, ARRAY_SIZE(ev), plan_timeout_ms(a));

		if (n < 0 && errno != EINTR)
			ret = -errno;
		for (int i = 0; i < n && !ret; i++)
			ret = handle(a, ev[i].data.u32, extra, arg);
		if (!ret)
			ret = plan_work(a);
	}
	if (extra_fd >= 0)
		epoll_ctl(a->epoll_fd, EPOLL_CTL_DEL, extra_fd, NULL);
	return ret;
}

static int lock_agent(struct agent *a)
{
	a->lock_fd = openat(a->in.lock_fd, "agent", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (a->lock_fd < 0)
		return -errno;
	/* instance_agent_alive() tries the lock, for an instant: do not mistake that for an agent */
	for (int i = 0; flock(a->lock_fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK || i == 10)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		poll(NULL, 0, 2);
	}
	a->in.config->agent_pid = getpid();
	return 0;
}

static int agent_setup(struct agent *a)
{
	int err = agent_names_processes() ? lock_agent(a) : -EOPNOTSUPP;

	if (err)
		return err;
	a->pokes = a->in.config->pokes; /* agent_run() begins with a look at everything */
	a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (a->epoll_fd < 0)
		return -errno;
	a->veto = veto_cache_new();
	a->events = ring_buffer__new(a->in.map[MAP_EVENTS], plan_event, a, NULL);
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
	a->lock_fd = a->epoll_fd = -1;
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
	netns_list_free(&a->dirty);
	walks_free(&a->walks);
	sweep_free(&a->sweep);
	util__close(&a->epoll_fd);
	util__close(&a->lock_fd);
	instance_close(&a->in);
	free(a);
}
