// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"
#include "veto.h"

/* Set-associative: a file has its place in one set, where it pushes out the one that was used least recently.
 */
#define CACHE_SETS 1024u
#define CACHE_WAYS 4u

/* A file as it was when it was examined. */
struct file_id {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct entry {
	struct file_id id;
	struct veto veto;
	unsigned long used; /* 0: empty */
};

struct veto_cache {
	unsigned long clock;
	unsigned long long scan_ns;
	struct entry entry[CACHE_SETS][CACHE_WAYS];
};

/* An executable mapping of a process, as a line of /proc/PID/maps has it. */
struct mapping {
	unsigned long start, end;
	unsigned long long ino;
	unsigned int major, minor;
	const char *path;
};

struct veto_cache *veto_cache_new(void)
{
	return calloc(1, sizeof(struct veto_cache));
}

void veto_cache_free(struct veto_cache *cache)
{
	free(cache);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct file_id *a, const struct file_id *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->size == b->size &&
	       same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

/* The entry of the file, or the one that it takes over, which then is empty. */
static struct entry *cache_find(struct veto_cache *cache, const struct file_id *id)
{
	struct entry *set = cache->entry[(id->ino ^ id->dev * 31) % CACHE_SETS], *oldest = set;

	for (struct entry *e = set; e < set + CACHE_WAYS; e++) {
		if (e->used && same_file(&e->id, id))
			return e;
		if (e->used < oldest->used)
			oldest = e;
	}
	oldest->used = 0;
	return oldest;
}

static const struct veto *examine(struct veto_cache *cache, int fd, const struct stat *st)
{
	struct file_id id = {st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
	struct entry *e = cache_find(cache, &id);

	if (!e->used) {
		unsigned long long start = cpu_ns();

		elfscan(fd, &e->veto);
		e->id = id;
		cache->scan_ns += cpu_ns() - start;
	}
	e->used = ++cache->clock;
	return &e->veto;
}

unsigned long long veto_cache_scan_ns(const struct veto_cache *cache)
{
	return cache->scan_ns;
}

int veto_file(const char *path, struct veto *out)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
		elfscan(fd, out);
		return 0;
	}
	memset(out, 0, sizeof(*out));
	out->why = HOP_WHY_UNKNOWN;
	if (fd < 0)
		snprintf(out->what, sizeof(out->what), "cannot be read: %s", strerror(errno));
	else
		snprintf(out->what, sizeof(out->what), "is not a regular file");
	return 0;
}

/* Take a finding into the result: splice and Go outweigh the rest, and the first of equals stays. */
static void __attribute__((format(printf, 3, 4)))
conclude(struct veto_result *out, __u32 why, const char *fmt, ...)
{
	bool strong = why == HOP_WHY_SPLICE || why == HOP_WHY_GO;
	va_list ap;

	if (out->why == HOP_WHY_SPLICE || out->why == HOP_WHY_GO || (out->why && !strong))
		return;
	out->why = why;
	va_start(ap, fmt);
	vsnprintf(out->reason, sizeof(out->reason), fmt, ap);
	va_end(ap);
}

/*
 * Memory that has no name in the file system, as JIT compilers map it: what they write there is no more to be
 * seen than in anonymous memory. (It may be a library all the same, so it is looked at.)
 */
static bool is_anonymous(const char *path)
{
	return !strncmp(path, "/memfd:", 7) || !strncmp(path, "/dev/zero", 9) || !strncmp(path, "/SYSV", 5) ||
	       !strncmp(path, "anon_inode:", 11);
}

/*
 * Libraries that ask FIONREAD of other descriptors than TCP sockets, and that very many programs have:
 * libsystemd of inotify, terminals and datagram sockets (next_datagram_size_fd()), libstdc++ of files
 * (showmanyc() of basic_filebuf), libreadline of its terminal.
 */
static bool asks_fionread_elsewhere(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && (!strncmp(name, "/libsystemd.so.", 15) || !strncmp(name, "/libstdc++.so.", 14) ||
			!strncmp(name, "/libreadline.so.", 16));
}

static void take_object(struct veto_cache *cache, int fd, const char *path, struct veto_result *out)
{
	const struct veto *v;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		if (!is_anonymous(path))
			conclude(out, HOP_WHY_UNKNOWN, "%s is mapped and not a regular file", path);
		return;
	}
	v = examine(cache, fd, &st);
	if (!v->elf && is_anonymous(path))
		return;
	out->uses_ioctl |= v->uses_ioctl;
	out->uses_fionread |= v->uses_ioctl && v->names_fionread && !asks_fionread_elsewhere(path);
	if (v->why)
		conclude(out, v->why, "%s %s", path, v->what);
}

