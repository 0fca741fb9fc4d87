// SPDX-License-Identifier: GPL-2.0-only
/*
 * pump.c: user space carries the bytes of a direction: read and write, or splice(2) through a pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "pump.h"
#include "choice.h"
#include "direction.h"
#include "agent/lib/util.h"

/*
 * A pipe of this size takes what a socket usually has ready; the default limit for the unprivileged is 1 MB.
 */
#define PIPE_SIZE (1 << 20)

static bool would_block(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

static int hold(struct relay_dir *d, const char *buf, size_t n)
{
	d->held = malloc(n);
	if (!d->held)
		return -ENOMEM;
	memcpy(d->held, buf, n);
	d->held_at = 0;
	d->held_len = n;
	return 0;
}

/* Bytes sent, 0 when the sink is full (d->blocked), or -errno. */
static ssize_t send_some(struct relay_dir *d, const char *buf, size_t n)
{
	ssize_t r = send(relay_sink(d)->fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (r < 0 && !would_block(errno))
		return -errno;
	if (r < 0)
		r = 0;
	d->blocked = (size_t)r < n;
	d->user_sent += r;
	d->copied += r;
	return r;
}

int relay_send(struct relay_dir *d, const char *buf, size_t n)
{
	ssize_t r = send_some(d, buf, n);

	if (r < 0)
		return r;
	return (size_t)r < n ? hold(d, buf + r, n - r) : 0;
}

int relay_send_held(struct relay_dir *d)
{
	ssize_t r;

	if (!d->held_len)
		return 0;
	r = send_some(d, d->held + d->held_at, d->held_len);
	if (r < 0)
		return r;
	d->held_at += r;
	d->held_len -= r;
	if (!d->held_len) {
		free(d->held);
		d->held = NULL;
	}
	return 0;
}

static void pipe_close(struct relay_dir *d)
{
	for (int i = 0; i < 2; i++) {
		util__close(&d->pipe[i]);
		d->pipe[i] = -1;
	}
}

void relay_dir_free(struct relay_dir *d)
{
	free(d->held);
	d->held = NULL;
	pipe_close(d);
}

/* True when the direction can splice now; without a pipe it goes on by read and write. */
static bool pipe_open(struct relay_dir *d)
{
	if (d->pipe[0] >= 0)
		return true;
	if (pipe2(d->pipe, O_NONBLOCK | O_CLOEXEC)) {
		d->pipe[0] = d->pipe[1] = -1;
		return false;
	}
	/* refused beyond the user's share of pipe pages: then the default size has to do */
	(void)fcntl(d->pipe[1], F_SETPIPE_SZ, PIPE_SIZE);
	return true;
}

/* n is what a read of the source returned. Bytes read, 0 when there is nothing more to do now, or -errno. */
static ssize_t note_source(struct relay_dir *d, ssize_t n)
{
	if (n < 0)
		return would_block(errno) ? 0 : -errno;
	if (!n) {
		d->eof = true;
		return 0;
	}
	d->plain_read += n;
	relay_note_read(d, n);
	return n;
}

/* One read and write. Bytes moved, 0 when there is nothing more to do now, or -errno. */
static ssize_t copy_once(struct relay_dir *d)
{
	struct relay_worker *w = d->pair->worker;
	ssize_t n = note_source(d, recv(relay_source(d)->fd, w->scratch, RELAY_SCRATCH, MSG_DONTWAIT));
	int err;

	if (n <= 0)
		return n;
	err = relay_send(d, w->scratch, n);
	if (err)
		return err;
	if (relay_wants_splice(d, n) && relay_dir_empty(d) && pipe_open(d))
		d->mode = DIR_SPLICE;
	return n;
}

static int pipe_drain(struct relay_dir *d)
{
	while (d->piped) {
		ssize_t n = splice(d->pipe[0], NULL, relay_sink(d)->fd, NULL, d->piped,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n < 0 && !would_block(errno))
			return -errno;
		d->blocked = n <= 0;
		if (n <= 0)
			return 0;
		d->piped -= n;
		d->user_sent += n;
		d->spliced += n;
	}
	d->blocked = false;
	return 0;
}

/* The pipe is only filled when it is empty, so EAGAIN means that the source is. */
static ssize_t splice_once(struct relay_dir *d)
{
	ssize_t n = note_source(d, splice(relay_source(d)->fd, NULL, d->pipe[1], NULL, PIPE_SIZE,
					  SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
	int err;

	if (n <= 0)
		return n;
	d->piped += n;
	err = pipe_drain(d);
	if (err)
		return err;
	if (!relay_wants_splice(d, n) && relay_dir_empty(d)) {
		pipe_close(d);
		d->mode = DIR_COPY;
	}
	return n;
}

int relay_pump(struct relay_dir *d)
{
	size_t moved = 0;
	int err = relay_send_held(d);

	if (!err)
		err = pipe_drain(d);
	while (!err && relay_dir_empty(d) && !d->eof) {
		ssize_t n = d->mode == DIR_SPLICE ? splice_once(d) : copy_once(d);

		if (n <= 0)
			return n;
		moved += n;
		/* a short read: most likely it was all; epoll tells if not */
		if ((size_t)n < RELAY_SCRATCH)
			return 0;
		if (moved >= RELAY_QUOTA)
			return 0;
	}
	return err;
}
