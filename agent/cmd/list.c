// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>

#include "cmd.h"
#include "agent/instance/instance.h"
#include "agent/instance/snapshot.h"
#include "agent/instance/walk.h"
#include "agent/lib/util.h"
#include "agent/relay/state.h"
#include "agent/view/output.h"
#include "agent/view/reasons.h"

#define add(o, key, value) json_object_object_add(o, key, value)

static json_object *number(unsigned long long n)
{
	return json_object_new_uint64(n);
}

/* A connection; b is NULL when the other end is not known. */
struct pair {
	const struct hop_show *a, *b;
};

struct list {
	const struct instance *in;
	bool all;
	struct snapshot show;
	struct pair *pair;
	size_t count;
	int err; /* of a namespace that could not be read */
};

/*
 * What a pair does and why. HOPPING: both ends are members, and more messages hop than stay; STAYING:
 * members, but the TCP path takes most; PLAIN: not even a candidate.
 */
enum pair_state { PAIR_HOPPING, PAIR_STAYING, PAIR_LEAVING, PAIR_CANDIDATE, PAIR_PLAIN };
static const char *const state_names[] = {
	[PAIR_HOPPING] = "hopping",	[PAIR_STAYING] = "staying", [PAIR_LEAVING] = "leaving",
	[PAIR_CANDIDATE] = "candidate", [PAIR_PLAIN] = "plain",
};

static enum pair_state pair_state(const struct pair *p)
{
	const struct hop_show *a = p->a, *b = p->b;
	unsigned int x = a->state, y = b ? b->state : HOP_NEW;

	if (!hop_registered(x) && !hop_registered(y))
		return PAIR_PLAIN;
	if (x == HOP_LEAVING || y == HOP_LEAVING || (x == HOP_LEFT && y == HOP_MEMBER) ||
	    (x == HOP_MEMBER && y == HOP_LEFT))
		return PAIR_LEAVING;
	if (!hop_in(x) || !hop_in(y))
		return PAIR_CANDIDATE;
	if (!a->hops && !b->hops)
		return PAIR_STAYING;
	return a->hops + b->hops >= a->stays + b->stays ? PAIR_HOPPING : PAIR_STAYING;
}

/* The end whose why-not says most: not the one that points at the other, or has not seen it yet. */
static unsigned int pair_why(const struct pair *p)
{
	unsigned int a = p->a->why, b = p->b ? p->b->why : HOP_WHY_NONE;

	bool vague = a == HOP_WHY_PEER || a == HOP_WHY_PEER_OUTSIDE;

	return a == HOP_WHY_NONE || (vague && b != HOP_WHY_NONE) ? b : a;
}

/* NULL: nothing to explain. */
static const struct reason *pair_reason(const struct pair *p, enum pair_state state)
{
	unsigned int why = pair_why(p);

	if (state == PAIR_HOPPING)
		return NULL;
	if (state == PAIR_STAYING) {
		/* the busier end's last stay; before the first message, the peer has not read */
		const struct hop_show *end = p->b->stays > p->a->stays ? p->b : p->a;

		return reason_stay(end->stays ? end->last_stay : HOP_STAY_NOT_READ);
	}
	if (why == HOP_WHY_NONE && state == PAIR_CANDIDATE)
		why = p->b ? HOP_WHY_WAITING : HOP_WHY_PEER_OUTSIDE;
	return why == HOP_WHY_NONE ? NULL : reason_why(why);
}

/* The name may have changed since the agent looked (exec); a dead process keeps the old one. */
static json_object *program_name(const struct hop_vet *vet)
{
	char path[32], comm[sizeof(vet->comm) + 1];
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%u/comm", vet->pid);
	f = fopen(path, "re");
	if (!f || !fgets(comm, sizeof(comm), f))
		return output_string(vet->comm, sizeof(vet->comm));
	return output_string(comm, strcspn(comm, "\n"));
}

