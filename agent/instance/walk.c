// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "walk.h"
#include "agent/lib/progress.h"
#include "agent/lib/util.h"

#define MS 1000000ull
/* A child that was silent for this long is checked. A pass over 10 000 sockets takes 30 to 90 ms. */
#define LOOK (100 * MS)
/* So many namespaces may cost that in one walk; then the others have to wait for the next one. */
#define STUCK_MAX 8
/* It gets on if it has used this share of that time, or waits for a CPU; but not for ever. */
#define BUSY_SHARE 10
#define STARVED	   (10000 * MS)

/* What a child reports through its pipe; MSG_RECORD is followed by walk.size bytes. */
enum msg_type { MSG_BEGIN, MSG_RECORD, MSG_DONE, MSG_END };
struct msg {
	__u32 type, inum;
	long long value; /* MSG_DONE: 0 or -errno of the namespace; MSG_END: of the walk */
};

/* ---- the child ---- */

struct child {
	const struct instance *in;
	const struct walk *walk;
	struct netns_list *over; /* visited, or stuck: not again */
	FILE *out;
	__u32 inum;
};

static int say(struct child *c, enum msg_type type, long long value)
{
	struct msg m = {type, c->inum, value};

	return fwrite(&m, sizeof(m), 1, c->out) == 1 ? 0 : -EPIPE;
}

static int say_now(struct child *c, enum msg_type type, long long value)
{
	return say(c, type, value) ?: (fflush(c->out) ? -EPIPE : 0);
}

static int pass_on(const void *record, void *arg)
{
	struct child *c = arg;

	return say(c, MSG_RECORD, 0) ?: (fwrite(record, c->walk->size, 1, c->out) == 1 ? 0 : -EPIPE);
}

static int walk_netns(int fd, __u32 inum, void *arg)
{
	struct child *c = arg;
	int err = fd < 0 ? fd : 0;

	if (netns_listed(c->over, inum))
		return 0;
	c->inum = inum;
	if (netns_list_add(c->over, inum) || say_now(c, MSG_BEGIN, 0))
		return -EPIPE;
	if (!err && setns(fd, CLONE_NEWNET))
		err = -errno;
	if (!err)
		err = instance_iterate(c->in, c->walk->iter, c->walk->mode, c->walk->size, pass_on, c);
	return err == -EPIPE ? err : say_now(c, MSG_DONE, err);
}

/*
 * Close what the parent has open but the `keep` ones: a descriptor that is flock()ed would keep the lock for
 * as long as we sleep, a pipe of our parent's caller would not end.
 */
static void keep_only(const int *keep, unsigned int n)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i <= 2 && null >= 0; i++)
		dup2(null, i);
	for (unsigned int from = 3;;) {
		unsigned int next = ~0u;

		for (unsigned int i = 0; i < n; i++)
			if (keep[i] >= (int)from && (unsigned int)keep[i] < next)
				next = keep[i];
		if (next > from)
			syscall(SYS_close_range, from, next == ~0u ? next : next - 1, 0u);
		if (next == ~0u)
			return;
		from = next + 1;
	}
}

static void child_main(const struct instance *in, const struct walk *walk, struct netns_list *over, int out,
		       pid_t parent)
{
	struct child c = {.in = in, .walk = walk, .over = over};
	int keep[] = {out, in->iter[walk->iter], in->begin, in->map[MAP_CGROUPS]};

	/* no one reads our messages; SIGPIPE has its default action, whatever the parent set */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	if (getppid() != parent)
		_exit(1);
	keep_only(keep, ARRAY_SIZE(keep));
	c.out = fdopen(out, "w");
	if (!c.out)
		_exit(1);
	c.inum = 0;
	say_now(&c, MSG_END, walk->each(walk_netns, &c, walk->arg));
	_exit(0);
}

/* ---- the parent ---- */

struct parent {
	const struct walk *walk;
	pid_t pid;
	int fd;
	__u32 inum; /* where the child is */
	bool ended; /* it has said so */
	int err;
	unsigned long long cpu; /* that it had used when it was last looked at */
	unsigned long long looked, heard;
	struct netns_list *over;
	unsigned int aside; /* children that were left behind in this walk */
	size_t have;
	char buf[64 * 1024];
};

static int start(struct parent *p, const struct instance *in)
{
	pid_t own = getpid();
	int pipefd[2];

	if (pipe2(pipefd, O_CLOEXEC))
		return -errno;
	p->pid = fork();
	if (p->pid == 0) {
		close(pipefd[0]);
		child_main(in, p->walk, p->over, pipefd[1], own);
	}
	close(pipefd[1]);
	if (p->pid < 0) {
		close(pipefd[0]);
		return -errno;
	}
	p->fd = pipefd[0];
	p->inum = 0;
	p->cpu = p->have = 0;
	p->ended = false;
	p->looked = p->heard = now_ns();
	return 0;
}

/* CPU time that the process has used; what it was when it cannot be read: it is gone. */
static unsigned long long cpu_of(const struct parent *p)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(p->pid, &clock) || clock_gettime(clock, &t))
		return p->cpu;
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Does the process run, or wait for a CPU? (proc_pid_stat(5)) */
static bool runs(pid_t pid)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[32], line[128], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f))
		return true; /* we shall hear from it */
	end = strrchr(line, ')');
	return !end || end[1] != ' ' || end[2] == 'R';
}

