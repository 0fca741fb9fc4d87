// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "instance.h"
#include "folder.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

static const char *const map_names[MAP_COUNT] = {
	[MAP_CONFIG] = "config",     [MAP_MEMBERS] = "members",	  [MAP_ENDS] = "ends",
	[MAP_SOCKS] = "socks",	     [MAP_COUNTERS] = "counters", [MAP_EVENTS] = "events",
	[MAP_VETTED] = "vetted",     [MAP_CGROUPS] = "cgroups",	  [MAP_POLICY] = "policy",
	[MAP_COLLAPSE] = "collapse", [MAP_RELAYED] = "relayed",	  [MAP_PASSES] = "passes",
	[MAP_PROGRAMS] = "programs", [MAP_SPLICED] = "spliced",	  [MAP_TRANSLATIONS] = "translations",
};
static const char *const iter_names[ITER_COUNT] = {
	[ITER_VISIT] = "visit",	    [ITER_COLLECT] = "collect",	      [ITER_SHOW_TCP] = "show_tcp",
	[ITER_HOLDERS] = "holders", [ITER_RELAY_ENDS] = "relay_ends",
};

const char *instance_map_name(enum instance_map map)
{
	return map_names[map];
}

const char *instance_iter_name(enum instance_iter iter)
{
	return iter_names[iter];
}

int instance_root(char *buf, size_t size)
{
	struct statfs fs;

	if (statfs(FOLDER_BPFFS, &fs))
		return -errno;
	if ((unsigned long)fs.f_type != BPF_FS_MAGIC)
		return -ENOENT;
	if ((size_t)snprintf(buf, size, FOLDER_BPFFS "/" FOLDER_NAME) >= size)
		return -ENAMETOOLONG;
	return 0;
}

static void instance_init(struct instance *in)
{
	memset(in, 0, sizeof(*in));
	in->lock_fd = in->show_end = in->poke = in->begin = -1;
	for (int i = 0; i < MAP_COUNT; i++)
		in->map[i] = -1;
	for (int i = 0; i < ITER_COUNT; i++)
		in->iter[i] = -1;
}

void instance_close(struct instance *in)
{
	if (in->config)
		munmap(in->config, sysconf(_SC_PAGESIZE));
	for (int i = 0; i < MAP_COUNT; i++)
		util__close(&in->map[i]);
	for (int i = 0; i < ITER_COUNT; i++)
		util__close(&in->iter[i]);
	util__close(&in->show_end);
	util__close(&in->poke);
	util__close(&in->lock_fd);
	instance_init(in);
}

void instance_pin(const struct instance *in, const char *name, char path[INSTANCE_PIN_MAX])
{
	/* the kernel takes a path relative to a descriptor for pins since 6.6 only (commit cb8edce28073) */
	snprintf(path, INSTANCE_PIN_MAX, "/proc/self/fd/%d/%s", in->lock_fd, name);
}

static int open_map(struct instance *in, enum instance_map map, int flags)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = flags & INSTANCE_READ ? BPF_F_RDONLY : 0);
	char path[INSTANCE_PIN_MAX];

	instance_pin(in, map_names[map], path);
	in->map[map] = bpf_obj_get_opts(path, &opts);
	return in->map[map] < 0 ? -errno : 0;
}

/* All but the configuration, which is open: another ABI may have other pins. */
static int open_pins(struct instance *in, int flags)
{
	char path[INSTANCE_PIN_MAX];
	int err;

	for (int i = 0; i < MAP_COUNT; i++) {
		/* the ring buffer refuses read-only opens: readers do not need it */
		if (i == MAP_CONFIG || (flags & INSTANCE_READ && i == MAP_EVENTS))
			continue;
		err = open_map(in, i, flags);
		if (err)
			return err;
	}
	instance_pin(in, INSTANCE_SHOW_END, path);
	in->show_end = bpf_obj_get(path);
	if (in->show_end < 0)
		return -errno;
	instance_pin(in, INSTANCE_POKE, path);
	in->poke = bpf_obj_get(path);
	if (in->poke < 0)
		return -errno;
	instance_pin(in, INSTANCE_BEGIN, path);
	in->begin = bpf_obj_get(path);
	if (in->begin < 0)
		return -errno;
	for (int i = 0; i < ITER_COUNT; i++) {
		instance_pin(in, iter_names[i], path);
		in->iter[i] = bpf_obj_get(path);
		if (in->iter[i] < 0)
			return -errno;
	}
	return 0;
}

