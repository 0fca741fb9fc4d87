// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "find.h"
#include "agent/config/record.h"
#include "agent/config/scan.h"
#include "agent/instance/attach.h"
#include "agent/lib/util.h"
#include "agent/lib/watch.h"
#include "cgroup/cgroup.h"

static unsigned long long soon(const struct find *f)
{
	unsigned long long now = now_ns();

	return now > f->paused ? now : f->paused;
}

static void forget_watches(struct find *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->watch[i].path);
	f->n = 0;
}

static void forget_waiting(struct find *f)
{
	for (size_t i = 0; i < f->n_waiting; i++)
		free(f->waiting[i]);
	f->n_waiting = 0;
}

int find_open(struct find *f, int epoll_fd, unsigned int source)
{
	f->epoll_fd = epoll_fd;
	f->source = source;
	f->changed = true;
	f->all = f->all || f->watch_err || f->fd < 0;
	f->due = soon(f);
	return cgroup_mount(f->mount, sizeof(f->mount));
}

void find_close(struct find *f)
{
	util__close(&f->fd);
	forget_watches(f);
	forget_waiting(f);
	free(f->watch);
	free(f->waiting);
	config_free(&f->config);
	*f = (struct find){.fd = -1};
}

void find_readable(struct find *f)
{
	f->events = soon(f);
}

void find_poked(struct find *f)
{
	f->changed = true;
	f->due = soon(f);
}

int find_timeout_ms(const struct find *f, unsigned long long now, int ms)
{
	unsigned long long at = f->events && (!f->due || f->events < f->due) ? f->events : f->due;
	int due = at > now ? (int)((at - now) / 1000000) + 1 : 0;

	return at && (ms < 0 || due < ms) ? due : ms;
}

/* ---- which folders are watched ---- */

static int by_wd(const void *a, const void *b)
{
	const struct find_watch *x = a, *y = b;

	return (x->wd > y->wd) - (x->wd < y->wd);
}

static struct find_watch *find_watch(const struct find *f, int wd)
{
	const struct find_watch key = {.wd = wd};

	return f->n ? bsearch(&key, f->watch, f->n, sizeof(key), by_wd) : NULL;
}

static int watch_folder(const char *path, void *arg)
{
	struct find *f = arg;
	int wd = inotify_add_watch(f->fd, path, WATCH_FOLDER);
	struct find_watch *list;
	size_t i;

	/* without a watch what is there now is attached nevertheless; all is looked at again later */
	if (wd < 0 && errno != ENOENT && errno != ENODEV)
		f->watch_err = -errno;
	if (wd < 0)
		return 0;
	if (find_watch(f, wd))
		return 0;
	list = array_grow(f->watch, f->n, &f->room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	f->watch = list;
	for (i = f->n; i > 0 && list[i - 1].wd > wd; i--)
		list[i] = list[i - 1];
	list[i] = (struct find_watch){wd, strdup(path)};
	f->n++;
	return list[i].path ? 0 : -ENOMEM;
}

/* A folder that was removed, with all below it: kernfs does not end their watches. */
static void drop_below(struct find *f, const char *path)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (cgroup_is_below(f->watch[i].path, path)) {
			inotify_rm_watch(f->fd, f->watch[i].wd);
			free(f->watch[i].path);
		} else {
			f->watch[kept++] = f->watch[i];
		}
	}
	f->n = kept;
}

