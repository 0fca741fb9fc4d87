// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <bpf/bpf.h>

#include "instance.h"
#include "pass.h"
#include "show.h"
#include "util.h"

static bool netns_listed(const struct netns_list *l, __u32 inum)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->inum[i] == inum)
			return true;
	return false;
}

int netns_list_add(struct netns_list *l, __u32 inum)
{
	__u32 *p;

	if (netns_listed(l, inum))
		return 0;
	p = array_grow(l->inum, l->n, &l->room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	l->inum = p;
	l->inum[l->n++] = inum;
	return 0;
}

int netns_list_open(struct netns_list *l, pid_t pid)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (netns_listed(l, st.st_ino))
		return -EEXIST;
	return netns_list_add(l, st.st_ino) ?: steal_fd(&fd);
}

void netns_list_clear(struct netns_list *l)
{
	l->n = 0;
}

void netns_list_free(struct netns_list *l)
{
	free(l->inum);
	*l = (struct netns_list){};
}

/* Walk `ends` in batches; falls back to nothing on kernels without them, which are older than we support. */
int netns_list_all(struct netns_list *l, const struct instance *in)
{
	enum { BATCH = 512 };
	_cleanup_free_ struct hop_key *keys = calloc(BATCH, sizeof(*keys));
	_cleanup_free_ struct hop_end *ends = calloc(BATCH, sizeof(*ends));
	struct hop_key pos;
	void *from = NULL;
	int err = 0;

	if (!keys || !ends)
		return -ENOMEM;
	while (!err) {
		__u32 n = BATCH;

		if (bpf_map_lookup_batch(in->map[MAP_ENDS], from, &pos, keys, ends, &n, NULL) &&
		    errno != ENOENT)
			return -errno;
		err = n < BATCH ? -ENOENT : 0;
		for (__u32 i = 0; i < n; i++)
			if (netns_list_add(l, ends[i].netns))
				return -ENOMEM;
		from = &pos;
	}
	return 0;
}

int pass_visit(struct instance *in, struct netns_list *l, unsigned long long *ns)
{
	unsigned long long start = cpu_ns();
	size_t keep = 0, i;
	int err = 0;

	in->config->retry = in->config->retry_leave = 0;
	in->config->held_until = 0;
	for (i = 0; i < l->n && !err; i++) {
		__u32 again = in->config->retry + in->config->retry_leave;
		_cleanup_close_ int fd = instance_netns(in, l->inum[i]);

		if (fd >= 0)
			err = instance_iterate(in, ITER_VISIT, fd, 1, NULL, NULL);
		else if (fd != -ENOENT)
			err = fd;
		if (in->config->retry + in->config->retry_leave != again)
			l->inum[keep++] = l->inum[i];
	}
	if (!err)
		l->n = keep;
	if (ns)
		*ns = cpu_ns() - start;
	if (err)
		return err;
	return (in->config->retry ? PASS_JOINS : 0) | (in->config->retry_leave ? PASS_LEAVES : 0) |
	       (in->config->held_until ? PASS_HELD : 0);
}

struct left {
	const struct instance *in;
	bool all;
	int n;
};

static int count_member(const void *record, void *arg)
{
	const struct hop_show *s = record;
	struct left *left = arg;

	if (!(s->flags & HOP_SHOW_MEMBER))
		return 0;
	/* a member that is asked to leave for whatever reason, or simply any */
	if (left->all || s->flags & HOP_SHOW_STOP)
		left->n++;
	return 0;
}

int members_left(const struct instance *in, bool all)
{
	struct left left = {.in = in, .all = all};
	int err = show_each(in, count_member, &left);

	return err ? err : left.n;
}

int drain(struct instance *in, unsigned int timeout_ms)
{
	unsigned long long end = now_ns() + timeout_ms * 1000000ull, cost = 0;
	struct netns_list list = {};
	int left, passes = 0, err;

	for (;;) {
		netns_list_clear(&list);
		err = netns_list_all(&list, in);
		if (!err)
			err = pass_visit(in, &list, &cost);
		if (err < 0)
			break;
		left = members_left(in, in->config->draining);
		/* the second pass sees what the first has latched, the third what the second has let go */
		if (left < 0 || (left == 0 && ++passes >= 2) || now_ns() > end) {
			err = left;
			break;
		}
		/* half of one CPU at most, while the applications read their queues empty */
		poll(NULL, 0, cost / 1000000 + 1);
	}
	netns_list_free(&list);
	return err;
}