/*
 * A read-only map cannot be mapped: mmap() drops VM_SHARED for a file that is not writable, which
 * bpf_map_mmap() refuses. Readers get a snapshot on a page of their own instead.
 */
static int map_config(struct instance *in, int flags)
{
	bool ro = flags & INSTANCE_READ;
	void *p = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
		       ro ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, ro ? -1 : in->map[MAP_CONFIG], 0);
	__u32 zero = 0;

	if (p == MAP_FAILED)
		return -errno;
	in->config = p;
	if (ro && bpf_map_lookup_elem(in->map[MAP_CONFIG], &zero, p))
		return -errno;
	return in->config->abi == HOP_ABI || flags & INSTANCE_ANY_ABI ? 0 : -EPROTO;
}

/* What an instance of any ABI has, see INSTANCE_ANY_ABI. */
static int open_frozen(struct instance *in)
{
	char path[INSTANCE_PIN_MAX];
	int err = open_map(in, MAP_MEMBERS, 0);

	if (err)
		return err;
	instance_pin(in, INSTANCE_POKE, path);
	in->poke = bpf_obj_get(path); /* since ABI 7 */
	instance_pin(in, iter_names[ITER_VISIT], path);
	in->iter[ITER_VISIT] = bpf_obj_get(path);
	return in->iter[ITER_VISIT] < 0 ? -errno : 0;
}

int instance_open(struct instance *out, const char *name, int flags)
{
	_cleanup_close_ int root_fd = folder_root(false);
	struct instance in;
	char root[PATH_MAX];
	int err;

	instance_init(&in);
	if (root_fd < 0)
		return root_fd;
	err = instance_root(root, sizeof(root));
	if (err)
		return err;
	if (!name)
		name = INSTANCE_DEFAULT;
	snprintf(in.name, sizeof(in.name), "%s", name);
	if ((size_t)snprintf(in.dir, sizeof(in.dir), "%s/%s", root, name) >= sizeof(in.dir))
		return -ENAMETOOLONG;
	in.lock_fd = folder_open(root_fd, name);
	if (in.lock_fd < 0)
		return in.lock_fd;
	err = 0;
	if (flags & INSTANCE_LOCK && flock(in.lock_fd, LOCK_EX))
		err = -errno;
	if (!err)
		err = open_map(&in, MAP_CONFIG, flags);
	if (!err)
		err = map_config(&in, flags);
	if (!err)
		err = flags & INSTANCE_ANY_ABI ? open_frozen(&in) : open_pins(&in, flags);
	if (err) {
		instance_close(&in);
		return err;
	}
	*out = in;
	return 0;
}

int instance_each(int (*fn)(const char *name, void *arg), void *arg)
{
	_cleanup_close_ int root = folder_root(false);
	struct dirent **list = NULL;
	char path[PATH_MAX];
	int n, ret = 0;

	if (root < 0) /* no bpffs is an error, no folder is none */
		return root == -ENOENT ? instance_root(path, sizeof(path)) : root;
	n = scandirat(root, ".", &list, NULL, alphasort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (!ret && list[i]->d_name[0] != '.')
			ret = fn(list[i]->d_name, arg);
		free(list[i]);
	}
	free(list);
	return ret;
}

unsigned long long instance_counter(const struct instance *in, unsigned int index)
{
	int cpus = libbpf_num_possible_cpus();
	unsigned long long sum = 0;
	_cleanup_free_ __u64 *v = cpus > 0 ? calloc(cpus, sizeof(*v)) : NULL;

	if (!v || bpf_map_lookup_elem(in->map[MAP_COUNTERS], &index, v))
		return 0;
	for (int i = 0; i < cpus; i++)
		sum += v[i];
	return sum;
}

