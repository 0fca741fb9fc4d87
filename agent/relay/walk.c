// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <bpf/bpf.h>

#include "walk.h"
#include "agent/lib/util.h"

/* The process's only descriptor but the standard ones. */
#define WALK_FD 3

struct answer {
	int err;
	uint64_t cpu;
};

union control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* ---- the process ---- */

/* The iterator of the next order; -1: the worker is gone. */
static int receive_order(void)
{
	char byte;
	struct iovec iov = {&byte, 1};
	union control control;
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c;
	ssize_t n;
	int fd;

	do
		n = recvmsg(WALK_FD, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* What the program writes is discarded. */
static int read_all(int fd)
{
	char buf[4096];
	ssize_t n;

	do
		n = read(fd, buf, sizeof(buf));
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static void obey(void)
{
	for (;;) {
		_cleanup_close_ int fd = receive_order();
		struct answer a = {};
		uint64_t start = cpu_ns();

		if (fd < 0)
			return;
		a.err = read_all(fd);
		a.cpu = cpu_ns() - start;
		if (send(WALK_FD, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
			return;
	}
}

/* Keep nothing that a peer, a pipe's reader or a lock would wait for. */
static void process_main(int fd, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null < 0 || fd == null)
		_exit(1);
	for (int i = 0; i <= 2; i++)
		dup2(null, i);
	if (fd != WALK_FD && dup2(fd, WALK_FD) < 0)
		_exit(1);
	syscall(SYS_close_range, WALK_FD + 1, ~0u, 0u);
	obey();
	_exit(0);
}

/* ---- the worker ---- */

int relay_walk_open(struct relay_walk *w)
{
	pid_t own = getpid();
	int fds[2];

	if (w->fd >= 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	w->pid = fork();
	if (w->pid == 0)
		process_main(fds[1], own);
	close(fds[1]);
	if (w->pid < 0) {
		close(fds[0]);
		return -errno;
	}
	w->fd = fds[0];
	return 0;
}

static int send_order(const struct relay_walk *w, int iter)
{
	struct iovec iov = {"", 1};
	union control control = {};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(iter));
	memcpy(CMSG_DATA(c), &iter, sizeof(iter));
	return sendmsg(w->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -errno;
}

int relay_walk_begin(struct relay_walk *w, int link_fd, enum relay_walk_purpose purpose)
{
	_cleanup_close_ int iter = -1;
	int err;

	if (w->busy)
		return -EBUSY;
	/* the iterator belongs to the network namespace of the thread that makes it */
	iter = bpf_iter_create(link_fd);
	if (iter < 0)
		return -errno;
	err = send_order(w, iter);
	if (err)
		return err;
	w->busy = true;
	w->purpose = purpose;
	return 0;
}

/* 0: not yet. */
static ssize_t receive_answer(const struct relay_walk *w, struct answer *a)
{
	ssize_t n = recv(w->fd, a, sizeof(*a), MSG_DONTWAIT);

	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n == sizeof(*a) ? n : -ECHILD;
}

bool relay_walk_end(struct relay_walk *w, struct relay_walked *out)
{
	struct answer a = {};
	ssize_t n = receive_answer(w, &a);
	bool was = w->busy;

	if (!n)
		return false;
	*out = (struct relay_walked){.purpose = w->purpose, .err = n < 0 ? (int)n : a.err, .cpu = a.cpu};
	w->busy = false;
	if (n < 0)
		relay_walk_close(w);
	return was;
}

int relay_walk_wait(struct relay_walk *w, int ms, struct relay_walked *out)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};
	unsigned long long until = now_ns() + ms * 1000000ull;

	while (!relay_walk_end(w, out)) {
		unsigned long long now = now_ns();

		if (!w->busy || now >= until)
			return w->busy ? -ETIMEDOUT : -ECHILD;
		poll(&p, 1, (int)((until - now) / 1000000 + 1));
	}
	return out->err;
}

void relay_walk_close(struct relay_walk *w)
{
	if (w->fd < 0)
		return;
	kill(w->pid, SIGKILL);
	/* in a pass it may sleep where no signal reaches it: then it stays a zombie until we end */
	waitpid(w->pid, NULL, w->busy ? WNOHANG : 0);
	util__close(&w->fd);
	*w = (struct relay_walk)RELAY_WALK_INIT;
}
