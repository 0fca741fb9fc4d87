// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "guard.h"
#include "agent/lib/util.h"
#include "guard.skel.h"

/* One of them refuses; the other one of two, if any, goes before it. */
static const struct mechanism {
	const char *name, *program, *before;
} mechanisms[] = {
	[HOP_GUARD_NONE] = {.name = "none"},
	[HOP_GUARD_LSM] = {"lsm/file_permission", "guard_lsm", NULL},
	[HOP_GUARD_FMOD_RET] = {"fmod_ret/security_file_permission", "guard_exit", "guard_entry"},
};

static const char *const pins[] = {INSTANCE_GUARD, INSTANCE_GUARD_ENTRY};

const char *guard_name(__u32 kind)
{
	return mechanisms[kind < ARRAY_SIZE(mechanisms) ? kind : HOP_GUARD_NONE].name;
}

/* The maps that it has in common with an instance: those of `in`, or (NULL) small ones of its own. */
static int share_maps(struct guard_bpf *skel, const struct instance *in)
{
	const struct guard_map shared[] = {
		{skel->maps.data_config, MAP_CONFIG}, {skel->maps.socks, MAP_SOCKS},
		{skel->maps.spliced, MAP_SPLICED},    {skel->maps.cgroups, MAP_CGROUPS},
		{skel->maps.counters, MAP_COUNTERS},  {skel->maps.events, MAP_EVENTS},
	};
	int err = guards_share_maps(skel->obj, in, shared, ARRAY_SIZE(shared));

	bpf_map__set_autocreate(skel->maps.bss, true);
	bpf_map__set_autocreate(skel->maps.refusals, true);
	return err;
}

static bool is_part(const struct mechanism *m, const char *program)
{
	return !strcmp(program, m->program) || (m->before && !strcmp(program, m->before));
}

/* Opened and loaded; the caller destroys it. NULL and *err. */
static struct guard_bpf *load(const struct instance *in, const struct mechanism *m, int *err)
{
	struct guard_bpf *skel = guard_bpf__open();
	struct bpf_program *prog;

	if (!skel) {
		*err = -errno;
		return NULL;
	}
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, is_part(m, bpf_program__name(prog)));
	*err = share_maps(skel, in);
	if (!*err)
		*err = guard_bpf__load(skel);
	if (!*err)
		return skel;
	guard_bpf__destroy(skel);
	return NULL;
}

struct links {
	struct bpf_link *link[ARRAY_SIZE(pins)]; /* what refuses; what goes before it */
};

static void unlink_all(struct links *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(l->link); i++)
		bpf_link__destroy(l->link[i]);
}

/* The deciding program comes first, so that no thread is refused before it was looked at. */
static int attach(struct guard_bpf *skel, const struct mechanism *m, struct links *l)
{
	const char *names[] = {m->program, m->before};

	for (int i = ARRAY_SIZE(names) - 1; i >= 0; i--) {
		if (!names[i])
			continue;
		l->link[i] = bpf_program__attach(bpf_object__find_program_by_name(skel->obj, names[i]));
		if (!l->link[i])
			return -errno;
	}
	return 0;
}

/*
 * Is a splice from a socket of ours refused? It has nothing to read, so unguarded it says EAGAIN. needs_calm:
 * only a kernel that does not preempt itself will do.
 */
static int try_splice(struct guard_bpf *skel, bool needs_calm)
{
	int s[2] = {-1, -1}, p[2] = {-1, -1}, err = 0;
	struct stat st;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s) ||
	    pipe2(p, O_NONBLOCK | O_CLOEXEC) || fstat(s[0], &st)) {
		err = -errno;
	} else {
		skel->bss->guard_probe = st.st_ino;
		if (splice(s[0], NULL, p[1], NULL, 1, SPLICE_F_NONBLOCK) != -1 || errno != EINVAL)
			err = -EOPNOTSUPP;
		skel->bss->guard_probe = 0;
		if (!err && needs_calm && skel->bss->guard_preempt)
			err = -EOPNOTSUPP;
		if (!err && (splice(s[0], NULL, p[1], NULL, 1, SPLICE_F_NONBLOCK) != -1 || errno != EAGAIN))
			err = -EOPNOTSUPP;
	}
	for (int i = 0; i < 2; i++) {
		util__close(&s[i]);
		util__close(&p[i]);
	}
	return err;
}

/* Load, attach and see that it acts. Nothing stays on failure; else both belong to the caller. */
static int try_mechanism(const struct instance *in, __u32 kind, struct guard_bpf **skel, struct links *l)
{
	int err;

	*l = (struct links){};
	*skel = load(in, &mechanisms[kind], &err);
	if (!*skel)
		return err;
	if (in)
		in->config->guard_kind = kind;
	err = attach(*skel, &mechanisms[kind], l);
	if (!err)
		err = try_splice(*skel, kind == HOP_GUARD_FMOD_RET);
	if (!err)
		return 0;
	unlink_all(l);
	guard_bpf__destroy(*skel);
	return err;
}

/* The first mechanism that works here. The error of the first that does not, if none does. */
static int try_all(const struct instance *in, __u32 *kind, struct guard_bpf **skel, struct links *l)
{
	libbpf_print_fn_t print = libbpf_set_print(guards_print);
	int first = 0, err = -EOPNOTSUPP;

	for (__u32 k = HOP_GUARD_LSM; k < ARRAY_SIZE(mechanisms) && err; k++) {
		err = try_mechanism(in, k, skel, l);
		first = first ?: err;
		*kind = k;
	}
	libbpf_set_print(print);
	if (err && in)
		in->config->guard_kind = HOP_GUARD_NONE;
	return err ? first : 0;
}

int guard_probe(__u32 *kind)
{
	struct guard_bpf *skel;
	struct links l;
	int err = try_all(NULL, kind, &skel, &l);

	if (err)
		return err;
	unlink_all(&l);
	guard_bpf__destroy(skel);
	return 0;
}

static int pin_links(const struct instance *in, struct links *l)
{
	char path[INSTANCE_PIN_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(l->link); i++) {
		if (!l->link[i])
			continue;
		instance_pin(in, pins[i], path);
		if (bpf_link__pin(l->link[i], path))
			return -errno;
	}
	return 0;
}

/* What refuses goes first, so that nothing is left half. */
static void unpin_links(const struct instance *in)
{
	for (size_t i = 0; i < ARRAY_SIZE(pins); i++)
		guards_unpin(in, pins[i]);
}

static bool is_attached(const struct instance *in)
{
	return in->config->guard_kind && guards_pinned(in, INSTANCE_GUARD);
}

int guard_attach(struct instance *in)
{
	struct guard_bpf *skel;
	struct links l;
	__u32 kind;
	int err;

	if (is_attached(in))
		return 0;
	err = try_all(in, &kind, &skel, &l);
	if (err)
		return err;
	err = pin_links(in, &l);
	unlink_all(&l);
	guard_bpf__destroy(skel);
	if (err) {
		unpin_links(in);
		in->config->guard_kind = HOP_GUARD_NONE;
	}
	return err;
}

void guard_detach(struct instance *in)
{
	unpin_links(in);
	in->config->guard_kind = HOP_GUARD_NONE;
}
