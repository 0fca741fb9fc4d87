// SPDX-License-Identifier: GPL-2.0-only
/* guard_follow.c: when there is a splice guard: from the first program that needs it until none does. */
#include <errno.h>
#include <string.h>

#include "guard.h"
#include "judge.h"
#include "examiner.h"
#include "agent/instance/attach.h"
#include "agent/lib/util.h"

/* How long the guard remains when no program needs it. (With HOP_FORCE_YOUNG it is short.) */
static unsigned long long keep_ns(const struct instance *in)
{
	return in->config->force & HOP_FORCE_YOUNG ? GUARD_KEEP_NS / 300 : GUARD_KEEP_NS;
}

/*
 * Sockets that are established from now on carry a new generation, which is published when the guard sees
 * everything. It may be there already, and only have lost sight of some socket (unmarked() in guard.bpf.c).
 */
static int bring_up(struct instance *in)
{
	int err;

	/* their callback flags might be taken for the generation */
	if (instance_shares_sockops(in))
		return -EBUSY;
	err = guard_attach(in);
	if (err)
		return err;
	__atomic_store_n(&in->config->guard, ++in->config->guard_last, __ATOMIC_SEQ_CST);
	msg_debug("splice guard %u: %s", in->config->guard, guard_name(in->config->guard_kind));
	return 0;
}

/* In two looks: first it vouches for no socket any more, so that those that need it leave; then it goes. */
static void take_down(struct instance *in)
{
	if (in->config->guard) {
		__atomic_store_n(&in->config->guard, 0, __ATOMIC_SEQ_CST);
		return;
	}
	guard_detach(in);
	msg_debug("no splice guard any more");
}

static void complain(const struct guard *g)
{
	msg_warn("no splice guard (%s): programs that can splice stay on TCP; see `sockhop check`",
		 g->need.err == -EBUSY ? "other sockops programs run in an attached cgroup"
				       : strerror(-g->need.err));
}

/* Another program may set the flags that mark sockets. */
static void look_for_others(struct guard *g, struct instance *in)
{
	if (!in->config->guard || !instance_shares_sockops(in))
		return;
	g->need.err = -EBUSY;
	__atomic_store_n(&in->config->guard, 0, __ATOMIC_SEQ_CST);
	complain(g);
}

/* Programs that start are of interest while one of them may be the first that needs a guard. */
static void seek(const struct guard *g, struct instance *in)
{
	in->config->guard_seek =
		!g->need.err && !in->config->guard && in->config->guard_last < HOP_GUARD_LAST;
}

static void ask(struct guard *g, struct instance *in)
{
	if (g->need.asked)
		return;
	guard_need_ask(&g->need, in, "splice", keep_ns(in));
	seek(g, in);
}

/* Can it go, and another one come should that be needed? */
static bool may_go(const struct instance *in)
{
	return in->config->guard_kind && in->config->guard_last < HOP_GUARD_LAST;
}

void guard_follow(struct guard *g, struct instance *in, unsigned int splicers, bool whole)
{
	ask(g, in);
	if (splicers)
		guard_need_seen(&g->need, keep_ns(in));
	if (splicers && !in->config->guard && !g->need.err && in->config->guard_last < HOP_GUARD_LAST) {
		g->need.err = guards_lasting(bring_up(in));
		if (g->need.err)
			complain(g);
	}
	look_for_others(g, in);
	if (whole && !splicers && may_go(in) && guard_need_over(&g->need, keep_ns(in)))
		take_down(in);
	seek(g, in);
}

void guard_started(struct guard *g)
{
	unsigned long long at = now_ns() + GUARD_COALESCE_NS;

	if (!g->starts && g->look < at)
		g->look = at;
	g->starts = true;
}

unsigned long long guard_due(const struct guard *g, const struct instance *in)
{
	unsigned long long check = may_go(in) ? g->need.check : 0;

	return g->starts && (!check || g->look < check) ? g->look : check;
}

static void look_at_starts(struct guard *g, struct instance *in, struct veto_cache *cache)
{
	unsigned long long cost = cpu_ns() + veto_cache_cpu_ns(cache);
	unsigned int splicers = 0;

	seek(g, in); /* the guard may have lost its word meanwhile */
	/* again if some are still being examined */
	g->starts = in->config->guard_seek && judge_splicers(in, cache, &splicers) == -EAGAIN;
	cost = cpu_ns() + veto_cache_cpu_ns(cache) - cost;
	g->look = now_ns() + GUARD_SHARE * cost + GUARD_COALESCE_NS;
	guard_follow(g, in, splicers, false);
}

bool guard_work(struct guard *g, struct instance *in, struct veto_cache *cache)
{
	unsigned int splicers = 0;

	ask(g, in);
	if (g->starts && now_ns() >= g->look)
		look_at_starts(g, in, cache);
	if (!may_go(in) || now_ns() < g->need.check)
		return false;
	g->need.check = now_ns() + keep_ns(in) / 20;
	if (judge_splicers(in, cache, &splicers) || splicers)
		guard_need_seen(&g->need, keep_ns(in));
	return guard_need_over(&g->need, keep_ns(in));
}
