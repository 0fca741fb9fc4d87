// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "judge.h"
#include "examiner.h"
#include "flips.h"
#include "process.h"
#include "agent/instance/instance.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"
#include "bpf/policy.h"

/* What one process's program says; its sockets come one after the other. */
struct program {
	__u32 pid;
	int err;     /* of veto_process() */
	bool flips;  /* has turned members blocking */
	bool blocks; /* makes receive calls that may wait */
	struct veto_result veto;
};

/* The worst that the holders of one socket have said so far. */
struct judged {
	__u64 cookie; /* 0: free place */
	__u32 why, pid;
	bool guarded; /* the splice guard answers for `why` */
	bool pending; /* some program is not examined yet */
	bool blocks;  /* of some program */
	char comm[16];
};

struct vetting {
	struct instance *in;
	struct veto_cache *cache;
	struct habits *habits;
	struct hop_policy policy;
	__u32 gen;
	struct judged *judged; /* open addressing */
	size_t n, room;	       /* a power of two */
	struct program last;
	struct judge_result *out;
};

static struct judged *place_of(struct judged *table, size_t room, __u64 cookie)
{
	size_t i = cookie * 0x9e3779b97f4a7c15ull >> 32;

	while (table[i & (room - 1)].cookie && table[i & (room - 1)].cookie != cookie)
		i++;
	return &table[i & (room - 1)];
}

static int grow(struct vetting *v)
{
	size_t room = v->room ? 2 * v->room : 1024;
	struct judged *table = calloc(room, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < v->room; i++)
		if (v->judged[i].cookie)
			*place_of(table, room, v->judged[i].cookie) = v->judged[i];
	free(v->judged);
	v->judged = table;
	v->room = room;
	return 0;
}

static const struct program *program_of(struct vetting *v, __u32 pid)
{
	struct flips_program p;

	if (v->last.pid != pid) {
		v->last.pid = pid;
		v->last.err = veto_process(v->cache, pid, &v->last.veto);
		v->last.flips = v->last.blocks = false;
		if (!v->last.err && !flips_program(pid, v->last.veto.comm, &p)) {
			v->last.flips = flips_has(&v->habits->flips, &p);
			v->last.blocks = flips_has(&v->habits->blocks, &p);
		}
	}
	return &v->last;
}

/*
 * Which program holds a member that has turned blocking, or an end that may wait in its receive calls? Its
 * other sockets may have been judged already: result.flips asks for another look.
 */
static void learn_flips(struct vetting *v, const struct hop_holder *h)
{
	struct flips_program p;

	bool flips = h->why == HOP_WHY_FLIPS;

	if (!h->why || v->in->config->force & HOP_FORCE_FLIPS || flips_program(h->pid, h->comm, &p) ||
	    !flips_add(flips ? &v->habits->flips : &v->habits->blocks, &p))
		return;
	v->out->flips += flips;
	v->last.pid = 0; /* what is known of it is old */
}

/* The answer for one holder of one socket. */
static __u32 judge(struct vetting *v, const struct hop_holder *h, const struct program *p)
{
	__u32 action = hop_policy_eval_program(&v->policy, &h->tuple, p->veto.comm, p->veto.exe);

	if (action == HOP_ACTION_NEVER)
		return HOP_WHY_POLICY;
	if (p->flips) /* seen, not feared: trust does not overrule it */
		return HOP_WHY_FLIPS;
	if (action == HOP_ACTION_TRUST)
		return HOP_WHY_NONE;
	if (p->veto.why && !veto_can_be_guarded(&p->veto))
		return p->veto.why;
	if (v->in->config->hop_fionread_broken && p->veto.uses_fionread)
		return HOP_WHY_FIONREAD;
	return p->veto.why;
}

static bool is_guarded(__u32 why, const struct veto_result *veto)
{
	return why && why == veto->why && veto_can_be_guarded(veto);
}

/* Could a trust rule be about this program? One that names no program is: it matches whatever runs. */
static bool may_be_trusted(const struct hop_policy *policy, const struct veto_result *veto)
{
	for (__u32 i = 0; i < policy->count; i++)
		if (policy->rule[i].action == HOP_ACTION_TRUST &&
		    hop_rule_match_program(&policy->rule[i], veto->comm, veto->exe))
			return true;
	return false;
}

/*
 * Tell the kernel side of a program that may not join, so that its next connections are refused when they
 * register. Not what depends on the connection, as policy does, nor what is temporary, as an examination that
 * failed.
 */
static void remember(struct vetting *v, const struct hop_holder *h, __u32 why, const struct veto_result *veto)
{
	struct hop_program p = {.task = h->task,
				.start = h->start,
				.trust = may_be_trusted(&v->policy, veto)},
			   old;

	if (!h->cred || (why != HOP_WHY_SPLICE && why != HOP_WHY_GO && why != HOP_WHY_FIONREAD))
		return;
	p.vet = (struct hop_vet){.why = why, .pid = h->pid, .gen = v->gen, .guarded = is_guarded(why, veto)};
	memcpy(p.vet.comm, veto->comm, sizeof(p.vet.comm));
	if (bpf_map_lookup_elem(v->in->map[MAP_PROGRAMS], &h->cred, &old) || memcmp(&old, &p, sizeof(p)))
		bpf_map_update_elem(v->in->map[MAP_PROGRAMS], &h->cred, &p, BPF_ANY);
}

