// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <bpf/bpf.h>

#include "follow.h"
#include "agent/instance/attach.h"
#include "agent/lib/util.h"
#include "agent/lib/watch.h"
#include "cgroup/cgroup.h"

/* Now, unless there is a pause. */
static unsigned long long soon(const struct follow *f)
{
	unsigned long long now = now_ns();

	return now > f->paused ? now : f->paused;
}

void follow_soon(struct follow *f)
{
	f->due = soon(f);
	f->rest = FOLLOW_REST;
}

void follow_readable(struct follow *f)
{
	f->events = soon(f);
}

int follow_open(struct follow *f, int epoll_fd, unsigned int source)
{
	int fd;

	follow_soon(f);
	if (f->fd >= 0)
		return 0;
	fd = watch_open(epoll_fd, source);
	if (fd < 0)
		return fd;
	f->fd = fd;
	f->epoll_fd = epoll_fd;
	f->source = source;
	return 0;
}

void follow_close(struct follow *f)
{
	util__close(&f->fd);
	free(f->entry);
	free(f->watch);
	free(f->keep);
	*f = (struct follow){.fd = -1};
}

bool follow_names(const char *path, const char *name)
{
	size_t len = strlen(name);

	while (*path) {
		path += strspn(path, "/");
		if (len && !strncmp(path, name, len) && (!path[len] || path[len] == '/'))
			return true;
		path += strcspn(path, "/");
	}
	return false;
}

static bool is_followed(const struct hop_cgroup *cg)
{
	return !(cg->flags & (HOP_CG_LEAVING | HOP_CG_OWNED | HOP_CG_SELECTED));
}

/* `sockhop run` made it and sees to its end itself. */
static bool is_run(const struct hop_cgroup *cg)
{
	return (cg->flags & (HOP_CG_LEAVING | HOP_CG_OWNED)) == HOP_CG_OWNED;
}

static bool concerns(const struct follow *f, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW)
		return true;
	for (size_t i = 0; i < f->n && e->len; i++)
		if (is_followed(&f->entry[i].cg) && follow_names(f->entry[i].cg.path, e->name))
			return true;
	return false;
}

struct seen {
	const struct follow *f;
	bool concerns; /* one of them */
};

static void note_event(const struct inotify_event *e, void *arg)
{
	struct seen *s = arg;

	s->concerns = s->concerns || concerns(s->f, e);
}

/* All that came meanwhile; a look is due if one of them concerns us. 0 or -errno. */
static int read_events(struct follow *f)
{
	struct seen seen = {.f = f};

	f->events = 0;
	while (watch_read(f->fd, note_event, &seen))
		;
	if (seen.concerns)
		follow_soon(f);
	return watch_arm(f->epoll_fd, f->fd, f->source);
}

