// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe.c: x - a ... b - y: bytes sent at x are to arrive at y, and back, over the kernel path from a
 * to b.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "probe.h"
#include "kern.h"
#include "agent/lib/util.h"
#include "agent/probe/loopback.h"

/* Longest wait for a byte that a working kernel delivers within one scheduling round, ms. */
#define PATIENCE_MS 2000
/* Longest wait for a pass over the namespace: milliseconds, on a saturated machine with many sockets more. */
#define PASS_MS 5000

struct probe {
	int x, a, b, y;
};

static void probe_close(struct probe *p)
{
	util__close(&p->x);
	util__close(&p->a);
	util__close(&p->b);
	util__close(&p->y);
}

/* Read exactly the text, then nothing more. */
static int expect(int fd, const char *text)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	size_t got = 0, n = strlen(text);
	char buf[64] = "";

	while (got < n) {
		ssize_t r;

		if (poll(&pfd, 1, PATIENCE_MS) <= 0)
			return -EOPNOTSUPP;
		r = recv(fd, buf + got, sizeof(buf) - got, MSG_DONTWAIT);
		if (r <= 0)
			return -EOPNOTSUPP;
		got += r;
	}
	return got == n && !memcmp(buf, text, n) ? 0 : -EOPNOTSUPP;
}

static int say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text) ? 0 : -EOPNOTSUPP;
}

/* Out of the map, then user space reads what comes later, and no earlier byte is gone. */
static int leave(struct relay_kern *k, struct relay_walk *walk, const struct probe *p, int slot)
{
	struct relay_ep *ep = relay_kern_ep(k, slot);
	struct relay_walked walked;
	int err;

	ep->leave = 1;
	err = relay_kern_leave_begin(k);
	err = err ?: relay_walk_wait(walk, PASS_MS, &walked);
	if (err)
		return err;
	relay_kern_leave_end(k);
	if (ep->left != ep->enter)
		return -EOPNOTSUPP;
	err = say(p->x, "late");
	err = err ?: expect(p->a, "late");
	if (!err && (ep->seen != ep->redirected || ep->to_user))
		err = -EOPNOTSUPP;
	return err;
}

static int forward(struct relay_kern *k, struct relay_walk *walk, const struct probe *p, int slot)
{
	int err = say(p->x, "early");

	/* before the map: only the kick brings it out */
	err = err ?: relay_kern_enter(k, slot, p->a);
	err = err ?: relay_kern_kick(p->a);
	err = err ?: expect(p->y, "early");
	err = err ?: say(p->x, "one");
	err = err ?: expect(p->y, "one");
	err = err ?: relay_kern_enter(k, slot + 1, p->b);
	err = err ?: say(p->y, "back");
	err = err ?: expect(p->x, "back");
	return err ?: leave(k, walk, p, slot);
}

/* 0, -EOPNOTSUPP when the kernel does not do it, or -ETIMEDOUT when a socket of the namespace is held, or
 * -errno when it could not be tried. */
static int prove(struct relay_kern *k, struct relay_walk *walk)
{
	struct probe p = {-1, -1, -1, -1};
	int err, slot;

	err = loopback_pair(&p.x, &p.a);
	err = err ?: loopback_pair(&p.b, &p.y);
	slot = err ?: relay_kern_add(k, p.a, p.b, NULL);
	if (slot >= 0)
		err = forward(k, walk, &p, slot);
	else
		err = slot;
	probe_close(&p);
	if (slot >= 0)
		relay_kern_release(k, slot);
	return err;
}

static const char *failure(int err)
{
	if (err == -EOPNOTSUPP)
		return "the proof on a loopback connection failed";
	if (err == -ETIMEDOUT)
		return "a call holds a socket of this network namespace";
	return strerror(-err);
}

int relay_probe_open(struct relay_kern **out, unsigned int pairs, struct relay_walk *walk, const char **why)
{
	struct relay_kern *k;
	int err = relay_kern_open(&k, pairs, walk, why);

	if (err)
		return err;
	err = prove(k, walk);
	if (err) {
		*why = failure(err);
		relay_kern_close(k);
		return err;
	}
	*out = k;
	return 0;
}
