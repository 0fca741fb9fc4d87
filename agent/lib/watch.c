// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util.h"
#include "watch.h"

static int arm(int epoll_fd, int op, int fd, unsigned int source)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = source};

	return epoll_ctl(epoll_fd, op, fd, &ev) ? -errno : 0;
}

int watch_open(int epoll_fd, unsigned int source)
{
	_cleanup_close_ int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int err = fd < 0 ? -errno : arm(epoll_fd, EPOLL_CTL_ADD, fd, source);

	return err ?: steal_fd(&fd);
}

int watch_arm(int epoll_fd, int fd, unsigned int source)
{
	return arm(epoll_fd, EPOLL_CTL_MOD, fd, source);
}

int watch_read(int fd, void (*fn)(const struct inotify_event *e, void *arg), void *arg)
{
	char buf[64 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(fd, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(buf + at);

		fn(e, arg);
		at += sizeof(*e) + e->len;
	}
	return n > 0;
}
