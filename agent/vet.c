// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "instance.h"
#include "util.h"
#include "vet.h"
#include "veto.h"
#include "bpf/policy.h"

/* What one process's program says; looked up once per pass. */
struct program {
	__u32 pid;
	bool gone;
	struct veto_result veto;
};

struct vetting {
	struct instance *in;
	struct veto_cache *cache;
	struct hop_policy policy;
	__u32 gen;
	struct hop_holder *holder;
	size_t n, room;
	struct program last;
	struct vet_result *out;
};

static int add_holder(const void *record, void *arg)
{
	struct vetting *v = arg;
	struct hop_holder *p = array_grow(v->holder, v->n, &v->room, sizeof(*p));

	if (!p)
		return -ENOMEM;
	v->holder = p;
	v->holder[v->n++] = *(const struct hop_holder *)record;
	return 0;
}

static const struct program *program_of(struct vetting *v, __u32 pid)
{
	if (v->last.pid != pid) {
		v->last.pid = pid;
		v->last.gone = veto_process(v->cache, pid, &v->last.veto) == -ESRCH;
	}
	return &v->last;
}

/* The answer for one holder of one socket. */
static __u32 judge(struct vetting *v, const struct hop_holder *h, const struct program *p)
{
	__u32 action = hop_policy_eval_program(&v->policy, &h->tuple, p->veto.comm, p->veto.exe);

	if (action == HOP_ACTION_NEVER)
		return HOP_WHY_POLICY;
	if (action == HOP_ACTION_TRUST)
		return HOP_WHY_NONE;
	if (p->veto.why)
		return p->veto.why;
	if (v->in->config->hop_fionread_broken && p->veto.uses_fionread)
		return HOP_WHY_FIONREAD;
	return HOP_WHY_NONE;
}

/* Could a trust rule be about this program? One that names no program is: it matches whatever runs. */
static bool may_be_trusted(const struct vetting *v, const struct veto_result *veto)
{
	for (__u32 i = 0; i < v->policy.count; i++)
		if (v->policy.rule[i].action == HOP_ACTION_TRUST &&
		    hop_rule_match_program(&v->policy.rule[i], veto->comm, veto->exe))
			return true;
	return false;
}

static struct hop_vet answer(const struct vetting *v, const struct hop_holder *h)
{
	struct hop_vet vet = {.why = h->why, .pid = h->pid, .gen = v->gen};

	memcpy(vet.comm, h->comm, sizeof(vet.comm));
	return vet;
}

/*
 * Tell the kernel side of a program that may not join, so that its next connections are refused when they
 * register. Not what depends on the connection, as policy does, nor what may pass, as an examination that
 * failed.
 */
static void remember(struct vetting *v, const struct hop_holder *h, const struct veto_result *veto)
{
	struct hop_program p = {.task = h->task, .start = h->start, .trust = may_be_trusted(v, veto)}, old;

	if (!h->cred || (h->why != HOP_WHY_SPLICE && h->why != HOP_WHY_GO && h->why != HOP_WHY_FIONREAD))
		return;
	p.vet = answer(v, h);
	if (bpf_map_lookup_elem(v->in->map[MAP_PROGRAMS], &h->cred, &old) || memcmp(&old, &p, sizeof(p)))
		bpf_map_update_elem(v->in->map[MAP_PROGRAMS], &h->cred, &p, BPF_ANY);
}

static int by_cookie(const void *a, const void *b)
{
	const struct hop_holder *x = a, *y = b;

	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

static int by_pid(const void *a, const void *b)
{
	const struct hop_holder *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void publish(struct vetting *v, const struct hop_holder *h)
{
	struct hop_vet vet = answer(v, h), old;

	v->out->vetoed += vet.why != 0;
	if (!bpf_map_lookup_elem(v->in->map[MAP_VETTED], &h->cookie, &old) &&
	    !memcmp(&old, &vet, sizeof(vet)))
		return;
	v->out->changed++;
	bpf_map_update_elem(v->in->map[MAP_VETTED], &h->cookie, &vet, BPF_ANY);
}

/* One veto is enough: of all holders of a socket the first with a reason speaks for it. */
static void publish_all(struct vetting *v)
{
	qsort(v->holder, v->n, sizeof(*v->holder), by_cookie);
	for (size_t i = 0; i < v->n;) {
		size_t best = i, j = i;

		for (; j < v->n && v->holder[j].cookie == v->holder[i].cookie; j++)
			if (!v->holder[best].why && v->holder[j].why)
				best = j;
		publish(v, &v->holder[best]);
		i = j;
	}
}

int vet_all(struct instance *in, struct veto_cache *cache, struct vet_result *out)
{
	_cleanup_free_ struct vetting *v = calloc(1, sizeof(*v));
	size_t kept = 0;
	int err;

	*out = (struct vet_result){};
	if (!v)
		return -ENOMEM;
	v->in = in;
	v->cache = cache;
	v->out = out;
	/* in this order: it is bumped after a change, so a policy that changes now is judged by again */
	v->gen = __atomic_load_n(&in->config->policy_gen, __ATOMIC_ACQUIRE);
	err = instance_policy_get(in, &v->policy);
	if (!err)
		err = instance_iterate(in, ITER_HOLDERS, -1, sizeof(struct hop_holder), add_holder, v);
	if (err || !v->n) /* nobody holds any: there is nothing to sort either */
		goto out;
	out->sockets = v->n;
	qsort(v->holder, v->n, sizeof(*v->holder), by_pid);
	for (size_t i = 0; i < v->n; i++) {
		const struct program *p = program_of(v, v->holder[i].pid);

		if (p->gone) /* its sockets went with it, or others hold them too */
			continue;
		v->holder[kept] = v->holder[i];
		v->holder[kept].why = judge(v, &v->holder[i], p);
		memcpy(v->holder[kept].comm, p->veto.comm, sizeof(v->holder[kept].comm));
		remember(v, &v->holder[kept], &p->veto);
		kept++;
	}
	v->n = kept;
	publish_all(v);
out:
	free(v->holder);
	return err;
}
