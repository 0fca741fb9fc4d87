// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "guards.h"
#include "agent/lib/util.h"

int guards_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (log_level < 2 || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

/*
 * Does this host refuse such programs whatever they are? A program for something that is no function says
 * EINVAL where they are allowed, EPERM where not. Cheap: to load the real ones libbpf reads all of the
 * kernel's BTF.
 */
bool guards_refused_here(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, lsm, .expected_attach_type = BPF_LSM_MAC, .attach_btf_id = 1);
	LIBBPF_OPTS(bpf_prog_load_opts, fmod, .expected_attach_type = BPF_MODIFY_RETURN, .attach_btf_id = 1);
	_cleanup_close_ int a =
		bpf_prog_load(BPF_PROG_TYPE_LSM, "sockhop_ask", "GPL", insns, ARRAY_SIZE(insns), &lsm);
	bool refused = a < 0 && errno == EPERM;
	_cleanup_close_ int b =
		bpf_prog_load(BPF_PROG_TYPE_TRACING, "sockhop_ask", "GPL", insns, ARRAY_SIZE(insns), &fmod);

	return refused && b < 0 && errno == EPERM;
}

int guards_share_maps(struct bpf_object *obj, const struct instance *in, const struct guard_map *shared,
		      size_t n)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, obj) bpf_map__set_autocreate(map, false);
	for (size_t i = 0; i < n && !err; i++) {
		bpf_map__set_autocreate(shared[i].map, true);
		if (in)
			err = bpf_map__reuse_fd(shared[i].map, in->map[shared[i].which]);
	}
	return err;
}

bool guards_pinned(const struct instance *in, const char *name)
{
	char path[INSTANCE_PIN_MAX];

	instance_pin(in, name, path);
	return !access(path, F_OK);
}

void guards_unpin(const struct instance *in, const char *name)
{
	char path[INSTANCE_PIN_MAX];

	instance_pin(in, name, path);
	if (unlink(path) && errno != ENOENT)
		msg_warn("cannot remove %s: %s", path, strerror(errno));
}

void guard_need_ask(struct guard_need *n, const struct instance *in, const char *what,
		    unsigned long long keep_ns)
{
	if (n->asked)
		return;
	n->asked = true;
	n->err = in->config->force & HOP_FORCE_GUARD || guards_refused_here() ? -EPERM : 0;
	if (n->err)
		msg_debug("no %s guard: %s", what, strerror(-n->err));
	guard_need_seen(n, keep_ns);
}

void guard_need_seen(struct guard_need *n, unsigned long long keep_ns)
{
	n->seen = now_ns();
	n->check = n->seen + keep_ns;
}

bool guard_need_over(const struct guard_need *n, unsigned long long keep_ns)
{
	return now_ns() - n->seen >= keep_ns;
}

int guards_lasting(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EAGAIN ? 0 : err;
}
