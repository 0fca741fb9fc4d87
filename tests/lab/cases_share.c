// SPDX-License-Identifier: GPL-2.0-only
/* cases_share: one socket in several hands, other namespaces, a frozen process. */
#include "lab.h"
#include "../prog/process.h"

#include <sched.h>
#include <sys/stat.h>

static void finish(pid_t pid)
{
	waitpid(pid, NULL, 0);
}

static void forked_reader(struct lab *t)
{
	pid_t pid;

	put(t, t->a, "before ");
	pid = fork_with_us();
	if (!pid) {
		note_recv(t, "child", t->b, 7, 0);
		fflush(t->out);
		_exit(0);
	}
	finish(pid);
	put(t, t->a, "after");
	note_recv(t, "parent", t->b, 100, 0);
	note_alive(t);
}

static void dup_reader(struct lab *t)
{
	int d = dup(t->b);

	put(t, t->a, "hello world");
	note_recv(t, "by the copy", d, 5, 0);
	close(t->b);
	note_recv(t, "by the copy, the first closed", d, 100, 0);
	t->b = d;
	note_alive(t);
}

/* Bytes that wait in the queue go with the descriptor. */
static void scm_rights(struct lab *t)
{
	int sv[2], fd;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		die("socketpair");
	pid = fork_with_us();
	if (!pid) {
		close(t->a);
		close(t->b);
		close(sv[0]);
		fd = take_fd(sv[1]);
		note_recv(t, "taker", fd, 100, 0);
		put(t, fd, "thanks");
		fflush(t->out);
		_exit(0);
	}
	close(sv[1]);
	put(t, t->a, "queued");
	settle();
	pass_fd(sv[0], t->b);
	close(t->b);
	note_recv(t, "answer", t->a, 100, 0);
	note_recv(t, "end", t->a, 100, 0);
	finish(pid);
}

/* A descriptor that lies in a Unix socket's queue for a while, with bytes coming in meanwhile. */
static void scm_in_flight(struct lab *t)
{
	int sv[2], fd;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		die("socketpair");
	pass_fd(sv[0], t->b);
	close(t->b);
	put(t, t->a, "meanwhile");
	settle();
	fd = take_fd(sv[1]);
	note_recv(t, "recv", fd, 100, 0);
	t->b = fd;
	note_alive(t);
}

/* The socket survives exec, and the new program finds the bytes. */
static void exec_keeps(struct lab *t)
{
	char cmd[60];
	int fl = fcntl(t->b, F_GETFD), out[2];
	char b[100];
	ssize_t n;
	pid_t pid;

	put(t, t->a, "for cat\n");
	settle();
	fcntl(t->b, F_SETFD, fl & ~FD_CLOEXEC);
	if (pipe(out))
		die("pipe");
	pid = fork_with_us();
	if (!pid) {
		dup2(out[1], 1);
		snprintf(cmd, sizeof(cmd), "read x <&%d; echo \"$x\"", t->b);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(1);
	}
	close(out[1]);
	n = read(out[0], b, sizeof(b));
	note_data(t, "the new program reads", n > 0 ? n - 1 : n, b);
	finish(pid);
	note_alive(t);
}

struct reader {
	struct lab *t;
	volatile bool *stop;
	size_t got;
};

static void *reads(void *arg)
{
	struct reader *r = arg;
	char b[100];
	ssize_t n;

	while (!*r->stop) {
		n = recv(r->t->b, b, sizeof(b), 0);
		if (n > 0)
			r->got += n;
		else
			wait_for(r->t->b, POLLIN, 20);
	}
	return NULL;
}

/* The readers have some seconds for all of it: beside other work 30 ms are not enough. */
static void await_all(const struct reader *r, int n, size_t total)
{
	for (int ms = 0; ms < 5000; ms += 10) {
		size_t got = 0;

		for (int i = 0; i < n; i++)
			got += __atomic_load_n(&r[i].got, __ATOMIC_RELAXED);
		if (got >= total)
			break;
		msleep(10);
	}
	settle(); /* and for what comes beyond that */
}

static void two_readers(struct lab *t)
{
	volatile bool stop = false;
	struct reader r[2] = {{t, &stop, 0}, {t, &stop, 0}};
	pthread_t th[2];
	int i;

	for (i = 0; i < 2; i++)
		pthread_create(&th[i], NULL, reads, &r[i]);
	for (i = 0; i < 500; i++)
		put(t, t->a, "0123456789");
	await_all(r, 2, 5000);
	stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(th[i], NULL);
	note(t, "together", "%zu", r[0].got + r[1].got);
}

/* One thread reads while another writes the same socket. */
static void second_thread(struct lab *t)
{
	volatile bool stop = false;
	struct reader r = {t, &stop, 0};
	pthread_t th;
	int i;

	pthread_create(&th, NULL, reads, &r);
	for (i = 0; i < 300; i++) {
		put(t, t->a, "0123456789");
		put(t, t->b, "abc");
	}
	await_all(&r, 1, 3000);
	stop = true;
	pthread_join(th, NULL);
	note(t, "b got", "%zu", r.got);
	note_rest(t, "a", t->a);
}

