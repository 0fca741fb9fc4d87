// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "list.h"
#include "list_columns.h"
#include "watch.h"
#include "agent/instance/instance.h"
#include "agent/instance/snapshot.h"
#include "agent/instance/walk.h"
#include "agent/lib/util.h"
#include "agent/relay/state.h"
#include "agent/view/json.h"
#include "agent/view/names.h"
#include "agent/view/output.h"
#include "agent/view/pair.h"
#include "agent/view/reasons.h"

struct list {
	const struct instance *in;
	bool all;
	struct names *names;
	struct snapshot show;
	struct pair *pair;
	size_t count;
	int err; /* of a namespace that could not be read */
};

static void add_program(json_object *o, const struct list *l, __u64 cookie)
{
	struct program p;

	names_program(l->names, l->in, cookie, &p);
	add(o, "program", p.pid ? output_string(p.comm, sizeof(p.comm)) : NULL);
	add(o, "pid", p.pid ? number(p.pid) : NULL);
}

static json_object *known_end(const struct list *l, const struct hop_show *s)
{
	json_object *o = json_object_new_object();

	add(o, "local", output_address(s->tuple.local, s->tuple.lport));
	add(o, "peer", output_address(s->tuple.peer, s->tuple.rport));
	add(o, "netns", number(s->netns));
	add_program(o, l, s->cookie);
	names_add_who(o, names_cgroup(l->names, s->cgroup));
	add(o, "cookie", number(s->cookie));
	add(o, "cgroup", number(s->cgroup));
	add(o, "state", json_object_new_string(reason_state(s->state)->name));
	add(o, "member", json_object_new_boolean(hop_in(s->state)));
	add(o, "why_not", s->why == HOP_WHY_NONE ? NULL : json_object_new_string(reason_why(s->why)->name));
	add(o, "messages_hopped", number(s->hops));
	add(o, "bytes_hopped", number(s->hop_bytes));
	add(o, "messages_stayed", number(s->stays));
	add(o, "last_stay", s->stays ? json_object_new_string(reason_stay(s->last_stay)->name) : NULL);
	add(o, "tcp_bytes", number(s->bytes));
	add(o, "segments", number(s->segs));
	return o;
}

/* The other end as this one sees it: the keys of known_end(), null where nothing is known. */
static json_object *unknown_end(const struct hop_show *s)
{
	static const char *const unknown[] = {
		"netns",	   "program",	"pid",	     "cookie",		"cgroup",
		"state",	   "member",	"why_not",   "messages_hopped", "bytes_hopped",
		"messages_stayed", "last_stay", "tcp_bytes", "segments"};
	json_object *o = json_object_new_object();

	add(o, "local", output_address(s->tuple.peer, s->tuple.rport));
	add(o, "peer", output_address(s->tuple.local, s->tuple.lport));
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		add(o, unknown[i], NULL);
	names_add_who(o, NULL);
	return o;
}

static json_object *pair_object(const struct list *l, const struct pair *p)
{
	enum pair_state state = pair_state_of(p);
	const struct reason *why = pair_reason(p, state);
	json_object *o = json_object_new_object();

	add(o, "state", json_object_new_string(pair_state_name(state)));
	add(o, "reason", why ? json_object_new_string(why->name) : NULL);
	add(o, "meaning", why ? json_object_new_string(why->help) : NULL);
	/* pid of the relay between the two */
	add(o, "collapsed_by", p->b && p->a->relay ? number(p->a->relay) : NULL);
	add(o, "a", known_end(l, p->a));
	add(o, "b", p->b ? known_end(l, p->b) : unknown_end(p->a));
	return o;
}

static void collect_pair(const struct hop_show *a, const struct hop_show *b, void *arg)
{
	struct list *l = arg;

	if (!l->all && (!b || (!hop_registered(a->state) && !hop_registered(b->state))))
		return;
	l->pair[l->count++] = (struct pair){a, b};
}