static void add_program(json_object *o, const struct instance *in, __u64 cookie)
{
	struct hop_vet vet = {0};

	if (bpf_map_lookup_elem(in->map[MAP_VETTED], &cookie, &vet) || !vet.pid) {
		add(o, "program", NULL);
		add(o, "pid", NULL);
		return;
	}
	add(o, "program", program_name(&vet));
	add(o, "pid", number(vet.pid));
}

static json_object *known_end(const struct instance *in, const struct hop_show *s)
{
	json_object *o = json_object_new_object();

	add(o, "local", output_address(s->tuple.local, s->tuple.lport));
	add(o, "peer", output_address(s->tuple.peer, s->tuple.rport));
	add(o, "netns", number(s->netns));
	add_program(o, in, s->cookie);
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
	return o;
}

/* The other end as this one sees it: the keys of known_end(), null where nothing is known. */
static json_object *unknown_end(const struct hop_show *s)
{
	static const char *const unknown[] = {
		"netns",	   "program",	"pid",	    "cookie",	       "cgroup",
		"state",	   "member",	"why_not",  "messages_hopped", "bytes_hopped",
		"messages_stayed", "last_stay", "tcp_bytes"};
	json_object *o = json_object_new_object();

	add(o, "local", output_address(s->tuple.peer, s->tuple.rport));
	add(o, "peer", output_address(s->tuple.local, s->tuple.lport));
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		add(o, unknown[i], NULL);
	return o;
}

