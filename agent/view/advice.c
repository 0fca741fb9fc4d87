// SPDX-License-Identifier: GPL-2.0-only
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

#include "advice.h"
#include "json.h"
#include "reasons.h"
#include "agent/lib/util.h"
#include "bpf/hop.h"

#define LITTLE "nothing: it has too little traffic to gain"
#define AGAIN  "nothing: it is tried again"
#define SPLICER                                                                                         \
	"a connection made while the splice guard was attached, or a `trust program` rule if you know " \
	"that it does not splice from it"

static const char *const changes[] = {
	[HOP_WHY_NONE] = AGAIN,
	[HOP_WHY_YOUNG] = LITTLE,
	[HOP_WHY_SLOW] = LITTLE,
	[HOP_WHY_PEER_OUTSIDE] = "attach the cgroup of its other end, if that is on this host",
	[HOP_WHY_WAITING] = "nothing: it joins in the next pass",
	[HOP_WHY_BLOCKING] = "a non-blocking socket: an event loop, or in many drivers a timeout",
	[HOP_WHY_LOWAT] = "SO_RCVLOWAT left at 1",
	[HOP_WHY_ULP] = "TLS in the program instead of in the kernel",
	[HOP_WHY_ZEROCOPY] = "SO_ZEROCOPY off",
	[HOP_WHY_OOB] = "no urgent data, and SO_OOBINLINE off",
	[HOP_WHY_STATE] = "nothing: the connection is ending",
	[HOP_WHY_NO_FILE] = AGAIN,
	[HOP_WHY_OTHER_USER] =
		"take the other program's sockmap away: `sockhop status` names those that it finds",
	[HOP_WHY_SLEEPER] = "a reader that does not sleep in a receive call",
	[HOP_WHY_REPAIR] = "nothing: a checkpoint is being restored",
	[HOP_WHY_MPTCP] = "TCP instead of MPTCP",
	[HOP_WHY_DUPLICATE] = "nothing: two sockets have the same sequence numbers, one of them is forged",
	[HOP_WHY_SEQUENCE] = "nothing: these are not the two ends of one connection",
	[HOP_WHY_ADDRESS] = "addresses that mirror, or a translation that connection tracking confirms",
	[HOP_WHY_IDLE] = LITTLE,
	[HOP_WHY_POLICY] = "another rule than `never`: `sockhop policy show`",
	[HOP_WHY_SPLICE] = SPLICER,
	[HOP_WHY_GO] = SPLICER,
	[HOP_WHY_FIONREAD] =
		"Linux 6.2 or later, or a `trust program` rule if it does not use FIONREAD on it",
	[HOP_WHY_UNKNOWN] = "a program that the agent may read, or a `trust program` rule",
	[HOP_WHY_UNVETTED] = "nothing: the agent is about to look at it (`sockhop status`: does it run?)",
	[HOP_WHY_FULL] = "a larger --max-connections",
	[HOP_WHY_DRAINING] = "nothing: the instance is being detached",
	[HOP_WHY_CGROUP] = "attach its cgroup",
	[HOP_WHY_ONLY_STAYS] = "nothing: it gained nothing as a member",
	[HOP_WHY_PEER] = "see the other end",
	[HOP_WHY_SHARED] = "one process that holds the socket: close the inherited copies",
	[HOP_WHY_ERROR] = "see what the kernel log and the agent say",
	[HOP_WHY_USERNS] = "network namespaces of one user namespace for both ends",
	[HOP_WHY_OPTION] = "no time stamps, TCP_INQ, SO_PEEK_OFF, socket filter or pacing rate on it",
	[HOP_WHY_CONTENDED] = "nothing: a hop would be slower than TCP",
	[HOP_WHY_RELAY] = "nothing: the ends beyond the relay join",
	[HOP_WHY_STREAM] = "messages of 32 KB or more",
	[HOP_WHY_EDGE] = "Linux 6.2 or later",
	[HOP_WHY_FLIPS] = "a program that leaves the socket non-blocking",
	[HOP_WHY_BROKEN] = "nothing: it is reset",
	[HOP_WHY_IN_FLIGHT] = AGAIN,
	[HOP_WHY_SPLICES] = "a program that does not splice from it",
	[HOP_WHY_UNCONFIRMED] = "nothing: the agent is about to ask connection tracking",
	[HOP_WHY_BLOCKS] = "MSG_DONTWAIT in every receive call, or a non-blocking socket",
	[HOP_WHY_OBSERVED] = "detach, and attach without --observe",
};

static_assert(ARRAY_SIZE(changes) == HOP_WHY_COUNT, "every why-not has its advice");

const char *advice_change(unsigned int why)
{
	return why < ARRAY_SIZE(changes) ? changes[why] : "see `sockhop list --all`";
}

/* The number of a why-not by its name; HOP_WHY_COUNT for others. */
static unsigned int why_named(const char *name)
{
	unsigned int why = 0;

	while (why < HOP_WHY_COUNT && strcmp(reason_why(why)->name, name))
		why++;
	return why;
}

/* Null and what is missing are "". */
static const char *text(json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key)) ?: "";
}