/* By namespace, then service (the lower port), then client: stable from one call to the next. */
static int compare_pairs(const void *x, const void *y)
{
	const struct hop_show *a = ((const struct pair *)x)->a, *b = ((const struct pair *)y)->a;
	int d;

	if (a->netns != b->netns)
		return a->netns < b->netns ? -1 : 1;
	d = memcmp(a->tuple.peer, b->tuple.peer, sizeof(a->tuple.peer));
	if (!d)
		d = (int)a->tuple.rport - b->tuple.rport;
	if (!d)
		d = memcmp(a->tuple.local, b->tuple.local, sizeof(a->tuple.local));
	if (!d)
		d = (int)a->tuple.lport - b->tuple.lport;
	return d ?: (a->cookie < b->cookie ? -1 : a->cookie > b->cookie);
}

/* Time for all namespaces of `list --all`. */
#define LIST_NS 10000000000ull

static int each_netns(netns_fn *fn, void *to, void *arg)
{
	return netns_each(((struct list *)arg)->in, NULL, NULL, fn, to);
}

static int add_record(__u32 inum, const void *record, void *arg)
{
	(void)inum;
	return snapshot_add(record, &((struct list *)arg)->show);
}

static void note_blocked(__u32 inum, int err, void *arg)
{
	struct list *l = arg;
	char name[64];

	if (!err)
		return;
	l->err = err;
	if (err != -ETIMEDOUT)
		return;
	netns_name(inum, name, sizeof(name));
	msg_warn("network namespace %u%s%s is blocked: a call holds one of its sockets", inum,
		 *name ? " " : "", name);
}

/*
 * Connections that are not registered: one pass per network namespace with a process of an attached cgroup.
 */
static int load_plain(struct list *l)
{
	const struct walk walk = {
		.iter = ITER_SHOW_TCP,
		.size = sizeof(struct hop_show),
		.each = each_netns,
		.record = add_record,
		.done = note_blocked,
		.arg = l,
	};
	struct walks walks = {};
	int err = walk_run(l->in, &walks, &walk, now_ns() + LIST_NS, NULL);

	walks_free(&walks);
	return err ?: l->err;
}

/* Fills *out, an array, as far as possible. */
static int list_build(struct list *l, json_object *out)
{
	int err = snapshot_load(l->in, &l->show);

	if (!err && l->all) {
		err = load_plain(l);
		snapshot_sort(&l->show);
	}
	l->names = names_new();
	l->pair = calloc(l->show.count ?: 1, sizeof(*l->pair));
	if (!l->pair || !l->names)
		return -ENOMEM;
	snapshot_pairs(&l->show, collect_pair, l);
	qsort(l->pair, l->count, sizeof(*l->pair), compare_pairs);
	for (size_t i = 0; i < l->count; i++)
		json_object_array_add(out, pair_object(l, &l->pair[i]));
	return err;
}

/* How the list was asked for. */
struct list_options {
	const char *instance;
	const char *names; /* of columns; NULL: the usual ones */
	bool json, all;
	unsigned int watch; /* seconds, CMD_NONE: once */
	struct output_column *columns;
};

/* JSON is one array, whatever carries a connection; text is a table for each kind. 0 or -errno. */
static int print_list(json_object *pairs, json_object *relayed, const struct list_options *opt, bool attached)
{
	const struct output_section view[] = {
		{OUTPUT_TABLE, "/pairs", NULL, opt->columns},
		{OUTPUT_TABLE, "/relayed", "relayed connections", list_relay_columns},
		{0},
	};
	_cleanup_json_ json_object *both = json_object_new_object();

	if (opt->json) {
		for (size_t i = 0; i < json_object_array_length(relayed); i++)
			json_object_array_add(pairs, json_object_get(json_object_array_get_idx(relayed, i)));
		return output_print(pairs, view, true);
	}
	add(both, "pairs", json_object_get(pairs));
	add(both, "relayed", json_object_get(relayed));
	return output_print(both, attached ? view : view + 1, false);
}

/*
 * Relays belong to no instance: a user who names one asks about that one alone. Their pairs are listed
 * without an instance, too.
 */
static json_object *load_relayed(const char *name)
{
	json_object *o = json_object_new_array();
	int err = name ? 0 : relay_list_pairs(o);

	if (err)
		msg_warn("cannot ask the running relays: %s", strerror(-err));
	return o;
}

