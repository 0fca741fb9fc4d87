// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "process.h"
#include "guard_list.h"
#include "scanner.h"
#include "agent/lib/util.h"

/* Of one process. More than any program maps; half of what the cache holds, so that one cannot empty it. */
#define MAPPED_MAX 2048

/* An executable mapping of a process, as a line of /proc/PID/maps has it. */
struct mapping {
	unsigned long start, end;
	unsigned long long ino;
	unsigned int major, minor;
	const char *path;
};

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

	if (!out->rest && !strong)
		out->rest = why;
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

/* CPU time of its scanner so far in ns; 0 when it is gone. */
static unsigned long long scanner_cpu_ns(const struct examiner *x)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(x->scanner_pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* What open() of a file and reading it say; both may take as long as a file system likes. */
static int scan_file(struct examiner *x, int path_fd, uid_t owner, struct veto *out)
{
	unsigned long long cpu = scanner_cpu_ns(x), start = now_ns(), after;
	_cleanup_close_ int fd = -1;
	char name[32];
	int r;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = scanner_scan(x->scanner, fd, out);
	after = scanner_cpu_ns(x);
	file_cache_charge(x->files, owner, after > cpu ? after - cpu : now_ns() - start);
	return r;
}

/* The verdict on a file. 0; -EAGAIN: not now; else -errno: it cannot be opened. */
static int examine(struct examiner *x, int path_fd, const struct statx *st, struct veto *out)
{
	struct file_id id = {.dev = makedev(st->stx_dev_major, st->stx_dev_minor),
			     .ino = st->stx_ino,
			     .size = st->stx_size,
			     .mtime = {st->stx_mtime.tv_sec, st->stx_mtime.tv_nsec},
			     .ctime = {st->stx_ctime.tv_sec, st->stx_ctime.tv_nsec}};
	int r;

	if (file_cache_get(x->files, &id, out))
		return 0;
	if (x->scanner < 0 || !file_cache_may_scan(x->files, st->stx_uid))
		return -EAGAIN;
	x->at->id = id;
	__atomic_store_n(&x->at->busy, true, __ATOMIC_RELEASE);
	r = scan_file(x, path_fd, st->stx_uid, out);
	__atomic_store_n(&x->at->busy, false, __ATOMIC_RELEASE);
	if (r == -EPIPE || r == -ECHILD) { /* it has ended before, or over this one */
		close(x->scanner);
		x->scanner = -1;
	}
	if (r && r != -ECHILD)
		return r == -EPIPE ? -EAGAIN : r;
	file_cache_put(x->files, &id, out);
	return 0;
}

/* path_fd: an O_PATH descriptor of it */
static void take_object(struct examiner *x, int path_fd, const char *path, struct veto_result *out)
{
	struct statx st;
	struct veto v;
	int r;

	/* as it is known here: a file system that must ask its server may take long */
	if (statx(path_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) ||
	    !S_ISREG(st.stx_mode)) {
		if (!is_anonymous(path))
			conclude(out, HOP_WHY_UNKNOWN, "%s is mapped and not a regular file", path);
		return;
	}
	r = examine(x, path_fd, &st, &v);
	if (r == -EAGAIN)
		x->pending = true;
	else if (r && !is_anonymous(path))
		conclude(out, HOP_WHY_UNKNOWN, "%s cannot be opened: %s", path, strerror(-r));
	if (r || (!v.elf && is_anonymous(path)))
		return;
	out->uses_ioctl |= v.uses_ioctl;
	out->uses_fionread |= v.uses_ioctl && v.names_fionread && !asks_fionread_elsewhere(path);
	if (v.why)
		conclude(out, v.why, "%s %s", path, v.what);
	if (!out->rest)
		out->rest = v.rest;
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
	struct statx st;
	int fd;

	snprintf(name, sizeof(name), "map_files/%lx-%lx", m->start, m->end);
	fd = openat(proc, name, O_PATH | O_CLOEXEC);
	/* ENOENT: unmapped meanwhile, or moved; the path may tell */
	if (fd >= 0 || (errno != EPERM && errno != EACCES && errno != ENOENT))
		return fd >= 0 ? fd : -errno;
	snprintf(name, sizeof(name), "root/%s", m->path);
	fd = openat(proc, name, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) && st.stx_ino == m->ino)
		return fd;
	close(fd);
	return -ESTALE;
}

static void take_mapping(struct examiner *x, int proc, const struct mapping *m, struct veto_result *out)
{
	_cleanup_close_ int fd = open_mapping(proc, m);

	if (fd >= 0)
		take_object(x, fd, m->path, out);
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

static int take_mappings(struct examiner *x, int proc, struct veto_result *out)
{
	_cleanup_fclose_ FILE *maps = open_maps(proc);
	_cleanup_free_ char *line = NULL;
	struct mapping m, last = {};
	unsigned int mapped = 0;
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
		if (++mapped > MAPPED_MAX) {
			conclude(out, HOP_WHY_UNKNOWN, "%s maps more than %d files", out->exe, MAPPED_MAX);
			break;
		}
		take_mapping(x, proc, &m, out);
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

static int take_process(struct examiner *x, int proc, struct veto_result *out)
{
	_cleanup_close_ int exe = -1;
	int r = read_names(proc, out);

	if (r)
		return r;
	exe = openat(proc, "exe", O_PATH | O_CLOEXEC);
	if (exe < 0)
		return -errno;
	/* before its mappings: where both have the same reason, the executable is the one to name */
	take_object(x, exe, out->exe, out);
	return take_mappings(x, proc, out);
}

static int open_process(pid_t pid, struct veto_result *out)
{
	char path[32];

	out->why = out->rest = HOP_WHY_NONE;
	out->uses_ioctl = out->uses_fionread = false;
	out->comm[0] = out->exe[0] = out->reason[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d", pid);
	/* held open, so that the files below belong to this process even if its number is given away */
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int veto_unexamined(pid_t pid, int err, struct veto_result *out)
{
	_cleanup_close_ int proc = open_process(pid, out);

	if (proc < 0 || read_names(proc, out) == -ESRCH)
		return -ESRCH;
	conclude(out, HOP_WHY_UNKNOWN, "process %d (%s) cannot be examined: %s", pid, out->comm,
		 strerror(err));
	return 0;
}

int veto_examine(struct examiner *x, pid_t pid, struct veto_result *out)
{
	_cleanup_close_ int proc = open_process(pid, out);
	int r;

	x->pending = false;
	r = proc < 0 ? -errno : take_process(x, proc, out);
	/* without an address space (zombie, exiting) there is no exe, and the descriptors go next */
	if (r == -ENOENT || r == -ESRCH)
		return -ESRCH;
	if (r)
		conclude(out, HOP_WHY_UNKNOWN, "process %d (%s) cannot be examined: %s", pid, out->comm,
			 strerror(-r));
	/* what was not looked at can only say the same more strongly */
	return x->pending && (!out->why || veto_can_be_guarded(out)) ? -EAGAIN : 0;
}

/* Is it known not to go on by read(2) when the first splice(2) of a copy is refused? By its file's name. */
static bool refusal_breaks(const char *exe)
{
	const char *slash = strrchr(exe, '/'), *name = slash ? slash + 1 : exe;

#define X(program, source)          \
	if (!strcmp(name, program)) \
		return true;
	GUARD_LIST(X)
#undef X
	return false;
}

bool veto_can_be_guarded(const struct veto_result *veto)
{
	return (veto->why == HOP_WHY_SPLICE || veto->why == HOP_WHY_GO) && !veto->rest &&
	       !refusal_breaks(veto->exe);
}