static void setns_moves(struct lab *t)
{
	note(t, "new namespace", "%s", unshare(CLONE_NEWNET) ? err_name(errno) : "ok");
	put(t, t->a, "hello");
	note_recv(t, "recv", t->b, 100, 0);
	note_alive(t);
}

static void stopped(struct lab *t)
{
	int status;
	pid_t pid = fork_with_us();

	if (!pid) {
		close(t->a);
		note_recv(t, "first", t->b, 5, 0);
		fflush(t->out);
		raise(SIGSTOP);
		note_recv(t, "after SIGCONT", t->b, 100, 0);
		fflush(t->out);
		_exit(0);
	}
	put(t, t->a, "first");
	waitpid(pid, &status, WUNTRACED);
	put(t, t->a, "second ");
	put(t, t->a, "third");
	note_poll(t, "sender", t->a, POLLOUT, 100);
	kill(pid, SIGCONT);
	finish(pid);
	note_alive(t);
}

/* The cgroup2 mount, and a new cgroup below that of this process, so that it stays an attached one. */
static bool own_cgroup(char *path, size_t size)
{
	char line[2000], mnt[1000] = "", *p;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		p = strstr(line, " - cgroup2 ");
		if (p && sscanf(line, "%*d %*d %*s / %999s", mnt) == 1)
			break;
	}
	if (f)
		fclose(f);
	f = fopen("/proc/self/cgroup", "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "0::", 3)) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(path, size, "%s%.1000s/lab-%d", mnt, line[4] ? line + 3 : "", getpid());
		}
	if (f)
		fclose(f);
	return mnt[0] && !mkdir(path, 0755);
}

static int write_to(const char *dir, const char *file, const char *text)
{
	char path[4200];
	int fd, r;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	r = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return r;
}

static void freezer(struct lab *t)
{
	char cg[4096], pid_text[20];
	int go[2], i;
	pid_t pid;

	if (!own_cgroup(cg, sizeof(cg)) || pipe(go)) {
		note(t, "freezer", "no cgroup");
		return;
	}
	pid = fork_with_us();
	if (!pid) {
		char b;

		close(t->a);
		if (read(go[0], &b, 1) == 1)
			note_recv(t, "frozen reader", t->b, 100, 0);
		fflush(t->out);
		_exit(0);
	}
	snprintf(pid_text, sizeof(pid_text), "%d", pid);
	note(t, "move", "%d", write_to(cg, "cgroup.procs", pid_text));
	note(t, "freeze", "%d", write_to(cg, "cgroup.freeze", "1"));
	if (write(go[1], "x", 1) != 1)
		die("pipe");
	put(t, t->a, "to the ");
	msleep(50);
	put(t, t->a, "frozen");
	note_poll(t, "sender", t->a, POLLOUT, 100);
	write_to(cg, "cgroup.freeze", "0");
	finish(pid);
	for (i = 0; rmdir(cg) && i < 50; i++)
		msleep(20);
	note_alive(t);
}

/* The sockets stay those of the cgroup that made them; the process may move. */
static void cgroup_move(struct lab *t)
{
	char cg[4096], old[4200];
	int i;

	if (!own_cgroup(cg, sizeof(cg))) {
		note(t, "move", "no cgroup");
		return;
	}
	note(t, "move", "%d", write_to(cg, "cgroup.procs", "0"));
	put(t, t->a, "hello");
	note_recv(t, "recv", t->b, 100, 0);
	note_alive(t);
	snprintf(old, sizeof(old), "%s/..", cg);
	write_to(old, "cgroup.procs", "0");
	for (i = 0; rmdir(cg) && i < 50; i++)
		msleep(20);
}

static void pidfd_copy(struct lab *t)
{
	int p = syscall(SYS_pidfd_open, getpid(), 0), fd;

	fd = syscall(SYS_pidfd_getfd, p, t->b, 0);
	note(t, "pidfd_getfd", "%s", fd < 0 ? err_name(errno) : "ok");
	put(t, t->a, "hello");
	note_recv(t, "recv", fd, 100, 0);
	close(fd);
	note_alive(t);
}

const struct lab_case cases_share[] = {
	{"fork", forked_reader, LAB_JOINS, 0, NULL, NULL},
	{"dup", dup_reader, LAB_JOINS, 0, NULL, NULL},
	{"scm-rights", scm_rights, LAB_JOINS, 0, NULL, NULL},
	{"scm-rights-in-flight", scm_in_flight, LAB_JOINS, 0, NULL, NULL},
	{"pidfd-getfd", pidfd_copy, LAB_JOINS, 0, NULL, NULL},
	{"exec", exec_keeps, LAB_JOINS, 0, NULL, NULL},
	{"two-readers", two_readers, LAB_JOINS, 0, NULL, NULL},
	{"second-thread", second_thread, LAB_JOINS, 0, NULL, NULL},
	{"netns-move", setns_moves, LAB_JOINS, 0, NULL, NULL},
	{"sigstop", stopped, LAB_JOINS, 0, NULL, NULL},
	{"freezer", freezer, LAB_JOINS, 0, NULL, NULL},
	{"cgroup-move", cgroup_move, LAB_JOINS, 0, NULL, NULL},
	{},
};
