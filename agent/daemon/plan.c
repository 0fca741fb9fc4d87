// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <linux/types.h>

#include "plan.h"
#include "pass.h"
#include "bpf/hop.h"

/* The pass that comes next runs after `delay`, or when its cost allows: it walks the hash table, however
 * little there is to do. */
static void schedule_for(struct plan *p, unsigned long long now, enum budget_reason reason,
			 unsigned long long delay)
{
	unsigned long long not_before =
		budget_not_before(&p->budget, p->pairs >= PLAN_CROWD ? BUDGET_CROWD : reason);
	unsigned long long at = now + delay;

	if (p->young)
		at = now;
	else if (at < not_before && !p->leaves)
		at = not_before;
	if (at < p->stand_off)
		at = p->stand_off;
	if (!p->due || at < p->due)
		p->due = at;
}

static void schedule(struct plan *p, unsigned long long now, unsigned long long delay)
{
	schedule_for(p, now, BUDGET_AGAIN, delay);
}

static void want_vet(struct plan *p, unsigned long long now)
{
	if (!p->vet_by)
		p->vet_by = now + PLAN_VET_PATIENCE;
}

/* Look at every registered end and its programs, members included; the pass finds out where they are. */
static void look_at_ends(struct plan *p, unsigned long long now)
{
	p->all = p->members = true;
	want_vet(p, now);
	schedule(p, now, PLAN_COALESCE);
}

void plan_all(struct plan *p, unsigned long long now)
{
	p->seeks = true;
	look_at_ends(p, now);
}

/* Neither a cgroup that leaves has to wait, nor members that the new policy lets hop on, once their programs
 * have been judged by it. */
void plan_changed(struct plan *p, unsigned long long now)
{
	plan_all(p, now);
	p->vet_by = now;
	p->leaves = true;
	p->leave_passes = 0;
	schedule(p, now, PLAN_LEAVE_DELAY);
}

/* A leave is urgent, but a program that makes others leave all the time does not drive the passes. */
static void hurry(struct plan *p, unsigned long long now)
{
	if (!p->left || now - p->left >= PLAN_LEAVE_AGAIN) {
		p->left = now;
		p->leave_passes = 0;
	}
	p->leaves = p->leave_passes < PLAN_LEAVE_URGENT;
	p->members = true;
}

static void on_paired(struct plan *p, unsigned long long now, const struct hop_event *e)
{
	p->pairs++;
	want_vet(p, now);
	netns_list_add(&p->dirty, e->netns);
	netns_list_add(&p->dirty, e->peer_netns);
	schedule_for(p, now, BUDGET_NEW, PLAN_COALESCE);
}

static void on_leave(struct plan *p, unsigned long long now, const struct hop_event *e)
{
	hurry(p, now);
	if (e->why == HOP_WHY_BLOCKING)
		want_vet(p, now); /* by then it is known whose program did it */
	netns_list_add(&p->dirty, e->netns);
	netns_list_add(&p->dirty, e->peer_netns);
	schedule(p, now, PLAN_LEAVE_DELAY);
}

static void on_seek(struct plan *p, unsigned long long now, const struct hop_event *e)
{
	p->seeks = true;
	want_vet(p, now); /* after the pass that finds the peer, and that pass asks for one more */
	netns_list_add(&p->dirty, e->netns);
	schedule_for(p, now, BUDGET_NEW, PLAN_COALESCE);
}

bool plan_event(struct plan *p, unsigned long long now, const struct hop_event *e)
{
	switch (e->type) {
	case HOP_EV_PAIRED:
		on_paired(p, now, e);
		break;
	case HOP_EV_LEAVE:
		on_leave(p, now, e);
		break;
	case HOP_EV_SEEK:
		on_seek(p, now, e);
		break;
	case HOP_EV_EXEC:
		look_at_ends(p, now);
		break;
	default: /* HOP_EV_POKE has woken the agent, which looks at config.pokes: plan_changed() */
		break;
	}
	return ++p->taken < PLAN_EVENTS;
}

static unsigned long long review_interval(const struct plan *p)
{
	return p->idle_ns && p->idle_ns < PLAN_REVIEW_NS ? p->idle_ns : PLAN_REVIEW_NS;
}

static void review_by(struct plan *p, unsigned long long at)
{
	if (!p->review || at < p->review)
		p->review = at;
}

/* So many events that some may have been lost: the review sees that, even without members. */
void plan_took_events(struct plan *p, unsigned long long now)
{
	if (p->taken >= PLAN_EVENTS)
		review_by(p, now + PLAN_PAUSE);
	p->taken = 0;
}