/* Nothing was heard for a while. A walk that takes long uses CPU time, one that waits for a lock does not. */
static bool gets_on(struct parent *p)
{
	unsigned long long now = now_ns(), cpu = cpu_of(p), before = p->cpu, since = p->looked;

	p->cpu = cpu;
	p->looked = now;
	if ((cpu - before) * BUSY_SHARE >= now - since)
		return true;
	return now - p->heard < STARVED && runs(p->pid);
}

static int take(struct parent *p, const struct msg *m, const void *record)
{
	switch (m->type) {
	case MSG_BEGIN:
		p->inum = m->inum;
		return 0;
	case MSG_RECORD:
		return p->walk->record ? p->walk->record(m->inum, record, p->walk->arg) : 0;
	case MSG_DONE:
		if (netns_list_add(p->over, m->inum))
			return -ENOMEM;
		p->inum = 0;
		p->walk->done(m->inum, m->value, p->walk->arg);
		return 0;
	default:
		p->ended = true;
		p->err = m->value;
		return 0;
	}
}

/* All messages that are complete. */
static int take_all(struct parent *p)
{
	size_t off = 0;
	int ret = 0;

	while (!ret && p->have - off >= sizeof(struct msg)) {
		size_t size = sizeof(struct msg);
		struct msg m;

		memcpy(&m, p->buf + off, sizeof(m));
		if (m.type == MSG_RECORD)
			size += p->walk->size;
		if (p->have - off < size)
			break;
		ret = take(p, &m, p->buf + off + sizeof(m));
		off += size;
	}
	memmove(p->buf, p->buf + off, p->have - off);
	p->have -= off;
	return ret;
}

/* 0: the child has ended. -ETIMEDOUT: it does not get on, or time is up. */
static int follow(struct parent *p, unsigned long long until)
{
	struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
	int ret = 0;

	while (!ret) {
		unsigned long long now = now_ns();
		bool late = until && now >= until;
		int n = poll(&pfd, 1, late ? 0 : (int)(LOOK / MS));

		progress_tick();
		if (n == 0 && (late || !gets_on(p)))
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0)
			continue;
		ssize_t got = read(p->fd, p->buf + p->have, sizeof(p->buf) - p->have);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == 0)
			return p->ended ? p->err : -ECHILD; /* somebody has killed it */
		if (got < 0)
			continue;
		p->have += got;
		p->looked = p->heard = now_ns();
		p->cpu = cpu_of(p);
		ret = take_all(p);
	}
	return ret;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The child is not waited for any longer: it may sleep where no signal reaches it. */
static void set_aside(struct parent *p, struct walks *w)
{
	struct walk_stuck *s = array_grow(w->stuck, w->n, &w->room, sizeof(*s));

	kill(p->pid, SIGKILL);
	if (!s) { /* it stays a zombie until we end */
		close(p->fd);
		return;
	}
	w->stuck = s;
	w->stuck[w->n++] = (struct walk_stuck){.pid = p->pid, .fd = p->fd, .inum = p->inum};
}

/* One child, until it has ended or is set aside. -EAGAIN: another one is to go on behind where it is. */
static int run_child(struct parent *p, const struct instance *in, struct walks *w, unsigned long long until,
		     unsigned long long *cpu)
{
	int err = start(p, in);

	if (err)
		return err;
	err = follow(p, until);
	if (cpu)
		*cpu += cpu_of(p);
	if (p->ended || err == -ECHILD) {
		close(p->fd);
		reap(p->pid);
		return err;
	}
	set_aside(p, w);
	if (err != -ETIMEDOUT || !p->inum)
		return err;
	if (netns_list_add(p->over, p->inum))
		return -ENOMEM;
	p->walk->done(p->inum, -ETIMEDOUT, p->walk->arg);
	return (until && now_ns() >= until) || ++p->aside == STUCK_MAX ? -ETIMEDOUT : -EAGAIN;
}

int walk_run(const struct instance *in, struct walks *w, const struct walk *walk, unsigned long long until,
	     unsigned long long *cpu)
{
	struct netns_list over = {};
	struct parent *p = calloc(1, sizeof(*p));
	int err = p ? 0 : -ENOMEM;

	for (size_t i = 0; i < w->n && !err; i++)
		err = netns_list_add(&over, w->stuck[i].inum);
	if (!err) {
		p->walk = walk;
		p->over = &over;
		do
			err = run_child(p, in, w, until, cpu);
		while (err == -EAGAIN);
	}
	netns_list_free(&over);
	free(p);
	return err;
}

void walks_reap(struct walks *w, void (*back)(__u32 inum, void *arg), void *arg)
{
	size_t keep = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct walk_stuck s = w->stuck[i];

		if (waitpid(s.pid, NULL, WNOHANG) == 0) {
			w->stuck[keep++] = s;
			continue;
		}
		close(s.fd);
		if (back && s.inum)
			back(s.inum, arg);
	}
	w->n = keep;
}

bool walks_stuck_in(const struct walks *w, __u32 inum)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->stuck[i].inum == inum)
			return true;
	return false;
}

void walks_free(struct walks *w)
{
	walks_reap(w, NULL, NULL);
	for (size_t i = 0; i < w->n; i++)
		close(w->stuck[i].fd);
	free(w->stuck);
	*w = (struct walks){};
}
