// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <bpf/bpf.h>

#include "pass.h"
#include "agent/instance/instance.h"
#include "agent/instance/snapshot.h"
#include "agent/lib/progress.h"
#include "agent/lib/util.h"

struct visit {
	const struct instance *in;
	const struct netns_list *l;
	struct netns_list visited, again;
	struct pass *out;
};

/* In the child. */
static int each_of_list(netns_fn *fn, void *to, void *arg)
{
	const struct visit *v = arg;
	int ret = 0;

	for (size_t i = 0; i < v->l->n && !ret; i++) {
		_cleanup_close_ int fd = netns_open(v->in, v->l->inum[i]);

		ret = fn(fd, v->l->inum[i], to);
	}
	return ret;
}

static int on_said(__u32 inum, const void *record, void *arg)
{
	const struct hop_said *s = record;
	struct visit *v = arg;
	struct pass *out = v->out;

	if (s->say & HOP_SAY_JOIN)
		out->more |= PASS_JOINS;
	if (s->say & HOP_SAY_ASK)
		out->more |= PASS_ASKS;
	if (s->say & HOP_SAY_LEAVE)
		out->more |= PASS_LEAVES;
	if (s->say & HOP_SAY_HELD) {
		if (!out->held_until || s->hold_ns < out->held_until)
			out->held_until = s->hold_ns;
		out->more |= PASS_HELD;
	}
	if (s->say & HOP_SAY_GUARD)
		out->receives = true;
	return s->say & (HOP_SAY_JOIN | HOP_SAY_LEAVE) ? netns_list_add(&v->again, inum) : 0;
}

static void note(const struct instance *in, __u32 inum, bool finished, bool blocked)
{
	struct hop_pass p = {};

	bpf_map_lookup_elem(in->map[MAP_PASSES], &inum, &p);
	if (finished)
		p.finished_ns = now_ns();
	if (!blocked)
		p.blocked_ns = 0;
	else if (!p.blocked_ns)
		p.blocked_ns = now_ns();
	bpf_map_update_elem(in->map[MAP_PASSES], &inum, &p, BPF_ANY);
}

static void on_done(__u32 inum, int err, void *arg)
{
	struct visit *v = arg;

	netns_list_add(&v->visited, inum);
	if (err == -ENOENT) { /* no process is in it any more */
		bpf_map_delete_elem(v->in->map[MAP_PASSES], &inum);
		return;
	}
	if (err == -ETIMEDOUT)
		v->out->blocked++;
	else if (err)
		v->out->err = err;
	note(v->in, inum, !err, err == -ETIMEDOUT);
}

void pass_unblock(const struct instance *in, __u32 inum)
{
	note(in, inum, false, false);
}

void pass_forget(const struct instance *in)
{
	__u32 inum;

	while (!bpf_map_get_next_key(in->map[MAP_PASSES], NULL, &inum))
		if (bpf_map_delete_elem(in->map[MAP_PASSES], &inum))
			return;
}

/* What was not visited, then what wants another pass. */
static int what_is_left(struct visit *v, const struct walks *w, struct netns_list *l)
{
	struct netns_list left = {};
	int err = 0;

	for (size_t i = 0; i < l->n && !err; i++)
		if (!netns_listed(&v->visited, l->inum[i]) && !walks_stuck_in(w, l->inum[i]))
			err = netns_list_add(&left, l->inum[i]);
	for (size_t i = 0; i < v->again.n && !err; i++)
		if (!walks_stuck_in(w, v->again.inum[i]))
			err = netns_list_add(&left, v->again.inum[i]);
	netns_list_free(l);
	*l = left;
	return err;
}

void pass_visit(const struct instance *in, struct walks *w, struct netns_list *l, __u32 mode,
		unsigned long long until, struct pass *out)
{
	struct visit v = {.in = in, .l = l, .out = out};
	const struct walk walk = {
		.iter = ITER_VISIT,
		.mode = mode,
		.size = sizeof(struct hop_said),
		.each = each_of_list,
		.record = on_said,
		.done = on_done,
		.arg = &v,
	};
	unsigned long long start = cpu_ns();
	int err = 0;

	*out = (struct pass){};
	if (l->n)
		err = walk_run(in, w, &walk, until, &out->cost);
	if (err && err != -ETIMEDOUT) {
		out->err = err;
		out->whole = true;
	}
	err = what_is_left(&v, w, l);
	if (err)
		out->err = err;
	netns_list_free(&v.visited);
	netns_list_free(&v.again);
	out->cost += cpu_ns() - start;
}

struct left {
	bool all;
	int n;
};

static int count_member(const void *record, void *arg)
{
	const struct hop_show *s = record;
	struct left *left = arg;

	/* a member that leaves for whatever reason, or simply any */
	left->n += s->state == HOP_LEAVING || (left->all && s->state == HOP_MEMBER);
	return 0;
}

int members_left(const struct instance *in, bool all)
{
	struct left left = {.all = all};
	int err = snapshot_each(in, count_member, &left);

	return err ? err : left.n;
}

/* One pass over everything. Returns the number of members left, or -errno. */
static int drain_once(struct instance *in, struct walks *w, unsigned long long end, struct pass *pass)
{
	unsigned long long grace = now_ns() + PASS_GRACE_MS * 1000000ull;
	struct netns_list list = {};
	int err;

	walks_reap(w, NULL, NULL);
	*pass = (struct pass){};
	err = netns_list_all(&list, in);
	if (!err)
		pass_visit(in, w, &list, 0, end > grace ? end : grace, pass);
	netns_list_free(&list);
	return err ?: members_left(in, in->config->draining);
}

int drain(struct instance *in, struct walks *w, unsigned int timeout_ms)
{
	unsigned long long end = now_ns() + timeout_ms * 1000000ull;
	int left, passes = 0;
	struct pass pass;

	for (;;) {
		bool unseen;

		left = drain_once(in, w, end, &pass);
		if (left > 0)
			progress_say("%d %s left to leave, until their programs have read", left,
				     left == 1 ? "member is" : "members are");
		/* members of the whole instance are counted without their locks; an end is told in a pass
		 * to leave */
		unseen = !in->config->draining && w->n;
		/* the second pass sees what the first has latched, the third what the second has let go */
		if (left == 0 && !pass.err && !unseen && ++passes >= 2)
			return 0;
		if (now_ns() > end)
			return left ?: pass.err ?: unseen ? -ETIMEDOUT : 0;
		/* half of one CPU at most, while the applications read their queues empty */
		poll(NULL, 0, pass.cost / 1000000 + 1);
	}
}
