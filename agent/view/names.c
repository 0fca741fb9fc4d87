// SPDX-License-Identifier: GPL-2.0-only
#include <search.h>
#include <string.h>
#include <bpf/bpf.h>

#include "names.h"
#include "output.h"
#include "agent/instance/instance.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

/* Names of pods: the kubelet's, wherever the runtime is. */
#define POD_LOGS "/var/log/pods"
/* Cgroups that are remembered; with more, all are looked up again. */
#define CGROUPS_MAX 16384

struct names {
	char mount[PATH_MAX];
	void *cgroups, *programs; /* tsearch(3) */
	size_t n_cgroups;
};

/* Both kinds begin with their key. */
struct known_cgroup {
	__u64 id;
	struct who who;
};
struct known_program {
	__u64 pid;
	char comm[17]; /* "": there is no such process */
};

static int by_key(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

/* The element with this key, made where there is none (*made). NULL without memory. */
static void *element(void **tree, __u64 key, size_t size, bool *made)
{
	void **at = tfind(&key, tree, by_key);
	__u64 *e;

	*made = false;
	if (at)
		return *at;
	e = calloc(1, size);
	if (!e)
		return NULL;
	*e = key;
	if (!tsearch(e, tree, by_key)) {
		free(e);
		return NULL;
	}
	*made = true;
	return e;
}

struct names *names_new(void)
{
	struct names *n = calloc(1, sizeof(*n));

	if (n && cgroup_mount(n->mount, sizeof(n->mount)))
		n->mount[0] = 0;
	return n;
}

static void forget_cgroups(struct names *n)
{
	tdestroy(n->cgroups, free);
	n->cgroups = NULL;
	n->n_cgroups = 0;
}

void names_forget(struct names *n)
{
	tdestroy(n->programs, free);
	n->programs = NULL;
	if (n->n_cgroups > CGROUPS_MAX)
		forget_cgroups(n);
}

void names_free(struct names *n)
{
	if (!n)
		return;
	names_forget(n);
	forget_cgroups(n);
	free(n);
}

static void look_at_cgroup(const struct names *n, __u64 id, struct who *who)
{
	char path[PATH_MAX];
	size_t len = strlen(n->mount);

	if (cgroup_path_by_id(id, path, sizeof(path))) {
		who_parse("", who);
		snprintf(who->path, sizeof(who->path), "cgroup %llu", (unsigned long long)id);
		return;
	}
	who_parse(cgroup_is_below(path, n->mount) ? path + len : path, who);
	if (who->pod[0])
		who_pod_name(POD_LOGS, who->pod, who->pod_name, sizeof(who->pod_name));
}

const struct who *names_cgroup(struct names *n, __u64 id)
{
	bool made;
	struct known_cgroup *k = element(&n->cgroups, id, sizeof(*k), &made);

	if (!k)
		return NULL;
	if (made) {
		n->n_cgroups++;
		look_at_cgroup(n, id, &k->who);
	}
	return &k->who;
}

static void read_comm(struct known_program *k)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%llu/comm", (unsigned long long)k->pid);
	f = fopen(path, "re");
	if (!f || !fgets(k->comm, sizeof(k->comm), f))
		k->comm[0] = 0;
	k->comm[strcspn(k->comm, "\n")] = 0;
}

/* The name may have changed since the agent looked (execve()); a dead process keeps the old one. */
void names_program(struct names *n, const struct instance *in, __u64 cookie, struct program *out)
{
	struct hop_vet vet = {0};
	struct known_program *k;
	bool made;

	*out = (struct program){0};
	if (bpf_map_lookup_elem(in->map[MAP_VETTED], &cookie, &vet) || !vet.pid)
		return;
	k = element(&n->programs, vet.pid, sizeof(*k), &made);
	if (k && made)
		read_comm(k);
	out->pid = vet.pid;
	snprintf(out->comm, sizeof(out->comm), "%.*s", (int)sizeof(vet.comm),
		 k && k->comm[0] ? k->comm : vet.comm);
}

void program_label(const struct program *p, char buf[PROGRAM_LABEL])
{
	if (p->pid)
		snprintf(buf, PROGRAM_LABEL, "%s/%u", p->comm, p->pid);
	else
		snprintf(buf, PROGRAM_LABEL, "?");
}

static void add_text(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text && *text ? output_string(text, strlen(text)) : NULL);
}

void names_add_who(json_object *o, const struct who *who)
{
	char label[WHO_LABEL];

	if (who)
		who_label(who, label);
	add_text(o, "service", who ? label : NULL);
	add_text(o, "unit", who ? who->unit : NULL);
	add_text(o, "user", who ? who->user : NULL);
	add_text(o, "container", who ? who->container : NULL);
	add_text(o, "runtime", who ? who->runtime : NULL);
	add_text(o, "pod", who ? who->pod : NULL);
	add_text(o, "pod_name", who ? who->pod_name : NULL);
	add_text(o, "cgroup_path", who ? who->path : NULL);
}