void plan_pass_begins(struct plan *p, unsigned long long now, struct plan_pass *out)
{
	/* a leave does not wait for that; but constant leaving must not keep others from joining */
	bool put_off = p->vet_by && p->leaves && now < p->vet_by;

	*out = (struct plan_pass){
		.all = p->all,
		.fresh = !p->members,
		.vet = p->vet_by && !put_off,
		.seek = p->seeks,
		.put_off = put_off,
	};
	p->due = 0;
	p->all = p->seeks = false;
}

/* Never twice the same: a reader that sleeps in recv() at regular times could else sleep at each of them. */
static unsigned long long leave_delay(const struct plan *p, unsigned long long now, unsigned long long cost)
{
	unsigned long long delay = PLAN_LEAVE_SHARE * cost;

	if (p->leave_passes < PLAN_LEAVE_AT_ONCE)
		return 0;
	return (delay < PLAN_LEAVE_SPREAD ? PLAN_LEAVE_SPREAD : delay) + now % (PLAN_LEAVE_SPREAD / 2);
}

/* What the pass has left to do: ends that want another one, and namespaces that there was no time for. */
static void plan_rest(struct plan *p, unsigned long long now, const struct pass *pass)
{
	p->members = pass->more & PASS_LEAVES;
	p->leaves = p->members && ++p->leave_passes < PLAN_LEAVE_URGENT;
	if (p->leaves)
		schedule(p, now, leave_delay(p, now, pass->cost));
	else if (pass->more & (PASS_JOINS | PASS_LEAVES) || p->dirty.n)
		schedule(p, now, 0); /* as early as the cost of this one allows */
}

/* Ends that are held back are looked at when the first one's time is over. */
static void plan_held(struct plan *p, unsigned long long now, unsigned long long until)
{
	p->held = true;
	review_by(p, until > now + PLAN_PAUSE ? until : now + PLAN_PAUSE);
}

void plan_pass_over(struct plan *p, unsigned long long now, const struct plan_pass *how,
		    const struct plan_result *r)
{
	const struct pass *pass = r->pass;

	if (!r->failed)
		trouble_over(&p->failed);
	if (pass->whole)
		p->stand_off = p->retry;
	if (r->vetted)
		p->vet_by = 0;
	budget_spend(&p->budget, now, r->prepare_cost + pass->cost, how->fresh);
	p->pairs = r->joined / 2;
	plan_rest(p, now, pass);
	if (how->put_off && !p->leaves)
		plan_all(p, now);
	else if (r->look_again)
		look_at_ends(p, now);
	if (pass->more & PASS_JOINS)
		want_vet(p, now); /* one of them may be waiting for just that */
	if (r->any_members || pass->err || pass->more & PASS_HELD)
		review_by(p, now + review_interval(p));
	if (pass->more & PASS_HELD)
		plan_held(p, now, pass->held_until);
}

/*
 * Did events get lost, did a descriptor reach another program, is the time of an end over that was held back?
 */
void plan_reviewed(struct plan *p, unsigned long long now, const struct plan_review *r)
{
	bool idle = p->idle_ns && now - p->moved > p->idle_ns;

	p->review = r->any_members || r->again ? now + review_interval(p) : 0;
	if (r->hops != p->hops || r->lost != p->lost || p->held || idle) {
		plan_all(p, now);
		p->moved = now;
	}
	p->held = false; /* the pass will tell again */
	p->hops = r->hops;
	p->lost = r->lost;
}

bool plan_failed(struct plan *p, unsigned long long now, unsigned int *silent)
{
	bool say;

	p->retry = now + trouble_note(&p->failed, now, &say, silent);
	return say;
}

void plan_retried(struct plan *p, unsigned long long now)
{
	p->retry = 0;
	plan_all(p, now);
}

bool plan_blocked(struct plan *p, unsigned long long now, unsigned int *silent)
{
	bool say;

	trouble_note(&p->blocked, now, &say, silent);
	return say;
}

void plan_back(struct plan *p, unsigned long long now)
{
	if (!p->retry)
		p->retry = now + PLAN_PAUSE;
}

static bool is_due(unsigned long long at, unsigned long long now)
{
	return at && now >= at;
}

enum plan_job plan_job(const struct plan *p, unsigned long long now)
{
	if (is_due(p->review, now))
		return PLAN_REVIEW;
	if (is_due(p->retry, now))
		return PLAN_RETRY;
	return is_due(p->due, now) ? PLAN_PASS : PLAN_NOTHING;
}

int plan_timeout_ms(const struct plan *p, unsigned long long now)
{
	const unsigned long long times[] = {p->due, p->review, p->retry};
	unsigned long long next = 0;

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
		if (times[i] && (!next || times[i] < next))
			next = times[i];
	if (!next)
		return -1;
	return next <= now ? 0 : (int)((next - now) / PLAN_MS) + 1;
}

void plan_free(struct plan *p)
{
	netns_list_free(&p->dirty);
}
