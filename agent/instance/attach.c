// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <bpf/bpf.h>

#include "attach.h"
#include "netns.h"
#include "walk.h"
#include "agent/lib/progress.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

/* An entry whose cgroup is gone covers nothing, whatever has its path now. */
static int covers(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	return cgroup_is_below(arg, cg->path) && instance_cgroup_state(id, cg) == CGROUP_ATTACHED;
}

/*
 * How many network namespaces of a cgroup are searched for older connections, and for how long. The agent
 * has little time, since others wait for it; a cgroup that has just been made has no processes yet, or one.
 */
#define COLLECT_NETNS	 256
#define COLLECT_NS	 5000000000ull
#define COLLECT_AGAIN_NS 500000000ull

struct collection {
	const struct instance *in;
	const char *path;
	netns_fn *fn;
	void *to;
	unsigned int n, done; /* namespaces; `done` in the parent */
	struct netns_list *blocked;
};

static int collect_netns(int fd, __u32 inum, void *arg)
{
	struct collection *c = arg;

	return c->n++ < COLLECT_NETNS ? c->fn(fd, inum, c->to) : 0;
}

static int collect_each(netns_fn *fn, void *to, void *arg)
{
	struct collection *c = arg;

	c->fn = fn;
	c->to = to;
	return netns_each(c->in, c->path, NULL, collect_netns, c);
}

static void collected(__u32 inum, int err, void *arg)
{
	struct collection *c = arg;

	c->done++;
	progress_say("older connections, %u network namespaces done: %s", c->done, c->path);
	if (err == -ETIMEDOUT && c->blocked)
		netns_list_add(c->blocked, inum);
}

/* Connections that are older than the attach become candidates. One that is not found stays on TCP. */
static void collect(const struct instance *in, const char *path, unsigned long long ns,
		    struct netns_list *blocked)
{
	struct collection c = {.in = in, .path = path, .blocked = blocked};
	const struct walk walk = {
		.iter = ITER_COLLECT, .size = 1, .each = collect_each, .done = collected, .arg = &c};
	struct walks walks = {};