static unsigned long long count(json_object *o, const char *key)
{
	return json_object_get_uint64(json_object_object_get(o, key));
}

static void grow(json_object *o, const char *key, unsigned long long by)
{
	add(o, key, number(count(o, key) + by));
}

/* The element of an array of objects where these keys have these values; made where there is none. */
static json_object *row(json_object *array, const char *const key[], const char *const value[], size_t n)
{
	json_object *o;

	for (size_t i = 0; i < json_object_array_length(array); i++) {
		size_t same = 0;

		o = json_object_array_get_idx(array, i);
		while (same < n && !strcmp(text(o, key[same]), value[same]))
			same++;
		if (same == n)
			return o;
	}
	o = json_object_new_object();
	for (size_t i = 0; i < n; i++)
		add(o, key[i], *value[i] ? json_object_new_string(value[i]) : NULL);
	json_object_array_add(array, o);
	return o;
}

/* What a connection has carried: each end counts the segments of both. */
static unsigned long long messages(json_object *a, json_object *b)
{
	unsigned long long x = count(a, "segments"), y = count(b, "segments");

	return (x > y ? x : y) + count(a, "messages_hopped") + count(b, "messages_hopped");
}

static const char *const totals[] = {"connections", "would_join", "messages", "hoppable"};

static void count_pair(json_object *o, unsigned long long carried, bool joins)
{
	const unsigned long long by[ARRAY_SIZE(totals)] = {1, joins, carried, joins ? carried : 0};

	for (size_t i = 0; i < ARRAY_SIZE(totals); i++)
		grow(o, totals[i], by[i]);
}

static void count_service(json_object *services, const char *name, unsigned long long carried, bool joins)
{
	const char *const key[] = {"service"}, *const value[] = {name};

	count_pair(row(services, key, value, 1), carried, joins);
}

static void count_outsider(json_object *out, json_object *end, const char *reason, unsigned long long carried)
{
	const char *const key[] = {"service", "program", "reason"};
	const char *const value[] = {text(end, "service"), text(end, "program"), reason};
	json_object *o = row(out, key, value, ARRAY_SIZE(key));

	grow(o, "connections", 1);
	grow(o, "messages", carried);
}

/* Is, or would be, a pair of members. */
static bool would_join(const char *state, const char *reason)
{
	return !strcmp(state, "hopping") || !strcmp(state, "staying") ||
	       !strcmp(reason, reason_why(HOP_WHY_OBSERVED)->name) ||
	       !strcmp(reason, reason_why(HOP_WHY_WAITING)->name);
}

static void look_at(json_object *pair, json_object *result, json_object *services, json_object *out)
{
	json_object *a = json_object_object_get(pair, "a"), *b = json_object_object_get(pair, "b");
	const char *reason = text(pair, "reason"), *mine = text(a, "service"), *other = text(b, "service");
	bool joins = would_join(text(pair, "state"), reason);
	unsigned long long carried = messages(a, b);

	count_pair(result, carried, joins);
	count_service(services, mine, carried, joins);
	if (*other && strcmp(mine, other))
		count_service(services, other, carried, joins);
	if (!joins)
		count_outsider(out, strcmp(text(b, "why_not"), reason) ? a : b, reason, carried);
}

static json_object *percent(unsigned long long part, unsigned long long whole)
{
	return whole ? json_object_new_double(100.0 * part / whole) : NULL;
}

/* "hoppable" has done its work. */
static void set_share(json_object *o)
{
	add(o, "would_hop", percent(count(o, "hoppable"), count(o, "messages")));
	json_object_object_del(o, "hoppable");
}

static void explain(json_object *o, unsigned long long all)
{
	unsigned int why = why_named(text(o, "reason"));

	add(o, "share", percent(count(o, "messages"), all));
	add(o, "meaning", json_object_new_string(reason_why(why)->help));
	add(o, "change", json_object_new_string(advice_change(why)));
}

static int by_messages(const void *x, const void *y)
{
	json_object *a = *(json_object *const *)x, *b = *(json_object *const *)y;
	unsigned long long n = count(a, "messages"), m = count(b, "messages");
	int d = strcmp(text(a, "service"), text(b, "service"));

	if (n != m)
		return n < m ? 1 : -1;
	return d ?: strcmp(text(a, "reason"), text(b, "reason"));
}

json_object *advice_of(json_object *pairs)
{
	json_object *result = json_object_new_object(), *services = json_object_new_array(),
		    *out = json_object_new_array();

	if (!result || !services || !out) {
		json_object_put(result);
		json_object_put(services);
		json_object_put(out);
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(totals); i++)
		grow(result, totals[i], 0);
	for (size_t i = 0; i < json_object_array_length(pairs); i++)
		look_at(json_object_array_get_idx(pairs, i), result, services, out);
	for (size_t i = 0; i < json_object_array_length(services); i++)
		set_share(json_object_array_get_idx(services, i));
	for (size_t i = 0; i < json_object_array_length(out); i++)
		explain(json_object_array_get_idx(out, i), count(result, "messages"));
	set_share(result);
	json_object_array_sort(services, by_messages);
	json_object_array_sort(out, by_messages);
	add(result, "services", services);
	add(result, "stay_out", out);
	return result;
}
