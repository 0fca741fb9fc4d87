// SPDX-License-Identifier: GPL-2.0-only
/* kernel.c: loads our own programs, without pinning them, and asks the probe. */
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "check.h"
#include "agent/lib/util.h"
#include "agent/probe/probe.h"
#include "agent/program/guard.h"
#include "agent/program/receive.h"
#include "bpf/hop.h"
#include "hop.skel.h"

#define DRY_RUN_ENTRIES 64

/* A line of the report and the programs that it stands for. */
struct kind {
	const char *name, *programs[4], *what, *fix;
};

static const struct kind kinds[] = {
	{"sockops", {"hop_sockops_late"}, "finds candidates", "CONFIG_CGROUP_BPF=y"},
	{"cgroup/setsockopt",
	 {"hop_setsockopt"},
	 "sees options that no member may have",
	 "CONFIG_CGROUP_BPF=y"},
	{"sk_msg", {"hop_msg_probe"}, "redirects", "CONFIG_BPF_STREAM_PARSER=y (it brings NET_SOCK_MSG)"},
	{"sk_skb", {"hop_verdict"}, "stream verdict", "CONFIG_BPF_STREAM_PARSER=y"},
	{"iter/tcp",
	 {"hop_visit", "hop_collect", "hop_show_tcp"},
	 "joins, leaves, lists",
	 "Linux 6.1 or later"},
	{"iter/task_file", {"hop_holders"}, "finds the programs behind a socket", "Linux 6.1 or later"},
	{"syscall", {"hop_show_end", "hop_poke"}, "status, list, detach", "Linux 6.1 or later"},
	{"tp_btf/sched_process_exec",
	 {"hop_exec"},
	 "sees that a member changes its program",
	 "CONFIG_BPF_EVENTS=y"},
};

static bool wanted(const struct kind *k, const char *program)
{
	for (size_t i = 0; i < ARRAY_SIZE(k->programs) && k->programs[i]; i++)
		if (!strcmp(k->programs[i], program))
			return true;
	return false;
}

/* All kinds if `only` is NULL. */
static bool selected(const struct kind *only, const char *program)
{
	if (only)
		return wanted(only, program);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (wanted(&kinds[i], program))
			return true;
	return false;
}

static int attach_link(struct bpf_link *link)
{
	if (!link)
		return -errno;
	bpf_link__destroy(link);
	return 0;
}

/* Attach a loaded program as far as that does not affect other sockets. */
static int try_attach(struct hop_bpf *skel, struct bpf_program *prog)
{
	int members = bpf_map__fd(skel->maps.members), fd = bpf_program__fd(prog);

	switch (bpf_program__type(prog)) {
	case BPF_PROG_TYPE_SK_MSG:
		return bpf_prog_attach(fd, members, BPF_SK_MSG_VERDICT, 0) ? -errno : 0;
	case BPF_PROG_TYPE_SK_SKB:
		return bpf_prog_attach(fd, members, BPF_SK_SKB_STREAM_VERDICT, 0) ? -errno : 0;
	case BPF_PROG_TYPE_TRACING:
		return attach_link(bpf_program__attach(prog));
	default:
		return 0; /* sockops: the self test attaches it to a cgroup */
	}
}

/* Load and attach the programs of one kind, or all; `verdict`: that one too. Everything goes with the
 * skeleton. */
static int dry_run(const struct kind *only, bool verdict)
{
	struct hop_bpf *skel = hop_bpf__open();
	struct bpf_program *prog;
	int err = 0;

	if (!skel)
		return -errno;
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, selected(only, bpf_program__name(prog)));
	if (!verdict)
		bpf_program__set_autoload(skel->progs.hop_verdict, false);
	bpf_map__set_max_entries(skel->maps.members, DRY_RUN_ENTRIES);
	bpf_map__set_max_entries(skel->maps.ends, DRY_RUN_ENTRIES);
	bpf_map__set_max_entries(skel->maps.vetted, DRY_RUN_ENTRIES);
	skel->data_config->cfg.draining = 1; /* hop_exec runs for a moment: it shall do nothing */
	err = hop_bpf__load(skel);
	bpf_object__for_each_program(prog, skel->obj) if (!err && bpf_program__autoload(prog)) err =
		try_attach(skel, prog);
	hop_bpf__destroy(skel);
	return err;
}

/* What to do about a program that does not load. Missing capabilities have lines of their own. */
static const char *load_fix(const struct kind *k, enum check_state state, bool caps_lack)
{
	if (state != CHECK_DENIED)
		return k->fix;
	return caps_lack ? NULL : "a security module, lockdown or a container's seccomp filter refuses it";
}

/* verdict: the stream verdict program is needed here. */
static void check_programs(struct checks *c, bool verdict)
{
	bool caps_lack = c->worst == CHECK_DENIED;
	int all = dry_run(NULL, verdict);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct kind *k = &kinds[i];
		int err = all ? dry_run(k, verdict) : 0;
		enum check_state state = check_state_of(err, CHECK_MISSING);

		if (!err && !verdict && wanted(k, "hop_verdict"))
			check_line(c, CHECK_OK, k->name, NULL, "not needed here: %s", k->what);
		else if (!err)
			check_line(c, CHECK_OK, k->name, NULL, "loads: %s", k->what);
		else
			check_line(c, state, k->name, load_fix(k, state, caps_lack), "does not load (%s): %s",
				   strerror(-err), k->what);
	}
}

