// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "create.h"
#include "folder.h"
#include "force.h"
#include "agent/lib/report.h"
#include "agent/lib/util.h"
#include "hop.skel.h"

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if ((int)level > log_level - 1 && !(log_level && level == LIBBPF_WARN))
		return 0;
	return vfprintf(stderr, fmt, ap);
}

static void set_defaults(struct hop_config *c, const struct probe *probe, unsigned int max_connections)
{
	c->abi = HOP_ABI;
	/* for tests only: takes single rules away, see enum hop_force */
	force_from_env((__u32 *)&c->force); /* instance_create() has found it good */
	/* one receive queue; where the kernel cannot, edge-triggered readers stay out (sock_edge()) */
	c->verdict = probe->one_queue && !(c->force & HOP_FORCE_QUEUES);
	c->hop_fionread_broken = !probe->fionread_hop || !probe->fionread_tcp;
	c->setsockopt_iter = probe->iter_setsockopt;
	c->keep_rtt = !probe->iter_setsockopt; /* once off, no pass could switch it on again */
	c->min_segs = HOP_MIN_SEGS;
	c->large = HOP_LARGE;
	c->min_rate = HOP_MIN_RATE;
	c->max_burst = HOP_MAX_BURST;
	c->memory_room = HOP_MEMORY_ROOM / sysconf(_SC_PAGESIZE);
	c->max_members = 2 * max_connections;
	c->attached_ns = now_ns();
	if (c->force & HOP_FORCE_YOUNG) {
		c->min_segs = 2;
		c->large = 0;
		c->min_rate = 0;
	}
}

static int size_maps(struct hop_bpf *skel, unsigned int max_connections)
{
	unsigned int n = 2 * max_connections;
	int err;

	err = bpf_map__set_max_entries(skel->maps.members, n);
	if (!err) /* ends of connections to other hosts register as well: room for as many again */
		err = bpf_map__set_max_entries(skel->maps.ends, 2 * n);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.vetted, 2 * n);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.collapse, n);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.translations, n);
	return err;
}

static int pin_map(struct bpf_map *map, const char *dir, const char *name)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return bpf_map__pin(map, path);
}

static int pin_maps(struct hop_bpf *skel, const char *dir)
{
	const struct {
		enum instance_map which;
		struct bpf_map *map;
	} maps[] = {
		{MAP_CONFIG, skel->maps.data_config},
		{MAP_MEMBERS, skel->maps.members},
		{MAP_ENDS, skel->maps.ends},
		{MAP_SOCKS, skel->maps.socks},
		{MAP_COUNTERS, skel->maps.counters},
		{MAP_EVENTS, skel->maps.events},
		{MAP_VETTED, skel->maps.vetted},
		{MAP_CGROUPS, skel->maps.cgroups},
		{MAP_POLICY, skel->maps.policy},
		{MAP_COLLAPSE, skel->maps.collapse},
		{MAP_RELAYED, skel->maps.relayed},
		{MAP_PASSES, skel->maps.passes},
		{MAP_PROGRAMS, skel->maps.programs},
		{MAP_SPLICED, skel->maps.spliced},
		{MAP_TRANSLATIONS, skel->maps.translations},
	};
	int err = 0;

	_Static_assert(ARRAY_SIZE(maps) == MAP_COUNT, "every map is pinned");
	for (size_t i = 0; i < ARRAY_SIZE(maps) && !err; i++)
		err = pin_map(maps[i].map, dir, instance_map_name(maps[i].which));
	return err;
}

static int pin_link(struct bpf_link *link, const char *dir, const char *name)
{
	char path[PATH_MAX + 32];
	int err;

	if (!link)
		return -errno;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	err = bpf_link__pin(link, path);
	bpf_link__destroy(link);
	return err;
}

