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
#include "collapse.h"
#include "instance.h"
#include "pace.h"
#include "pass.h"
#include "seek.h"
#include "util.h"
#include "vet.h"
#include "veto.h"

/* Pace, in nanoseconds. A pass costs milliseconds however little there is to do: it walks the hash table. */
#define MS	      1000000ull
#define COALESCE      (20 * MS)	   /* after the first event, for others to come along */
#define CROWD	      50	   /* so many pairs wait, or so many joined in the last pass: PACE_CROWD */
#define LEAVE_SHARE   4		   /* passes for leaves, which an application may be waiting for */
#define LEAVE_AT_ONCE 3		   /* passes that a leave takes when nothing is in its way */
#define LEAVE_URGENT  20	   /* so many in a row; then they are as patient as joins */
#define VET_PATIENCE  (200 * MS)   /* so long passes for leaves go before the examination of programs */
#define REVIEW	      (30000 * MS) /* while there are members: lost events, programs that hold them */
#define HELD_PAUSE    (1000 * MS)  /* between looks at ends that are held back, at least */

enum { SOURCE_EVENTS, SOURCE_EXTRA };

struct agent {
	struct instance in;
	int lock_fd, epoll_fd;
	__u32 pokes; /* config.pokes as last seen */
	struct ring_buffer *events;
	struct veto_cache *veto;
	struct netns_list dirty; /* namespaces that need a pass */
	unsigned long long
		vet_by; /* programs must be examined, by then even if somebody leaves; 0: no need */
	bool leaves;	/* somebody is leaving */
	bool members;	/* the next pass looks at members, too: one leaves, or anything may have changed */
	bool seeks;	/* somebody looks for a peer that does not register by itself */
	bool held;	/* somebody is held back for a while */
	unsigned int leave_passes; /* in a row */
	unsigned long long spent;  /* CPU time of the present pass, programs' examination included */
	unsigned long long due;	   /* when the next pass may run, 0: none is needed */
	struct pace pace;
	unsigned long long pairs; /* that became complete since, or joined in the last pass if that is more */
	unsigned long long review; /* when to look at everything again, 0: never */
	unsigned long long lost;   /* events lost so far */
	unsigned long long hops;   /* at the last review */
	unsigned long long
		moved; /* when `hops` last changed, or members were last looked at for being idle */
};

static void schedule_for(struct agent *a, enum pace_reason reason, unsigned long long delay)
{
	unsigned long long at = now_ns() + delay;
	unsigned long long not_before = pace_not_before(&a->pace, a->pairs >= CROWD ? PACE_CROWD : reason);

	if (a->in.config->force & HOP_FORCE_YOUNG) { /* young connections end soon */
		at -= delay;
		not_before = 0;
	}
	if (at < not_before && !a->leaves)
		at = not_before;
	if (!a->due || at < a->due)
		a->due = at;
}

static void schedule(struct agent *a, unsigned long long delay)
{
	schedule_for(a, PACE_AGAIN, delay);
}

static void want_vet(struct agent *a)
{
	if (!a->vet_by)
		a->vet_by = now_ns() + VET_PATIENCE;
}

/* Look at every registered end and its programs, members included. */
static void look_at_ends(struct agent *a)
{
	a->members = true;
	want_vet(a);
	netns_list_all(&a->dirty, &a->in);
	if (a->dirty.n)
		schedule(a, COALESCE);
}

/* Look at everything: at the start, after a change of policy, when events were lost. */
static void look_at_all(struct agent *a)
{
	a->seeks = true;
	look_at_ends(a);
}

static int on_event(void *ctx, void *data, size_t size)
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
		schedule_for(a, PACE_NEW, COALESCE);
		break;
	case HOP_EV_LEAVE:
		a->leaves = a->members = true;
		a->leave_passes = 0;
		netns_list_add(&a->dirty, e->netns);
		netns_list_add(&a->dirty, e->peer_netns);
		schedule(a, MS);
		break;
	case HOP_EV_SEEK:
		a->seeks = true;
		want_vet(a); /* after the pass that finds the peer, and that pass asks for one more */
		netns_list_add(&a->dirty, e->netns);
		schedule_for(a, PACE_NEW, COALESCE);
		break;
	case HOP_EV_EXEC:
		look_at_ends(a);
		break;
	case HOP_EV_POKE: /* it has woken us: see poked() */
		break;
	}
	return 0;
}