int instance_policy_get(const struct instance *in, struct hop_policy *out)
{
	__u32 slot = in->config->policy_slot & 1;

	return bpf_map_lookup_elem(in->map[MAP_POLICY], &slot, out) ? -errno : 0;
}

int instance_policy_set(struct instance *in, const struct hop_policy *policy)
{
	__u32 slot = (in->config->policy_slot + 1) & 1, early = 0;

	if (bpf_map_update_elem(in->map[MAP_POLICY], &slot, policy, BPF_ANY))
		return -errno;
	for (__u32 i = 0; i < policy->count; i++)
		early += policy->rule[i].action == HOP_ACTION_EARLY;
	__atomic_store_n(&in->config->policy_slot, slot, __ATOMIC_RELEASE);
	__atomic_store_n(&in->config->early, early, __ATOMIC_RELEASE);
	__atomic_add_fetch(&in->config->policy_gen, 1, __ATOMIC_RELEASE);
	return 0;
}

/* Read all records; a short read may split one, so the rest moves to the front. */
static int read_records(int fd, size_t size, int (*fn)(const void *, void *), void *arg)
{
	char buf[64 * 1024];
	size_t have = 0;
	ssize_t n;
	int ret = 0;

	for (;;) {
		n = read(fd, buf + have, sizeof(buf) - have);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : ret;
		if (!fn)
			continue;
		have += n;
		size_t off = 0;

		for (; have - off >= size && !ret; off += size)
			ret = fn(buf + off, arg);
		if (ret)
			return ret;
		memmove(buf, buf + off, have - off);
		have -= off;
	}
}

/* Tell the kernel side what the iterators of this thread are asked for. */
static int begin(const struct instance *in, __u32 mode)
{
	struct hop_begin ctx = {.mode = mode};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	if (bpf_prog_test_run_opts(in->begin, &opts))
		return -errno;
	return opts.retval ? -ENOMEM : 0;
}

int instance_iterate(const struct instance *in, enum instance_iter which, __u32 mode, size_t size,
		     int (*fn)(const void *record, void *arg), void *arg)
{
	_cleanup_close_ int fd = bpf_iter_create(in->iter[which]);
	/* an instance of another ABI is opened without it: nothing noted is mode 0 */
	bool told = in->begin >= 0 && (which == ITER_VISIT || which == ITER_HOLDERS);
	int err = told ? begin(in, mode) : 0;

	if (err)
		return err;
	return fd < 0 ? -errno : read_records(fd, size, fn, arg);
}

bool instance_agent_alive(const struct instance *in, int *pid)
{
	_cleanup_close_ int fd =
		openat(in->lock_fd, "agent", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (pid)
		*pid = 0;
	if (fd < 0 || !flock(fd, LOCK_SH | LOCK_NB))
		return false; /* nobody holds the lock; ours goes with fd */
	if (pid)
		*pid = in->config->agent_pid;
	return errno == EWOULDBLOCK;
}

int instance_poke(const struct instance *in)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	return bpf_prog_test_run_opts(in->poke, &opts) ? -errno : 0;
}

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

/* Has this cgroup been removed? Another one may have its path by now. */
static bool cgroup_gone(__u64 id, const struct hop_cgroup *cg)
{
	char path[PATH_MAX];
	__u64 now;

	if (!cgroup_id(cg->path, &now) && now == id)
		return false;
	/* renamed, or hidden from us by a mount? */
	return cgroup_path_by_id(id, path, sizeof(path)) == -ENOENT;
}

enum cgroup_state instance_cgroup_state(__u64 id, const struct hop_cgroup *cg)
{
	if (!cgroup_gone(id, cg))
		return cg->flags & HOP_CG_LEAVING ? CGROUP_DRAINING : CGROUP_ATTACHED;
	return cg->flags & (HOP_CG_LEAVING | HOP_CG_OWNED | HOP_CG_SELECTED) ? CGROUP_GONE : CGROUP_WAITING;
}

const char *cgroup_state_name(enum cgroup_state state)
{
	static const char *const names[] = {
		[CGROUP_ATTACHED] = "attached",
		[CGROUP_DRAINING] = "draining",
		[CGROUP_WAITING] = "waiting",
		[CGROUP_GONE] = "gone",
	};

	return names[state];
}
