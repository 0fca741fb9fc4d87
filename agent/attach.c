// SPDX-License-Identifier: GPL-2.0-only
/* attach.c: an instance and its cgroups. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <bpf/bpf.h>

#include "load.h"
#include "pass.h"
#include "util.h"
#include "cgroup/cgroup.h"

int instance_each_cgroup(const struct instance *in, int (*fn)(__u64 id, const struct hop_cgroup *, void *),
			 void *arg)
{
	struct hop_cgroup cg;
	__u64 key, next;
	int err, ret = 0;

	/* the callback may delete the current entry, so step on first */
	err = bpf_map_get_next_key(in->map[MAP_CGROUPS], NULL, &key);
	while (!err && !ret) {
		err = bpf_map_get_next_key(in->map[MAP_CGROUPS], &key, &next);
		if (!bpf_map_lookup_elem(in->map[MAP_CGROUPS], &key, &cg))
			ret = fn(key, &cg, arg);
		key = next;
	}
	return ret;
}

static int covers(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	(void)id;
	return !(cg->flags & HOP_CG_LEAVING) && cgroup_is_below(arg, cg->path);
}

/* Older connections are looked for in that many network namespaces of a cgroup. */
#define COLLECT_NETNS 256

struct collection {
	const struct instance *in;
	struct netns_list seen;
};

static int collect_netns(pid_t pid, void *arg)
{
	struct collection *c = arg;
	_cleanup_close_ int fd = c->seen.n < COLLECT_NETNS ? netns_list_open(&c->seen, pid) : -1;

	if (fd >= 0)
		instance_iterate(c->in, ITER_COLLECT, fd, 1, NULL, NULL);
	return 0;
}

/* The programs of a cgroup: name of the pinned program, suffix of the link's pin, attach type. */
static const struct {
	const char *prog, *suffix;
	enum bpf_attach_type type;
} hooks[] = {
	{"sockops", "", BPF_CGROUP_SOCK_OPS},
	{"setsockopt", "-setsockopt", BPF_CGROUP_SETSOCKOPT},
};

static void link_path(const struct instance *in, __u64 id, const char *suffix, char path[INSTANCE_PIN_MAX])
{
	char name[64];

	snprintf(name, sizeof(name), "cgroup-%llu%s", (unsigned long long)id, suffix);
	instance_pin(in, name, path);
}

static int link_hook(const struct instance *in, int cg, __u64 id, unsigned int hook)
{
	_cleanup_close_ int prog = -1;
	_cleanup_close_ int link = -1;
	char pin[INSTANCE_PIN_MAX];

	instance_pin(in, hooks[hook].prog, pin);
	prog = bpf_obj_get(pin);
	if (prog < 0)
		return -errno;
	/* a link allows other programs beside it (BPF_F_ALLOW_MULTI is implied) */
	link = bpf_link_create(prog, cg, hooks[hook].type, NULL);
	if (link < 0)
		return -errno;
	link_path(in, id, hooks[hook].suffix, pin);
	return bpf_obj_pin(link, pin) ? -errno : 0;
}

static int link_hooks(const struct instance *in, const char *path, __u64 id)
{
	_cleanup_close_ int cg = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = cg < 0 ? -errno : 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(hooks) && !err; i++)
		err = link_hook(in, cg, id, i);
	return err;
}

int instance_attach(struct instance *in, const char *path, __u32 flags)
{
	struct collection old = {.in = in};
	struct hop_cgroup cg = {.flags = flags};
	__u32 ids[64], n = ARRAY_SIZE(ids);
	__u64 id;
	int err = cgroup_id(path, &id);

	if (err)
		return err;
	if (instance_each_cgroup(in, covers, (void *)path))
		return -EALREADY;
	if ((size_t)snprintf(cg.path, sizeof(cg.path), "%s", path) >= sizeof(cg.path))
		return -ENAMETOOLONG;
	/* other programs may want the round-trip callback: then we never switch it off */
	if (!cgroup_sockops_progs(path, true, ids, &n) && n)
		in->config->keep_rtt = 1;
	if (bpf_map_update_elem(in->map[MAP_CGROUPS], &id, &cg, BPF_ANY))
		return -errno;
	err = link_hooks(in, path, id);
	if (err) {
		instance_unattach(in, id);
		return err;
	}
	if (in->config->setsockopt_iter)
		cgroup_each_pid(path, collect_netns, &old);
	netns_list_free(&old.seen);
	return 0;
}

int instance_mark_leaving(struct instance *in, __u64 id)
{
	struct hop_cgroup cg;

	if (bpf_map_lookup_elem(in->map[MAP_CGROUPS], &id, &cg))
		return -errno;
	cg.flags |= HOP_CG_LEAVING;
	return bpf_map_update_elem(in->map[MAP_CGROUPS], &id, &cg, BPF_EXIST) ? -errno : 0;
}

int instance_unattach(struct instance *in, __u64 id)
{
	char pin[INSTANCE_PIN_MAX];

	for (unsigned int i = 0; i < ARRAY_SIZE(hooks); i++) {
		link_path(in, id, hooks[i].suffix, pin);
		if (unlink(pin) && errno != ENOENT)
			return -errno;
	}
	return bpf_map_delete_elem(in->map[MAP_CGROUPS], &id) && errno != ENOENT ? -errno : 0;
}
