// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "receive.h"
#include "agent/lib/util.h"
#include "receive.skel.h"

static const struct mechanism {
	__u32 kind;
	const char *name, *program;
} mechanisms[] = {
	{HOP_GUARD_LSM, "lsm/socket_recvmsg", "receive_lsm"},
	{HOP_GUARD_FENTRY, "fentry/security_socket_recvmsg", "receive_entry"},
};

const char *receive_name(__u32 kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if (mechanisms[i].kind == kind)
			return mechanisms[i].name;
	return "none";
}

/* The maps that it has in common with an instance: those of `in`, or (NULL) small ones of its own. */
static int share_maps(struct receive_bpf *skel, const struct instance *in)
{
	const struct guard_map shared[] = {
		{skel->maps.data_config, MAP_CONFIG}, {skel->maps.socks, MAP_SOCKS},
		{skel->maps.ends, MAP_ENDS},	      {skel->maps.counters, MAP_COUNTERS},
		{skel->maps.events, MAP_EVENTS},
	};
	int err = guards_share_maps(skel->obj, in, shared, ARRAY_SIZE(shared));

	bpf_map__set_autocreate(skel->maps.bss, true);
	return err;
}

/* Opened and loaded; the caller destroys it. NULL and *err. */
static struct receive_bpf *load(const struct instance *in, const struct mechanism *m, int *err)
{
	struct receive_bpf *skel = receive_bpf__open();
	struct bpf_program *prog;

	if (!skel) {
		*err = -errno;
		return NULL;
	}
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog), m->program));
	*err = share_maps(skel, in);
	if (!*err)
		*err = receive_bpf__load(skel);
	if (!*err)
		return skel;
	receive_bpf__destroy(skel);
	return NULL;
}

/*
 * Are two receive calls of ours seen, one that may wait and one that does not? needs_calm: only a kernel that
 * does not preempt itself will do.
 */
static int try_receive(struct receive_bpf *skel, bool needs_calm)
{
	int s[2] = {-1, -1}, err = 0;
	struct stat st;
	char byte = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) || fstat(s[0], &st) ||
	    write(s[1], &byte, 1) != 1) {
		err = -errno;
	} else {
		skel->bss->receive_seen = 0;
		skel->bss->receive_probe = st.st_ino;
		if (read(s[0], &byte, 1) != 1 || recv(s[0], &byte, 1, MSG_DONTWAIT) != -1 ||
		    skel->bss->receive_seen != 0x10001)
			err = -EOPNOTSUPP;
		skel->bss->receive_probe = 0;
		if (!err && needs_calm && skel->bss->receive_preempt)
			err = -EOPNOTSUPP;
	}
	util__close(&s[0]);
	util__close(&s[1]);
	return err;
}

/* Load, attach and see that it acts. Nothing stays on failure; else both belong to the caller. */
static int try_mechanism(const struct instance *in, const struct mechanism *m, struct receive_bpf **skel,
			 struct bpf_link **link)
{
	int err;

	*skel = load(in, m, &err);
	if (!*skel)
		return err;
	*link = bpf_program__attach(bpf_object__find_program_by_name((*skel)->obj, m->program));
	err = *link ? try_receive(*skel, m->kind != HOP_GUARD_LSM) : -errno;
	if (!err)
		return 0;
	bpf_link__destroy(*link);
	receive_bpf__destroy(*skel);
	return err;
}

/* The first mechanism that works here. The error of the first that does not, if none does. */
static int try_all(const struct instance *in, __u32 *kind, struct receive_bpf **skel, struct bpf_link **link)
{
	libbpf_print_fn_t print = libbpf_set_print(guards_print);
	int first = 0, err = -EOPNOTSUPP;

	for (size_t i = 0; i < ARRAY_SIZE(mechanisms) && err; i++) {
		err = try_mechanism(in, &mechanisms[i], skel, link);
		first = first ?: err;
		*kind = mechanisms[i].kind;
	}
	libbpf_set_print(print);
	return err ? first : 0;
}

int receive_probe(__u32 *kind)
{
	struct receive_bpf *skel;
	struct bpf_link *link;
	int err = try_all(NULL, kind, &skel, &link);

	if (err)
		return err;
	bpf_link__destroy(link);
	receive_bpf__destroy(skel);
	return 0;
}

static bool is_attached(const struct instance *in)
{
	return in->config->receives_kind && guards_pinned(in, INSTANCE_RECEIVE);
}

/* Attach and pin it, unless it is there already: 0 or -errno, and nothing stays. */
static int attach(struct instance *in)
{
	char path[INSTANCE_PIN_MAX];
	struct receive_bpf *skel;
	struct bpf_link *link;
	__u32 kind;
	int err;

	if (is_attached(in))
		return 0;
	guards_unpin(in, INSTANCE_RECEIVE); /* of an agent that was killed before it had said so */
	err = try_all(in, &kind, &skel, &link);
	if (err)
		return err;
	instance_pin(in, INSTANCE_RECEIVE, path);
	err = bpf_link__pin(link, path);
	bpf_link__destroy(link);
	receive_bpf__destroy(skel);
	if (!err)
		in->config->receives_kind = kind;
	return err;
}

/* Calls that began before this are none of those that are watched from here on. */
static int bring_up(struct instance *in)
{
	int err = attach(in);

	if (err)
		return err;
	if (!++in->config->receives_last)
		in->config->receives_last = 1;
	__atomic_store_n(&in->config->receives, in->config->receives_last, __ATOMIC_SEQ_CST);
	msg_debug("receive guard %u: %s", in->config->receives, receive_name(in->config->receives_kind));
	return 0;
}

/* In two looks: first it stops to vouch, so that the ends that need it leave; then it goes. */
static void take_down(struct instance *in)
{
	if (in->config->receives) {
		__atomic_store_n(&in->config->receives, 0, __ATOMIC_SEQ_CST);
		return;
	}
	guards_unpin(in, INSTANCE_RECEIVE);
	in->config->receives_kind = HOP_GUARD_NONE;
	msg_debug("no receive guard any more");
}

/* How long it stays when nothing needs it. (With HOP_FORCE_YOUNG it is short.) */
static unsigned long long keep_ns(const struct instance *in)
{
	return in->config->force & HOP_FORCE_YOUNG ? RECEIVE_KEEP_NS / 60 : RECEIVE_KEEP_NS;
}

void receive_follow(struct guard_need *n, struct instance *in, bool wanted, bool whole)
{
	guard_need_ask(n, in, "receive", keep_ns(in));
	if (wanted)
		guard_need_seen(n, keep_ns(in));
	if (wanted && !in->config->receives && !n->err) {
		n->err = guards_lasting(bring_up(in));
		if (n->err)
			msg_warn("no receive guard (%s): blocking sockets stay on TCP; see `sockhop check`",
				 strerror(-n->err));
	}
	if (whole && !wanted && in->config->receives_kind && guard_need_over(n, keep_ns(in)))
		take_down(in);
}

unsigned long long receive_due(const struct guard_need *n, const struct instance *in)
{
	return in->config->receives_kind ? n->check : 0;
}

bool receive_work(struct guard_need *n, const struct instance *in)
{
	unsigned long long due = receive_due(n, in);

	if (!due || now_ns() < due)
		return false;
	n->check = now_ns() + keep_ns(in) / 10;
	return true;
}