static int add_number(int **list, size_t *n, size_t *room, int number)
{
	int *p;

	for (size_t i = 0; i < *n; i++)
		if ((*list)[i] == number)
			return 0;
	p = array_grow(*list, *n, room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	*list = p;
	p[(*n)++] = number;
	return 0;
}

static int watch_folder(struct follow *f, const char *path)
{
	int wd = inotify_add_watch(f->fd, path, WATCH_FOLDER), err;

	if (wd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = add_number(&f->watch, &f->n_watch, &f->watch_room, wd);
	return err ?: add_number(&f->keep, &f->n_keep, &f->keep_room, wd);
}

/*
 * From the top down: each folder is watched before the next is looked for, so none can appear unseen. What is
 * above the mount is no cgroup, and is not watched.
 */
static int watch_above(struct follow *f, const char *path)
{
	char above[sizeof(f->entry->cg.path)];
	int err = 0;
	__u64 id;

	for (const char *end = strchr(path + 1, '/'); end && !err; end = strchr(end + 1, '/')) {
		snprintf(above, sizeof(above), "%.*s", (int)(end - path), path);
		err = cgroup_id(above, &id);
		if (!err)
			err = watch_folder(f, above);
		else if (err == -EINVAL)
			err = 0;
	}
	return err == -ENOENT ? 0 : err;
}

/* Watches of folders that are gone, or that nobody needs any more. */
static void drop_watches(struct follow *f)
{
	int *old = f->watch;
	size_t n = f->n_watch, room = f->watch_room;

	f->watch = f->keep;
	f->n_watch = f->n_keep;
	f->watch_room = f->keep_room;
	for (size_t i = 0; i < n; i++) {
		bool of_use = false;

		for (size_t j = 0; j < f->n_watch && !of_use; j++)
			of_use = f->watch[j] == old[i];
		if (!of_use)
			inotify_rm_watch(f->fd, old[i]);
	}
	f->keep = old;
	f->n_keep = 0;
	f->keep_room = room;
}

static int add_entry(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	struct follow *f = arg;
	struct followed *p = array_grow(f->entry, f->n, &f->room, sizeof(*p));

	if (!p)
		return -ENOMEM;
	f->entry = p;
	f->entry[f->n++] = (struct followed){id, *cg};
	return 0;
}

static int watch_all(struct follow *f, const struct instance *in)
{
	int err, first;

	f->n = 0;
	first = instance_each_cgroup(in, add_entry, f);
	for (size_t i = 0; i < f->n; i++) {
		if (!is_followed(&f->entry[i].cg))
			continue;
		err = watch_above(f, f->entry[i].cg.path);
		first = first ?: err;
	}
	drop_watches(f);
	return first;
}

/* 1: it was attached. A cgroup that has gone again meanwhile is waited for. */
static int attach_again(struct instance *in, const struct followed *e)
{
	int err = instance_attach_again(in, e->cg.path);

	if (err == -ENOENT || err == -ENODEV)
		return 0;
	if (!err)
		msg_info("%s is back: attached", e->cg.path);
	return err ?: 1;
}

/* Under the lock of the instance: its entry may have gone since, by a command. */
static int see_to(struct instance *in, struct followed *e, bool *rest)
{
	enum cgroup_state state;
	__u64 now;
	int err, attached = 0;

	if (bpf_map_lookup_elem(in->map[MAP_CGROUPS], &e->id, &e->cg))
		return 0;
	state = instance_cgroup_state(e->id, &e->cg);
	if (state == CGROUP_WAITING && !cgroup_id(e->cg.path, &now)) {
		attached = attach_again(in, e);
		if (attached > 0) /* and this entry was retired */
			state = CGROUP_GONE;
	}
	if (attached < 0 || state < CGROUP_WAITING || (state == CGROUP_GONE && is_run(&e->cg)))
		return attached;
	err = instance_tidy(in, e->id, state);
	*rest |= err == -EBUSY;
	return err < 0 && err != -EBUSY ? err : attached;
}

static bool needs_us(const struct followed *e)
{
	return instance_cgroup_state(e->id, &e->cg) >= CGROUP_WAITING && !is_run(&e->cg);
}

static int see_to_all(struct follow *f, struct instance *in)
{
	bool rest = false;
	int ret = 0, err = 0;

	if (flock(in->lock_fd, LOCK_EX | LOCK_NB)) {
		f->due = now_ns() + FOLLOW_LOCKED;
		return errno == EWOULDBLOCK ? 0 : -errno;
	}
	for (size_t i = 0; i < f->n && !in->config->draining; i++) {
		int one = see_to(in, &f->entry[i], &rest);

		if (one < 0)
			err = one;
		else
			ret |= one;
	}
	flock(in->lock_fd, LOCK_UN);
	if (rest) {
		f->due = now_ns() + f->rest;
		f->rest = f->rest < FOLLOW_REST_MAX / 2 ? 2 * f->rest : FOLLOW_REST_MAX;
	}
	return err ?: ret;
}

int follow_timeout_ms(const struct follow *f, unsigned long long now, int ms)
{
	unsigned long long at = f->events && (!f->due || f->events < f->due) ? f->events : f->due;
	int due = at > now ? (int)((at - now) / 1000000) + 1 : 0;

	return at && (ms < 0 || due < ms) ? due : ms;
}

static int look(struct follow *f, struct instance *in)
{
	bool any = false;
	int err, ret;

	f->due = 0;
	err = watch_all(f, in);
	for (size_t i = 0; i < f->n && !any; i++)
		any = needs_us(&f->entry[i]);
	ret = any ? see_to_all(f, in) : 0;
	return err ?: ret;
}

static bool is_due(unsigned long long at)
{
	return at && now_ns() >= at;
}

int follow_look(struct follow *f, struct instance *in)
{
	unsigned long long start = cpu_ns(), cost;
	int err = 0, ret = 0;

	if (!is_due(f->events) && !is_due(f->due))
		return 0;
	if (is_due(f->events))
		err = read_events(f);
	if (is_due(f->due))
		ret = look(f, in);
	cost = FOLLOW_SHARE * (cpu_ns() - start);
	f->paused = now_ns() + (cost < FOLLOW_PAUSE ? cost : FOLLOW_PAUSE);
	return err ?: ret;
}