static json_object *pair_object(const struct instance *in, const struct pair *p)
{
	enum pair_state state = pair_state(p);
	const struct reason *why = pair_reason(p, state);
	json_object *o = json_object_new_object();

	add(o, "state", json_object_new_string(state_names[state]));
	add(o, "reason", why ? json_object_new_string(why->name) : NULL);
	add(o, "meaning", why ? json_object_new_string(why->help) : NULL);
	/* pid of the relay between the two */
	add(o, "collapsed_by", p->b && p->a->relay ? number(p->a->relay) : NULL);
	add(o, "a", known_end(in, p->a));
	add(o, "b", p->b ? known_end(in, p->b) : unknown_end(p->a));
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

/* Connections that are not registered: one pass per network namespace with a process of an attached cgroup.
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
	l->pair = calloc(l->show.count ?: 1, sizeof(*l->pair));
	if (!l->pair)
		return -ENOMEM;
	snapshot_pairs(&l->show, collect_pair, l);
	qsort(l->pair, l->count, sizeof(*l->pair), compare_pairs);
	for (size_t i = 0; i < l->count; i++)
		json_object_array_add(out, pair_object(l->in, &l->pair[i]));
	return err;
}

static const struct output_column columns[] = {
	{"/state", "STATE", OUTPUT_TEXT},
	{"/a/local", "A", OUTPUT_ADDRESS},
	{"/b/local", "B", OUTPUT_ADDRESS},
	{"/a/netns", "NETNS", OUTPUT_COUNT},
	{"/a", "PROGRAM A", OUTPUT_PROGRAM},
	{"/b", "PROGRAM B", OUTPUT_PROGRAM},
	{"/a/messages_hopped", "A>B MSGS", OUTPUT_COUNT},
	{"/a/bytes_hopped", "A>B BYTES", OUTPUT_BYTES},
	{"/b/messages_hopped", "B>A MSGS", OUTPUT_COUNT},
	{"/b/bytes_hopped", "B>A BYTES", OUTPUT_BYTES},
	{"/a/state", "END A", OUTPUT_TEXT},
	{"/b/state", "END B", OUTPUT_TEXT},
	{"/reason", "WHY", OUTPUT_TEXT},
	{"/meaning", "MEANING", OUTPUT_TEXT},
	{0},
};
static const struct output_column relay_columns[] = {
	{"/state", "STATE", OUTPUT_TEXT},
	{"/a/peer", "A", OUTPUT_ADDRESS},
	{"/a/local", "RELAY TO A", OUTPUT_ADDRESS},
	{"/b/local", "RELAY TO B", OUTPUT_ADDRESS},
	{"/b/peer", "B", OUTPUT_ADDRESS},
	{"/relay", "RELAY", OUTPUT_PROGRAM},
	{"/a_to_b/path", "A>B PATH", OUTPUT_TEXT},
	{"/a_to_b/bytes", "A>B BYTES", OUTPUT_BYTES},
	{"/b_to_a/path", "B>A PATH", OUTPUT_TEXT},
	{"/b_to_a/bytes", "B>A BYTES", OUTPUT_BYTES},
	{0},
};
static const struct output_section view[] = {
	{OUTPUT_TABLE, "/pairs", NULL, columns},
	{OUTPUT_TABLE, "/relayed", "relayed connections", relay_columns},
	{0},
};

/* JSON is one array, whatever carries a connection; text is a table for each kind. */
static int print_list(json_object *pairs, json_object *relayed, bool json, bool attached)
{
	_cleanup_json_ json_object *both = json_object_new_object();

	if (json) {
		for (size_t i = 0; i < json_object_array_length(relayed); i++)
			json_object_array_add(pairs, json_object_get(json_object_array_get_idx(relayed, i)));
		return output_print(pairs, view, json);
	}
	add(both, "pairs", json_object_get(pairs));
	add(both, "relayed", json_object_get(relayed));
	return output_print(both, attached ? view : view + 1, json);
}

/*
 * Relays belong to no instance: who names one asks about that one alone. Their pairs are listed without an
 * instance, too.
 */
static json_object *load_relayed(const char *name)
{
	json_object *o = json_object_new_array();
	int err = name ? 0 : relay_list_pairs(o);

	if (err)
		msg_warn("cannot ask the running relays: %s", strerror(-err));
	return o;
}

static int list_instance(struct instance *in, bool all, json_object *out)
{
	struct list list = {.in = in, .all = all};
	int err = list_build(&list, out);

	free(list.pair);
	snapshot_free(&list.show);
	return err;
}

/* As cmd_open(); but when there is something else to list, it is no error that nothing is attached. */
static int open_instance(struct instance *in, const char *name, bool else_to_list)
{
	int err = instance_open(in, name, INSTANCE_READ);

	if (err == -ENOENT && else_to_list)
		return EXIT_NOT_ATTACHED;
	if (!err)
		instance_close(in); /* cmd_open() has something to say of some instances */
	return cmd_open(in, name, INSTANCE_READ);
}

int cmd_list(int argc, char **argv)
{
	const char *name = NULL;
	bool json = false, all = false;
	const struct cmd_option options[] = {
		{"instance", CMD_STRING, &name}, {"json", CMD_FLAG, &json}, {"all", CMD_FLAG, &all}, {0}};
	int n = cmd_parse(argc, argv, options, CMD_PERMUTE), status, printed, err = 0;
	_cleanup_json_ json_object *pairs = NULL, *relayed = NULL;
	struct instance in;
	bool attached;

	if (n < 0)
		return cmd_parse_status(n);
	if (n)
		return cmd_usage_error(argv[0], "unexpected argument '%s'", argv[1]);
	relayed = load_relayed(name);
	status = open_instance(&in, name, json_object_array_length(relayed));
	attached = status == EXIT_OK;
	if (!attached && status != EXIT_NOT_ATTACHED)
		return status;
	pairs = json_object_new_array();
	if (attached) {
		err = list_instance(&in, all, pairs);
		instance_close(&in);
	} else if (json_object_array_length(relayed)) {
		status = EXIT_OK;
	}
	printed = print_list(pairs, relayed, json, attached);
	if (!err)
		return status ?: printed;
	msg_error("cannot list all connections: %s", strerror(-err));
	return exit_status(err);
}