static int pin_iters(struct hop_bpf *skel, const char *dir)
{
	const struct {
		enum instance_iter which;
		struct bpf_program *prog;
	} iters[] = {
		{ITER_VISIT, skel->progs.hop_visit},	       {ITER_COLLECT, skel->progs.hop_collect},
		{ITER_SHOW_TCP, skel->progs.hop_show_tcp},     {ITER_HOLDERS, skel->progs.hop_holders},
		{ITER_RELAY_ENDS, skel->progs.hop_relay_ends},
	};
	int err = 0;

	_Static_assert(ARRAY_SIZE(iters) == ITER_COUNT, "every iterator is pinned");
	for (size_t i = 0; i < ARRAY_SIZE(iters) && !err; i++)
		err = pin_link(bpf_program__attach_iter(iters[i].prog, NULL), dir,
			       instance_iter_name(iters[i].which));
	return err;
}

static int pin_programs(struct hop_bpf *skel, const char *dir, bool early)
{
	struct bpf_program *ops = early ? skel->progs.hop_sockops : skel->progs.hop_sockops_late;
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/sockops", dir);
	if (bpf_program__pin(ops, path))
		return -errno;
	snprintf(path, sizeof(path), "%s/setsockopt", dir);
	if (bpf_program__pin(skel->progs.hop_setsockopt, path))
		return -errno;
	snprintf(path, sizeof(path), "%s/" INSTANCE_SHOW_END, dir);
	if (bpf_program__pin(skel->progs.hop_show_end, path))
		return -errno;
	snprintf(path, sizeof(path), "%s/" INSTANCE_POKE, dir);
	if (bpf_program__pin(skel->progs.hop_poke, path))
		return -errno;
	snprintf(path, sizeof(path), "%s/" INSTANCE_BEGIN, dir);
	if (bpf_program__pin(skel->progs.hop_begin, path))
		return -errno;
	return pin_link(bpf_program__attach(skel->progs.hop_exec), dir, "exec");
}

/* Put the verdict programs on the sockhash. They hold it, and it them, while it has members. */
static int arm(struct hop_bpf *skel)
{
	int map = bpf_map__fd(skel->maps.members);

	struct bpf_program *msg =
		bpf_program__autoload(skel->progs.hop_msg) ? skel->progs.hop_msg : skel->progs.hop_msg_probe;

	if (bpf_prog_attach(bpf_program__fd(msg), map, BPF_SK_MSG_VERDICT, 0))
		return -errno;
	if (skel->data_config->cfg.verdict &&
	    bpf_prog_attach(bpf_program__fd(skel->progs.hop_verdict), map, BPF_SK_SKB_STREAM_VERDICT, 0))
		return -errno;
	return 0;
}

/*
 * Jiffies in this many seconds. A coarse clock advances once a tick, and clock_getres(2) says how long that
 * is (KTIME_LOW_RES, kernel/time/posix-timers.c).
 */
static __u32 jiffies(unsigned int seconds)
{
	struct timespec tick = {};

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return tick.tv_nsec ? seconds * 1000000000ull / tick.tv_nsec : 0;
}