/* How connections can join at all. */
static void check_joins(struct checks *c, const struct probe *p)
{
	if (p->iter_insert)
		check_line(c, CHECK_OK, "late joins", NULL, "iter/tcp can insert into a sockhash");
	else
		check_line(c, p->kern_ctx ? CHECK_WARN : CHECK_MISSING, "late joins",
			   p->kern_ctx ? "only rules with the action early let connections join here: "
					 "sockhop(8), POLICY"
				       : "Linux 6.1 or later",
			   "iter/tcp cannot insert into a sockhash");
	if (p->iter_setsockopt)
		check_line(c, CHECK_OK, "old connections", NULL, "bpf_setsockopt() works in iter/tcp");
	else
		check_line(c, CHECK_WARN, "old connections",
			   "attach before the programs connect, or let them reconnect; Linux 6.12 has it",
			   "no bpf_setsockopt() in iter/tcp: connections older than the attach stay on TCP");
	if (p->one_queue)
		check_line(c, CHECK_OK, "early joins", NULL, "bpf_cast_to_kern_ctx() is available");
	else if (p->kern_ctx)
		check_line(c, CHECK_WARN, "early joins", "rules with the action early act as late",
			   "not available where a member has two receive queues");
	else
		check_line(c, CHECK_WARN, "early joins",
			   "rules with the action early act as late; Linux 6.5 has it",
			   "no bpf_cast_to_kern_ctx()");
}

static void check_fionread(struct checks *c, const char *name, bool counted)
{
	if (counted)
		check_line(c, CHECK_OK, name, NULL, "counted");
	else
		check_line(c, CHECK_WARN, name,
			   "nothing to do: programs that use FIONREAD (nginx, Java, .NET) stay on TCP here",
			   "not counted");
}

/* What readers of members see; it chooses the profile. */
static void check_reading(struct checks *c, const struct probe *p)
{
	if (p->one_queue)
		check_line(c, CHECK_OK, "receive queue", NULL, "one: profile with verdict program");
	else
		check_line(c, CHECK_WARN, "receive queue",
			   "nothing to do: programs that wait with EPOLLET (nginx, tokio) stay on TCP here",
			   "two, hop bytes and TCP bytes: profile without verdict program");
	check_fionread(c, "FIONREAD, TCP bytes", p->fionread_tcp);
	check_fionread(c, "FIONREAD, hop bytes", p->fionread_hop);
	check_line(c, CHECK_OK, "splice(2), hop bytes", NULL, "%s",
		   p->splice ? "delivered; programs that can splice need the guard anyway"
			     : "not delivered, as on all kernels: programs that can splice need the guard");
}

/* Without it programs that can splice stay out, which is most of Go and Python; nothing else changes. */
static void check_guard(struct checks *c, json_object *profile)
{
	__u32 kind = HOP_GUARD_NONE;
	int err = guard_probe(&kind);

	json_object_object_add(profile, "splice_guard",
			       err ? NULL : json_object_new_string(guard_name(kind)));
	if (err)
		check_line(c, CHECK_WARN, "splice guard",
			   "nothing to do: programs that can splice (Go, Python, HAProxy) stay on TCP here, "
			   "unless a trust rule names them",
			   "none: the kernel does not let sockhop see splice(2) (%s)", strerror(-err));
	else
		check_line(c, CHECK_OK, "splice guard", NULL, "%s refuses a splice", guard_name(kind));
}

/* Without it blocking files stay out, as those of many clients of MySQL and redis. */
static void check_receive(struct checks *c, json_object *profile)
{
	__u32 kind = HOP_GUARD_NONE;
	int err = receive_probe(&kind);

	json_object_object_add(profile, "receive_guard",
			       err ? NULL : json_object_new_string(receive_name(kind)));
	if (err)
		check_line(
			c, CHECK_WARN, "receive guard",
			"nothing to do: blocking sockets stay on TCP here, whatever flags they are read with",
			"none: the kernel does not let us see receive calls (%s)", strerror(-err));
	else
		check_line(c, CHECK_OK, "receive guard", NULL, "%s sees whether a call may wait",
			   receive_name(kind));
}

static void add_bool(json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

static void fill_profile(json_object *o, const struct probe *p)
{
	add_bool(o, "stream_verdict", p->one_queue);
	add_bool(o, "fionread_counts_hops", p->fionread_hop && p->fionread_tcp);
	add_bool(o, "adopts_old_connections", p->iter_setsockopt);
	add_bool(o, "late_joins", p->iter_insert);
	add_bool(o, "early_joins", p->one_queue);
	add_bool(o, "splice", p->splice);
}

bool check_kernel(struct checks *c, json_object *profile)
{
	struct probe p = {};
	int err = probe_kernel(&p);

	if (p.load)
		err = p.load;
	check_programs(c, err || p.one_queue);
	if (err) {
		check_line(c, check_state_of(err, CHECK_FAILED), "redirect",
			   c->worst == CHECK_DENIED ? NULL : "see above; -vv shows what libbpf says",
			   "the probe in a network namespace of its own could not run: %s", strerror(-err));
		return false;
	}
	if (p.hop)
		check_line(c, CHECK_OK, "redirect", NULL, "a message hopped");
	else
		check_line(c, CHECK_MISSING, "redirect", "use another kernel",
			   "a redirected message did not arrive");
	if (p.charged)
		check_line(c, CHECK_OK, "backlog", NULL,
			   "a hop is charged to its receiver, so it can be bounded");
	else if (p.hop)
		check_line(c, CHECK_MISSING, "backlog", "Linux 6.13, or a stable kernel of 2025 or later",
			   "a hop is not charged to its receiver: nothing would bound its queue");
	fill_profile(profile, &p);
	check_joins(c, &p);
	check_reading(c, &p);
	check_guard(c, profile);
	check_receive(c, profile);
	return p.hop && p.charged && c->worst < CHECK_FAILED;
}