static bool parse_mapping(char *line, struct mapping *m)
{
	char perms[5];
	int path = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%lx-%lx %4s %*x %x:%x %llu %n", &m->start, &m->end, perms, &m->major, &m->minor,
		   &m->ino, &path) < 6)
		return false;
	m->path = line + path;
	return perms[2] == 'x' && m->ino;
}

/* The mapped file itself where we may, else what lies at its path now if that is the same file. */
static int open_mapping(int proc, const struct mapping *m)
{
	char name[PATH_MAX + 16];
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "map_files/%lx-%lx", m->start, m->end);
	fd = openat(proc, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	/* ENOENT: unmapped meanwhile, or moved; the path may tell */
	if (fd >= 0 || (errno != EPERM && errno != EACCES && errno != ENOENT))
		return fd >= 0 ? fd : -errno;
	snprintf(name, sizeof(name), "root/%s", m->path);
	fd = openat(proc, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && st.st_ino == m->ino)
		return fd;
	close(fd);
	return -ESTALE;
}

static void take_mapping(struct veto_cache *cache, int proc, const struct mapping *m, struct veto_result *out)
{
	_cleanup_close_ int fd = open_mapping(proc, m);

	if (fd >= 0)
		take_object(cache, fd, m->path, out);
	else if (!is_anonymous(m->path))
		conclude(out, HOP_WHY_UNKNOWN, "%s cannot be opened: %s", m->path, strerror(-fd));
}

static FILE *open_maps(int proc)
{
	int fd = openat(proc, "maps", O_RDONLY | O_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (fd >= 0 && !f)
		close(fd);
	return f;
}

static int take_mappings(struct veto_cache *cache, int proc, struct veto_result *out)
{
	_cleanup_fclose_ FILE *maps = open_maps(proc);
	_cleanup_free_ char *line = NULL;
	struct mapping m, last = {};
	size_t room = 0;

	if (!maps)
		return -errno;
	errno = 0;
	while (getline(&line, &room, maps) > 0) {
		if (!parse_mapping(line, &m))
			continue;
		/* an object is often mapped in several pieces, one after the other */
		if (m.ino == last.ino && m.major == last.major && m.minor == last.minor)
			continue;
		take_mapping(cache, proc, &m, out);
		last = m;
		errno = 0;
	}
	return ferror(maps) ? -errno : 0;
}

static int read_names(int proc, struct veto_result *out)
{
	_cleanup_close_ int fd = openat(proc, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out->comm, sizeof(out->comm) - 1) : -1;

	if (n < 0)
		return -ESRCH;
	out->comm[n] = '\0';
	out->comm[strcspn(out->comm, "\n")] = '\0';
	n = readlinkat(proc, "exe", out->exe, sizeof(out->exe) - 1);
	if (n < 0)
		return -errno;
	out->exe[n] = '\0';
	return 0;
}

static int take_process(struct veto_cache *cache, int proc, struct veto_result *out)
{
	_cleanup_close_ int exe = -1;
	int r = read_names(proc, out);

	if (r)
		return r;
	exe = openat(proc, "exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (exe < 0)
		return -errno;
	/* before its mappings: where both have the same reason, the executable is the one to name */
	take_object(cache, exe, out->exe, out);
	return take_mappings(cache, proc, out);
}

int veto_process(struct veto_cache *cache, pid_t pid, struct veto_result *out)
{
	_cleanup_close_ int proc = -1;
	char path[32];
	int r;

	out->why = HOP_WHY_NONE;
	out->uses_ioctl = out->uses_fionread = false;
	out->comm[0] = out->exe[0] = out->reason[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d", pid);
	/* held open, so that the files below belong to this process even if its number is given away */
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = proc < 0 ? -errno : take_process(cache, proc, out);
	/* without an address space (zombie, exiting) there is no exe, and the descriptors go next */
	if (r == -ENOENT || r == -ESRCH)
		return -ESRCH;
	if (r)
		conclude(out, HOP_WHY_UNKNOWN, "process %d (%s) cannot be examined: %s", pid, out->comm,
			 strerror(-r));
	return 0;
}