static int add_waiting(const char *path, const struct selector *s, void *arg)
{
	struct find *f = arg;
	char **list;

	(void)s;
	for (size_t i = 0; i < f->n_waiting; i++)
		if (!strcmp(f->waiting[i], path))
			return 0;
	list = array_grow(f->waiting, f->n_waiting, &f->waiting_room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	f->waiting = list;
	list[f->n_waiting] = strdup(path);
	if (!list[f->n_waiting])
		return -ENOMEM;
	f->n_waiting++;
	return 0;
}

static int look_at(struct find *f, const char *path)
{
	struct scan s = {.config = &f->config,
			 .mount = f->mount,
			 .folder = watch_folder,
			 .found = add_waiting,
			 .arg = f};

	return scan_tree(&s, path);
}

/* All watches anew: with the descriptor the old ones end. */
static int look_at_all(struct find *f)
{
	int fd;

	forget_watches(f);
	util__close(&f->fd);
	f->fd = -1;
	f->events = 0;
	f->watch_err = 0;
	if (!f->config.n) {
		f->all = false;
		return 0;
	}
	fd = watch_open(f->epoll_fd, f->source);
	if (fd < 0)
		return fd;
	f->fd = fd;
	f->all = false;
	return look_at(f, f->mount) ?: f->watch_err;
}

/* ---- events ---- */

/* 0, FIND_REMOVED or -errno. */
static int on_event(struct find *f, const struct inotify_event *e)
{
	const struct find_watch *w = find_watch(f, e->wd);
	char path[PATH_MAX];

	if (e->mask & IN_Q_OVERFLOW)
		f->all = true;
	if (!w || !e->len || (size_t)snprintf(path, sizeof(path), "%s/%s", w->path, e->name) >= sizeof(path))
		return 0;
	/* of a folder that went and is there again there may be a watch of the old one */
	drop_below(f, path);
	if (e->mask & IN_DELETE)
		return FIND_REMOVED;
	return e->mask & IN_CREATE ? look_at(f, path) : 0;
}

struct seen {
	struct find *f;
	int ret, err;
};

static void note_event(const struct inotify_event *e, void *arg)
{
	struct seen *s = arg;
	int one = on_event(s->f, e);

	if (one < 0)
		s->err = one;
	else
		s->ret |= one;
}

/* One buffer at a time: the pause bounds what events in a loop cost. */
static int read_events(struct find *f)
{
	struct seen seen = {.f = f};
	int err;

	f->events = 0;
	watch_read(f->fd, note_event, &seen);
	err = watch_arm(f->epoll_fd, f->fd, f->source) ?: seen.err;
	return err ?: seen.ret;
}

/* ---- attaching ---- */

static int attach_one(struct instance *in, const char *path)
{
	int err = instance_attach_found(in, path);

	if (!err)
		msg_info("%s: attached, as configured", path);
	if (err == -EALREADY || err == -ENOENT || err == -ENODEV)
		return 0;
	return err ?: FIND_ATTACHED;
}

static int attach_waiting(struct find *f, struct instance *in)
{
	int ret = 0, err = 0;

	if (!f->n_waiting)
		return 0;
	if (flock(in->lock_fd, LOCK_EX | LOCK_NB)) {
		f->due = now_ns() + FIND_LOCKED;
		return errno == EWOULDBLOCK ? 0 : -errno;
	}
	for (size_t i = 0; i < f->n_waiting && !in->config->draining; i++) {
		int one = attach_one(in, f->waiting[i]);

		if (one < 0)
			err = one;
		else
			ret |= one;
	}
	flock(in->lock_fd, LOCK_UN);
	forget_waiting(f);
	return err ?: ret;
}

static int read_record(struct find *f, struct instance *in)
{
	struct config c = {};
	struct stat st = {};
	int err;

	f->changed = false;
	if (record_same(in->name, &f->record))
		return 0;
	err = record_read(in->name, NULL, &c, &st);
	if (err && err != -ENOENT)
		return err;
	config_free(&f->config);
	forget_waiting(f);
	f->config = c;
	f->record = st; /* zeroed where there is none */
	f->all = true;
	return 0;
}

static bool is_due(unsigned long long at)
{
	return at && now_ns() >= at;
}

int find_look(struct find *f, struct instance *in)
{
	unsigned long long start = cpu_ns(), cost, limit = FIND_PAUSE;
	int ret = 0, removed = 0, err = 0;

	if (!is_due(f->events) && !is_due(f->due))
		return 0;
	f->due = 0;
	if (f->changed)
		err = read_record(f, in);
	if (is_due(f->events) && f->fd >= 0 && !f->all)
		removed = read_events(f);
	if (f->all) {
		limit = FIND_PAUSE_ALL;
		ret = look_at_all(f);
		removed = removed ?: FIND_REMOVED;
	}
	err = err ?: ret < 0 ? ret : removed < 0 ? removed : 0;
	ret = attach_waiting(f, in);
	cost = FIND_SHARE * (cpu_ns() - start);
	f->paused = now_ns() + (cost < limit ? cost : limit);
	if (ret < 0)
		return ret;
	return err ?: ret | removed;
}
