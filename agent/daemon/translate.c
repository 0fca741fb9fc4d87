// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <bpf/bpf.h>

#include "translate.h"
#include "agent/instance/instance.h"
#include "agent/instance/netns.h"
#include "agent/lib/conntrack.h"
#include "agent/lib/map.h"
#include "agent/lib/util.h"

#define QUESTIONS_MAX 4096

struct question {
	struct hop_key key;
	struct hop_translation about;
};

struct questions {
	struct question *q;
	size_t n, room;
};

static int note_question(const void *key, const void *value, void *arg)
{
	const struct hop_translation *t = value;
	struct questions *all = arg;
	struct question *q;

	if (t->answer || all->n == QUESTIONS_MAX)
		return 0;
	q = array_grow(all->q, all->n, &all->room, sizeof(*q));
	if (!q)
		return -ENOMEM;
	all->q = q;
	all->q[all->n++] = (struct question){*(const struct hop_key *)key, *t};
	return 0;
}

static int by_netns(const void *a, const void *b)
{
	const struct question *x = a, *y = b;

	return (x->about.netns > y->about.netns) - (x->about.netns < y->about.netns);
}

/* A descriptor that asks that namespace; `own` is the namespace to come back to. */
static int open_there(const struct instance *in, __u32 inum, int own)
{
	_cleanup_close_ int netns = netns_open(in, inum);
	int fd;

	if (netns < 0)
		return netns;
	if (setns(netns, CLONE_NEWNET))
		return -errno;
	fd = conntrack_open();
	if (!setns(own, CLONE_NEWNET))
		return fd;
	if (fd >= 0)
		close(fd);
	return -EIO;
}

/* Whether asking again may help. */
static bool passes(int err)
{
	return err == -ENOMEM || err == -ENOBUFS || err == -EMFILE || err == -ENFILE || err == -EINTR ||
	       err == -EAGAIN || err == -EIO;
}

/* Puts the question back, with its answer. It has no effect if the end has gone, or asked another one. */
static int answer(const struct instance *in, struct question *q, int ret)
{
	if (ret < 0 && passes(ret))
		return ret;
	if (ret < 0)
		msg_debug("connection tracking cannot be asked: error %d", -ret);
	q->about.answer = ret > 0 ? q->about.cookie : HOP_TRANSLATION_NONE;
	bpf_map_update_elem(in->map[MAP_TRANSLATIONS], &q->key, &q->about, BPF_EXIST);
	return 0;
}

static int answer_all(const struct instance *in, struct questions *all, int own)
{
	_cleanup_close_ int fd = -1;
	int err = 0;

	qsort(all->q, all->n, sizeof(*all->q), by_netns);
	for (size_t i = 0; i < all->n; i++) {
		struct question *q = &all->q[i];
		int ret;

		if (!i || q->about.netns != q[-1].about.netns) {
			util__close(&fd);
			fd = open_there(in, q->about.netns, own);
		}
		if (fd == -EIO) /* stranded in a namespace of others */
			return fd;
		ret = answer(in, q, fd < 0 ? fd : conntrack_translates(fd, &q->about.tuple, &q->about.peer));
		if (ret)
			err = ret;
	}
	msg_debug("asked connection tracking about %zu ends", all->n);
	return err;
}

int translate_all(const struct instance *in)
{
	_cleanup_close_ int own = -1;
	struct questions all = {};
	int err = map_each(in->map[MAP_TRANSLATIONS], sizeof(struct hop_key), sizeof(struct hop_translation),
			   note_question, &all);

	if (!err && all.n) {
		own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		err = own < 0 ? -errno : answer_all(in, &all, own);
	}
	free(all.q);
	return err;
}