	if (!in->config->setsockopt_iter)
		return;
	progress_say("older connections: %s", path);
	walk_run(in, &walks, &walk, now_ns() + ns, NULL);
	walks_free(&walks);
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

static int unpin_links(const struct instance *in, __u64 id)
{
	char pin[INSTANCE_PIN_MAX];

	for (unsigned int i = 0; i < ARRAY_SIZE(hooks); i++) {
		link_path(in, id, hooks[i].suffix, pin);
		if (unlink(pin) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int link_hook(const struct instance *in, int cg, __u64 id, unsigned int hook)
{
	_cleanup_close_ int prog = -1;
	_cleanup_close_ int link = -1;
	char pin[INSTANCE_PIN_MAX], from[INSTANCE_PIN_MAX];

	link_path(in, id, hooks[hook].suffix, pin);
	if (!access(pin, F_OK))
		return 0; /* it was leaving, and may stay */
	instance_pin(in, hooks[hook].prog, from);
	prog = bpf_obj_get(from);
	if (prog < 0)
		return -errno;
	/* a link allows other programs beside it (BPF_F_ALLOW_MULTI is implied) */
	link = bpf_link_create(prog, cg, hooks[hook].type, NULL);
	if (link < 0)
		return -errno;
	return bpf_obj_pin(link, pin) ? -errno : 0;
}

static int link_hooks(const struct instance *in, const char *path, __u64 id)
{
	_cleanup_close_ int cg = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int err = cg < 0 || fstat(cg, &st) ? -errno : 0;

	if (!err && st.st_ino != id)
		err = -ENOENT; /* it has gone, and its path has the next one already */
	for (unsigned int i = 0; i < ARRAY_SIZE(hooks) && !err; i++)
		err = link_hook(in, cg, id, i);
	return err;
}

/*
 * A detach of this cgroup was given up, and its entry says LEAVING still. Its links are there, so
 * ends that closed meanwhile were counted out. Ends that have left are held back for good, as their cgroup
 * was no longer attached; they are judged again, as after a change of policy.
 */
static void stay(struct instance *in)
{
	__atomic_add_fetch(&in->config->policy_gen, 1, __ATOMIC_RELEASE);
	instance_poke(in); /* a failure does not matter: the caller that attaches wakes it anyway */
}

/* The kernel's number of our sockops program, or 0. */
static __u32 own_sockops(const struct instance *in)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	_cleanup_close_ int prog = -1;
	char pin[INSTANCE_PIN_MAX];

	instance_pin(in, "sockops", pin);
	prog = bpf_obj_get(pin);
	return prog < 0 || bpf_obj_get_info_by_fd(prog, &info, &len) ? 0 : info.id;
}

static bool others_on(const char *path, __u32 own)
{
	__u32 ids[64], n = ARRAY_SIZE(ids);

	if (cgroup_sockops_progs(path, true, ids, &n))
		return false;
	for (__u32 i = 0; i < n; i++)
		if (ids[i] != own)
			return true;
	return false;
}

/*
 * Other programs may want the round-trip callback: then we never switch it off. For those that came after us
 * a second attach finds out.
 */
static void look_for_others(struct instance *in, const char *path)
{
	if (others_on(path, own_sockops(in)))
		in->config->keep_rtt = 1;
}

static int others_on_cgroup(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	(void)id;
	return others_on(cg->path, *(const __u32 *)arg);
}

bool instance_shares_sockops(const struct instance *in)
{
	__u32 own = own_sockops(in);

	return instance_each_cgroup(in, others_on_cgroup, &own) > 0;
}

/*
 * 1: a link of this cgroup is pinned, and the kernel still needs it; 0: pinned ones are dead; -ENOENT: none
 * is pinned; -errno. It lets go of the links of a removed cgroup with the last of its sockets and
 * descendants (cgroup_bpf_release(), kernel/bpf/cgroup.c), and then their information names no cgroup.
 */
static int links_alive(const struct instance *in, __u64 id)
{
	char pin[INSTANCE_PIN_MAX];
	int alive = -ENOENT;

	for (unsigned int i = 0; i < ARRAY_SIZE(hooks) && alive <= 0; i++) {
		struct bpf_link_info info = {};
		__u32 len = sizeof(info);
		_cleanup_close_ int fd = -1;

		link_path(in, id, hooks[i].suffix, pin);
		fd = bpf_obj_get(pin);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
			return -errno;
		alive = info.cgroup.cgroup_id != 0;
	}
	return alive;
}

int instance_tidy(struct instance *in, __u64 id, enum cgroup_state state)
{
	int alive = links_alive(in, id), err;

	if (alive > 0)
		return -EBUSY;
	if (alive < 0 && alive != -ENOENT)
		return alive;
	if (state == CGROUP_WAITING)
		return alive == -ENOENT ? 0 : unpin_links(in, id) ?: 1;
	err = instance_unattach(in, id);
	return err ?: 1;
}

struct successor {
	struct instance *in;
	const char *path;
	__u64 id; /* it may have gone by now, and waits then */
};

/* Its path has another cgroup now. The members that are left in it leave, and then it goes. */
static int retire(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	const struct successor *s = arg;
	int err;

	if (id == s->id || strcmp(cg->path, s->path) || instance_cgroup_state(id, cg) < CGROUP_WAITING)
		return 0;
	err = instance_mark_leaving(s->in, id);
	if (!err)
		instance_tidy(s->in, id, CGROUP_GONE); /* if it can be now; else the agent does */
	return err;
}

static int attach_at(struct instance *in, const char *path, __u64 id, __u32 flags)
{
	struct hop_cgroup cg = {.flags = flags}, old = {};
	struct successor successor = {in, path, id};
	int err;

	if ((size_t)snprintf(cg.path, sizeof(cg.path), "%s", path) >= sizeof(cg.path))
		return -ENAMETOOLONG;
	bpf_map_lookup_elem(in->map[MAP_CGROUPS], &id, &old);
	cg.flags |= old.flags & HOP_CG_OWNED;
	if (bpf_map_update_elem(in->map[MAP_CGROUPS], &id, &cg, BPF_ANY))
		return -errno;
	err = link_hooks(in, path, id);
	if (err) {
		instance_unattach(in, id);
		return err;
	}
	if (old.flags & HOP_CG_LEAVING)
		stay(in);
	return instance_each_cgroup(in, retire, &successor);
}

int instance_attach(struct instance *in, const char *path, __u32 flags, struct netns_list *blocked)
{
	__u64 id;
	int err = cgroup_id(path, &id);

	if (err)
		return err;
	look_for_others(in, path);
	if (instance_each_cgroup(in, covers, (void *)path))
		return -EALREADY;
	err = attach_at(in, path, id, flags);
	if (!err)
		collect(in, path, COLLECT_NS, blocked);
	return err;
}

/* What the agent attaches when it appears. */
static int attach_appeared(struct instance *in, const char *path, __u32 flags)
{
	__u64 id;
	int err = cgroup_id(path, &id);

	if (err)
		return err;
	look_for_others(in, path);
	err = attach_at(in, path, id, flags);
	if (!err)
		collect(in, path, COLLECT_AGAIN_NS, NULL);
	return err;
}

int instance_attach_again(struct instance *in, const char *path)
{
	return attach_appeared(in, path, 0);
}

int instance_attach_found(struct instance *in, const char *path)
{
	if (instance_each_cgroup(in, covers, (void *)path))
		return -EALREADY;
	return attach_appeared(in, path, HOP_CG_SELECTED);
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
	int err = unpin_links(in, id);

	if (err)
		return err;
	return bpf_map_delete_elem(in->map[MAP_CGROUPS], &id) && errno != ENOENT ? -errno : 0;
}