/* One veto is enough: of all holders of a socket the first with a reason speaks for it. */
static int add_holder(const void *record, void *arg)
{
	const struct hop_holder *h = record;
	struct vetting *v = arg;
	const struct program *p;
	struct judged *j;
	bool guarded;
	__u32 why;
	int err = v->n * 2 >= v->room ? grow(v) : 0;

	if (err)
		return err;
	v->out->sockets++;
	learn_flips(v, h);
	p = program_of(v, h->pid);
	if (p->err == -ESRCH) /* its sockets went with it, or others hold them too */
		return 0;
	why = p->err ? HOP_WHY_NONE : judge(v, h, p);
	guarded = !p->err && is_guarded(why, &p->veto);
	remember(v, h, why, &p->veto);
	v->out->splicers += guarded;
	j = place_of(v->judged, v->room, h->cookie);
	v->n += !j->cookie;
	/* a reason that the guard answers for is weaker than one that stands */
	if (!j->cookie || (!j->why && why) || (j->guarded && why && !guarded)) {
		j->cookie = h->cookie;
		j->why = why;
		j->guarded = guarded;
		j->pid = h->pid;
		memcpy(j->comm, p->err ? h->comm : p->veto.comm, sizeof(j->comm));
	}
	j->pending |= p->err != 0;
	j->blocks |= p->blocks;
	return 0;
}

static void publish(struct vetting *v, const struct judged *j)
{
	struct hop_vet vet = {.why = j->why,
			      .pid = j->pid,
			      .gen = v->gen,
			      .guarded = j->guarded,
			      .blocks = j->blocks},
		       old;

	memcpy(vet.comm, j->comm, sizeof(vet.comm));
	v->out->vetoed += vet.why != 0;
	if (!bpf_map_lookup_elem(v->in->map[MAP_VETTED], &j->cookie, &old) &&
	    !memcmp(&old, &vet, sizeof(vet)))
		return;
	bpf_map_update_elem(v->in->map[MAP_VETTED], &j->cookie, &vet, BPF_ANY);
}

static void publish_all(struct vetting *v)
{
	for (const struct judged *j = v->judged; j < v->judged + v->room; j++) {
		if (j->cookie && j->pending && (!j->why || j->guarded))
			v->out->pending++;
		else if (j->cookie)
			publish(v, j);
	}
}

int judge_all(struct instance *in, __u32 mode, struct veto_cache *cache, struct habits *habits,
	      struct judge_result *out)
{
	_cleanup_free_ struct vetting *v = calloc(1, sizeof(*v));
	int err;

	*out = (struct judge_result){};
	if (!v)
		return -ENOMEM;
	v->in = in;
	v->cache = cache;
	v->habits = habits;
	v->out = out;
	veto_cache_look(cache);
	/* in this order: it is bumped after a change, so a policy that changes now is judged by again */
	v->gen = __atomic_load_n(&in->config->policy_gen, __ATOMIC_ACQUIRE);
	err = instance_policy_get(in, &v->policy);
	if (!err)
		err = instance_iterate(in, ITER_HOLDERS, mode, sizeof(struct hop_holder), add_holder, v);
	if (!err)
		publish_all(v);
	free(v->judged);
	return err;
}

struct splicers {
	struct hop_policy policy;
	struct veto_cache *cache;
	unsigned int *found;
	bool pending;
};

static int find_splicer(pid_t pid, void *arg)
{
	struct splicers *s = arg;
	struct veto_result veto;
	int r = veto_process(s->cache, pid, &veto);

	s->pending |= r == -EAGAIN;
	/* a trusted program needs no guard; where the rule does not apply, its first socket asks for one */
	*s->found = !r && veto_can_be_guarded(&veto) && !may_be_trusted(&s->policy, &veto);
	return *s->found;
}

static int find_in_cgroup(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	int r = cgroup_each_pid(cg->path, find_splicer, arg);

	(void)id;
	return r == -ENOENT ? 0 : r;
}

int judge_splicers(const struct instance *in, struct veto_cache *cache, unsigned int *splicers)
{
	_cleanup_free_ struct splicers *s = calloc(1, sizeof(*s));
	int r;

	*splicers = 0;
	if (!s)
		return -ENOMEM;
	s->cache = cache;
	s->found = splicers;
	veto_cache_look(cache);
	r = instance_policy_get(in, &s->policy);
	if (!r)
		r = instance_each_cgroup(in, find_in_cgroup, s);
	if (r < 0)
		return r;
	return s->pending && !*splicers ? -EAGAIN : 0;
}