static int build(struct hop_bpf *skel, const char *dir, const struct probe *probe,
		 const struct load_options *o)
{
	unsigned int n = o->max_connections ?: DEFAULT_MAX_CONNECTIONS;
	char agent[PATH_MAX + 8];
	bool early = probe->one_queue; /* it is unknown how an accepted socket will be waited for */
	__u32 slot = 0;
	int err;

	set_defaults((struct hop_config *)&skel->data_config->cfg, probe, n);
	skel->data_config->cfg.idle_ns = o->idle_s * 1000000000ull;
	skel->data_config->cfg.heartbeat = o->heartbeat_s;
	skel->data_config->cfg.beat = jiffies(o->heartbeat_s);
	skel->data_config->cfg.observe = o->observe;
	bpf_program__set_autoload(skel->progs.hop_sockops, early);
	bpf_program__set_autoload(skel->progs.hop_sockops_late, !early);
	/* bpf_rdonly_cast() came with bpf_cast_to_kern_ctx() (6.2, kernel commits a35b9af4ec2c and
	 * fd264ca02094) */
	bpf_program__set_autoload(skel->progs.hop_msg, probe->kern_ctx);
	bpf_program__set_autoload(skel->progs.hop_msg_probe, !probe->kern_ctx);
	bpf_program__set_autoload(skel->progs.hop_verdict, skel->data_config->cfg.verdict);
	err = size_maps(skel, n);
	if (!err)
		err = hop_bpf__load(skel);
	if (!err)
		err = arm(skel);
	if (!err && o->policy) {
		for (__u32 i = 0; i < o->policy->count; i++)
			skel->data_config->cfg.early += o->policy->rule[i].action == HOP_ACTION_EARLY;
		if (bpf_map_update_elem(bpf_map__fd(skel->maps.policy), &slot, o->policy, BPF_ANY))
			err = -errno;
	}
	if (!err)
		err = pin_maps(skel, dir);
	if (!err)
		err = pin_iters(skel, dir);
	if (!err)
		err = pin_programs(skel, dir, early);
	snprintf(agent, sizeof(agent), "%s/agent", dir);
	if (!err && mkdir(agent, 0700))
		err = -errno;
	return err;
}

static int probe_all(struct probe *probe, struct report *r)
{
	int err = probe_kernel(probe);

	if (probe->load)
		err = probe->load;
	if (err)
		return report_add(r, FAILED_PROBE, err, NULL);
	if (!probe->hop)
		return report_add(r, FAILED_NO_HOP, -EOPNOTSUPP, NULL);
	if (!probe->charged)
		return report_add(r, FAILED_NOT_CHARGED, -EOPNOTSUPP, NULL);
	return 0;
}

/* Build it in a stage, and rename that. On failure nothing stays. */
static int build_staged(struct hop_bpf *skel, int root, const char *name, const struct probe *probe,
			const struct load_options *options)
{
	_cleanup_close_ int fd = -1;
	char stage[NAME_MAX + 1], dir[32];
	int err;

	if ((size_t)snprintf(stage, sizeof(stage), "%s-new-%d", name, getpid()) >= sizeof(stage))
		return -ENAMETOOLONG;
	if (mkdirat(root, stage, 0700))
		return -errno;
	fd = folder_open(root, stage);
	snprintf(dir, sizeof(dir), "/proc/self/fd/%d", fd);
	err = fd < 0 ? fd : build(skel, dir, probe, options);
	if (!err && renameat(root, stage, root, name))
		err = -errno;
	if (err)
		folder_remove(root, stage);
	return err;
}

/* Rules are turned off only by switches that we know, and we warn about it. */
static int check_force(struct report *r)
{
	char names[256];
	__u32 force;
	int err = force_from_env(&force);

	if (err)
		return report_add(r, FAILED_SWITCHES, err, getenv(FORCE_ENV));
	force_names(force, names, sizeof(names));
	if (force)
		report_add(r, NOTED_SWITCHES, 0, names);
	return 0;
}

int instance_create(const char *name, const struct load_options *options, struct report *r)
{
	_cleanup_close_ int root = folder_root(false);
	struct hop_bpf *skel;
	struct probe probe = {};
	struct stat st;
	int err;

	if (root < 0)
		return report_add(r, FAILED_LOAD, root, name);
	if (!fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW))
		return report_add(r, FAILED_LOAD, -EEXIST, name);
	err = check_force(r);
	if (!err)
		err = probe_all(&probe, r);
	if (err)
		return err;
	libbpf_set_print(print_libbpf);
	skel = hop_bpf__open();
	if (!skel)
		return report_add(r, FAILED_LOAD, -errno, name);
	err = build_staged(skel, root, name, &probe, options);
	if (err)
		report_add(r, FAILED_LOAD, err, name);
	hop_bpf__destroy(skel);
	return err;
}