int list_instance(const struct instance *in, bool all, json_object *out)
{
	struct list list = {.in = in, .all = all};
	int err = list_build(&list, out);

	free(list.pair);
	names_free(list.names);
	snapshot_free(&list.show);
	return err;
}

/* As cmd_open(); but when there is something else to list, it is no error that nothing is attached. */
static int open_instance(struct instance *in, const char *name, bool else_to_list)
{
	int err = instance_open(in, name, INSTANCE_READ);

	if (err == -ENOENT && else_to_list)
		return EXIT_NOT_ATTACHED;
	return cmd_opened(in, name, INSTANCE_READ, err);
}

static int list_once(void *arg)
{
	const struct list_options *opt = arg;
	_cleanup_json_ json_object *pairs = json_object_new_array(), *relayed = load_relayed(opt->instance);
	struct instance in;
	int status, printed, err = 0;
	bool attached;

	status = open_instance(&in, opt->instance, json_object_array_length(relayed));
	attached = status == EXIT_OK;
	if (!attached && status != EXIT_NOT_ATTACHED)
		return status;
	if (attached) {
		err = list_instance(&in, opt->all, pairs);
		instance_close(&in);
	} else if (json_object_array_length(relayed)) {
		status = EXIT_OK;
	}
	printed = print_list(pairs, relayed, opt, attached);
	if (!err)
		return status ?: exit_status(printed);
	msg_error("cannot list all connections: %s", strerror(-err));
	return exit_status(err);
}

static int unknown_column(const char *bad)
{
	const char *like = list_columns_like(bad);

	if (like)
		return cmd_usage_error("list", "unknown column '%s', did you mean '%s'?", bad, like);
	return cmd_usage_error("list", "unknown column '%s'", bad);
}

static int list_pairs(void *args, int n, char **operand)
{
	struct list_options *opt = args;
	char bad[64];
	int status, err = list_columns(opt->names, &opt->columns, bad, sizeof(bad));

	(void)n;
	(void)operand;
	if (err == -EINVAL)
		return unknown_column(bad);
	if (err)
		return EXIT_FAIL;
	status = opt->watch == CMD_NONE ? list_once(opt) : watch_run(opt->watch, opt->json, list_once, opt);
	free(opt->columns);
	return status;
}

static const struct cmd_option options[] = {
	CMD_JSON(offsetof(struct list_options, json),
		 "It is an array of pairs. Relayed ones have a key _relay_."),
	{
		.name = "all",
		.type = CMD_FLAG,
		.offset = offsetof(struct list_options, all),
		.help = "also connections that do not hop, each with the reason",
		.more = "These are ends whose peer is unknown, and the established connections of the "
			"attached cgroups that are not candidates.",
	},
	{
		.name = "columns",
		.type = CMD_STRING,
		.offset = offsetof(struct list_options, names),
		.arg = "NAMES",
		.help = "only these columns, in this order, as in state,a,b,why",
		.more = "`sockhop help list` names them. The columns of relayed connections stay as they "
			"are.",
	},
	{
		.name = "watch",
		.type = CMD_SECONDS,
		.offset = offsetof(struct list_options, watch),
		.arg = "[S]",
		.min = 1,
		.max = 86400,
		.preset = CMD_NONE,
		.alone = 2,
		.help = "repeat it every S seconds",
	},
	CMD_INSTANCE(offsetof(struct list_options, instance)),
	{0},
};

const struct command cmd_list = {
	.name = "list",
	.summary = "show the connections, one line per pair",
	.options = options,
	.size = sizeof(struct list_options),
	.text = "Connections of running relays follow, unless --instance is given. SERVICE is the unit, "
		"container or pod that the cgroup of an end belongs to. "
		"Columns: state, a, b, netns, netns-b, program-a, program-b, service-a, service-b, "
		"container-a, "
		"container-b, cgroup-a, cgroup-b, hops-ab, bytes-ab, stays-ab, hops-ba, bytes-ba, stays-ba, "
		"tcp-bytes, end-a, end-b, why, meaning.",
	.run = list_pairs,
};