/* When to run the next pass, after one that cost so much and left so much to do. */
static void plan_next(struct agent *a, int more, unsigned long long cost, unsigned long long joined)
{
	a->spent += cost;
	pace_spend(&a->pace, now_ns(), a->spent, !a->members);
	a->members = more & PASS_LEAVES;
	a->leaves = a->members && ++a->leave_passes < LEAVE_URGENT;
	a->pairs = joined / 2;
	a->spent = 0;
	if (a->leaves)
		schedule(a, a->leave_passes < LEAVE_AT_ONCE ? 0 : LEAVE_SHARE * cost);
	else if (more & (PASS_JOINS | PASS_LEAVES))
		schedule(a, 0); /* as early as the cost of this one allows */
	else
		netns_list_clear(&a->dirty);
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

static int run_pass(struct agent *a)
{
	unsigned long long held_until, cost = 0, start = cpu_ns() - veto_cache_scan_ns(a->veto);
	struct vet_result vetted;
	unsigned long long joined = instance_counter(&a->in, HOP_CNT_JOINED);
	unsigned int n = a->dirty.n;
	/* whoever leaves does not wait for that; but where somebody always leaves, others want to join */
	bool unvetted = a->vet_by && a->leaves && now_ns() < a->vet_by;
	int more, err;

	a->due = 0;
	a->in.config->fresh = !a->members;
	if (a->vet_by && !unvetted) {
		err = vet_all(&a->in, a->veto, &vetted);
		if (err)
			return err;
		a->vet_by = 0;
		a->spent += cpu_ns() - veto_cache_scan_ns(a->veto) - start;
		msg_debug("examined %u sockets, %u vetoed", vetted.sockets, vetted.vetoed);
	}
	if (a->seeks) {
		start = cpu_ns();
		if (seek_namespaces(&a->in, &a->dirty))
			msg_debug("cannot tell where all are that are sought");
		a->spent += cpu_ns() - start;
	}
	a->in.config->seek = a->seeks;
	a->seeks = false;
	more = pass_visit(&a->in, &a->dirty, &cost);
	a->in.config->seek = a->in.config->fresh = 0;
	held_until = a->in.config->held_until;
	if (more < 0)
		return more;
	msg_debug("pass over %u namespaces: %llu us, again %d", n, cost / 1000, more);
	plan_next(a, more, cost, instance_counter(&a->in, HOP_CNT_JOINED) - joined);
	if (unvetted && !a->leaves)
		look_at_all(a);
	if (more & PASS_JOINS)
		want_vet(a); /* one of them may be waiting for just that */
	if (a->in.config->members)
		review_by(a, now_ns() + review_interval(a));
	if (more & PASS_HELD) {
		a->held = true;
		review_by(a, held_until > now_ns() + HELD_PAUSE ? held_until : now_ns() + HELD_PAUSE);
	}
	return 0;
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

	collapse_sweep(&a->in);
	a->review = a->in.config->members ? now_ns() + review_interval(a) : 0;
	if (hops != a->hops || lost != a->lost || a->held || (idle && now_ns() - a->moved > idle)) {
		look_at_all(a);
		a->moved = now_ns();
	}
	a->held = false; /* the pass will tell again */
	a->hops = hops;
	a->lost = lost;
}

static int timeout_ms(const struct agent *a)
{
	unsigned long long next = a->due, now = now_ns();

	if (!next || (a->review && a->review < next))
		next = a->review;
	if (!next)
		return -1;
	return next <= now ? 0 : (int)((next - now) / MS) + 1;
}

/* Has a command asked us to look at everything? */
static void poked(struct agent *a)
{
	__u32 pokes = __atomic_load_n(&a->in.config->pokes, __ATOMIC_ACQUIRE);

	if (pokes == a->pokes)
		return;
	a->pokes = pokes;
	look_at_all(a);
	/* a policy that says never, or a cgroup that is leaving, is not to wait */
	a->leaves = true;
	a->leave_passes = 0;
	schedule(a, MS);
}

static int handle(struct agent *a, int source, int (*extra)(void *arg), void *arg)
{
	switch (source) {
	case SOURCE_EVENTS:
		ring_buffer__consume(a->events);
		poked(a);
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
	look_at_all(a);
	while (!ret && !a->in.config->draining) {
		int n = epoll_wait(a->epoll_fd, ev, ARRAY_SIZE(ev), timeout_ms(a));

		if (n < 0 && errno != EINTR)
			ret = -errno;
		for (int i = 0; i < n && !ret; i++)
			ret = handle(a, ev[i].data.u32, extra, arg);
		if (!ret && a->review && now_ns() >= a->review)
			review(a);
		if (!ret && a->due && now_ns() >= a->due)
			ret = run_pass(a);
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
	util__close(&a->epoll_fd);
	util__close(&a->lock_fd);
	instance_close(&a->in);
	free(a);
}
