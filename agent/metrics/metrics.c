// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <string.h>
#include <json-c/json_pointer.h>

#include "metrics.h"
#include "agent/lib/util.h"

enum metric_type { GAUGE, COUNTER };

/*
 * A metric family. Its value is at `path` (a JSON pointer): a number or a boolean; an array of rows, each
 * with a `value` and the labels, which are also the keys; or an object of numbers, whose keys are the value
 * of the one label. What is not there, or null, is left out, so a row for a value that only some collections
 * have is fine.
 */
struct family {
	const char *name; /* of a counter without _total */
	enum metric_type type;
	const char *help;
	const char *path;
	const char *labels[3];
	const char *value;
};

static const struct family families[] = {
	{"build_info",
	 GAUGE,
	 "Version of sockhop and of its pinned maps (ABI); always 1.",
	 "/build",
	 {"version", "abi"},
	 "one"},
	{"attached", GAUGE, "1 if the instance is attached.", "/attached", {0}, NULL},
	{"draining", GAUGE, "1 while the instance is being detached.", "/draining", {0}, NULL},
	{"attach_timestamp_seconds", GAUGE, "When the instance was attached.", "/attach_time", {0}, NULL},
	{"cgroups", GAUGE, "Attached cgroups by state.", "/cgroup_states", {"state"}, NULL},
	{"agent_up",
	 GAUGE,
	 "1 if the agent runs: without it no end joins or leaves.",
	 "/agent/alive",
	 {0},
	 NULL},
	{"agent_last_pass_age_seconds",
	 GAUGE,
	 "Since the agent last finished a pass over any network namespace; it sleeps while there is nothing "
	 "to do.",
	 "/last_pass",
	 {0},
	 NULL},
	{"agent_blocked_namespaces",
	 GAUGE,
	 "Network namespaces in which a call holds a socket, so no end joins.",
	 "/agent/blocked",
	 {0},
	 NULL},
	{"profile",
	 GAUGE,
	 "What the probes chose for this kernel at attach: 1 is yes.",
	 "/profile",
	 {"feature"},
	 NULL},
	{"policy_rules", GAUGE, "Rules of the policy.", "/policy_rules", {0}, NULL},
	{"heartbeat_interval_seconds",
	 GAUGE,
	 "One message of each direction takes TCP so often; 0 is never.",
	 "/heartbeat",
	 {0},
	 NULL},
	{"test_switches",
	 GAUGE,
	 "1 if rules that keep bytes safe were taken away for a test.",
	 "/test",
	 {0},
	 NULL},
	{"candidates", GAUGE, "Ends that are chatty and no members.", "/connections/candidates", {0}, NULL},
	{"members",
	 GAUGE,
	 "Ends that hop, places of a pair that is joining included.",
	 "/connections/members",
	 {0},
	 NULL},
	{"pairs", GAUGE, "Connections of which both ends are known.", "/connections/pairs", {0}, NULL},
	{"waiting_ends",
	 GAUGE,
	 "Candidates by the reason why they are no members now.",
	 "/ends_by_why",
	 {"reason"},
	 "count"},
	{"hops", COUNTER, "Messages that hopped.", "/hopped/messages", {0}, NULL},
	{"hop_bytes", COUNTER, "Bytes that hopped.", "/hopped/bytes", {0}, NULL},
	{"stays",
	 COUNTER,
	 "Messages of members that took TCP, by reason.",
	 "/all_stays",
	 {"reason"},
	 "count"},
	{"stay_bytes", COUNTER, "Bytes of members that took TCP.", "/stayed/bytes", {0}, NULL},
	{"refusals",
	 COUNTER,
	 "Times that an end was found not to be able to join, or to have to leave, by reason.",
	 "/all_whys",
	 {"reason"},
	 "count"},
	{"heartbeats", COUNTER, "Messages that took TCP for the heartbeat.", "/heartbeats", {0}, NULL},
	{"registered", COUNTER, "Ends that became candidates.", "/counters/registered", {0}, NULL},
	{"paired", COUNTER, "Times that the second end of a pair was seen.", "/counters/paired", {0}, NULL},
	{"joined",
	 COUNTER,
	 "Ends that became members: late, or early at ESTABLISHED.",
	 "/joined",
	 {"how"},
	 NULL},
	{"left", COUNTER, "Members that left while their connection lives on.", "/counters/left", {0}, NULL},
	{"closed", COUNTER, "Members that closed.", "/counters/closed", {0}, NULL},
	{"events_lost",
	 COUNTER,
	 "Events that did not fit the ring; the agent then looks at everything.",
	 "/counters/events_lost",
	 {0},
	 NULL},
	{"swept",
	 COUNTER,
	 "Records and places of sockets that ended without telling, taken back by the agent.",
	 "/counters/swept",
	 {0},
	 NULL},
	{"map_entries", GAUGE, "Used entries of a map.", "/maps", {"map"}, "used"},
	{"map_max_entries", GAUGE, "Largest number of entries of a map.", "/maps", {"map"}, "max"},
	{"vetoed_sockets",
	 GAUGE,
	 "Sockets whose program keeps them out, by reason.",
	 "/vetoes",
	 {"reason"},
	 NULL},
	{"foreign_sockmaps",
	 GAUGE,
	 "Sockmaps of other programs; their sockets never join.",
	 "/other_sockmaps",
	 {0},
	 NULL},
	{"kernel_advisory",
	 GAUGE,
	 "Defects of the kernel that our hooks meet; always 1.",
	 "/advisories",
	 {"advisory", "state"},
	 "one"},
	{"service_ends",
	 GAUGE,
	 "Ends of a service (unit, container, pod or cgroup) by state.",
	 "/services",
	 {"service", "kind", "state"},
	 "ends"},
	{"service_messages",
	 COUNTER,
	 "Messages that members of a service sent, by the way they took.",
	 "/services_sent",
	 {"service", "kind", "path"},
	 "messages"},
	{"service_hop_bytes",
	 COUNTER,
	 "Bytes that members of a service sent by hops.",
	 "/services_bytes",
	 {"service", "kind"},
	 "bytes"},
	{"collect_duration_seconds", GAUGE, "What this collection took.", "/duration", {0}, NULL},
};

const char *metrics_media_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
					     : "text/plain; version=0.0.4; charset=utf-8";
}

enum metrics_format metrics_negotiate(const char *accept)
{
	return accept && strcasestr(accept, "application/openmetrics-text") ? METRICS_OPENMETRICS
									    : METRICS_TEXT;
}

static bool is_value(json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_boolean:
	case json_type_int:
	case json_type_double:
		return true;
	default:
		return false;
	}
}

/* Backslash, quote and line feed are escaped; the rest is any UTF-8 (both formats). */
static void put_escaped(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			fputs("\\n", f);
		else if (*s == '\\' || *s == '"')
			fprintf(f, "\\%c", *s);
		else
			fputc(*s, f);
	}
}

struct writer {
	FILE *f;
	enum metrics_format format;
	const char *instance;
	const struct family *family;
	bool begun; /* # HELP and # TYPE of the family are written */
};

static void put_head(struct writer *w)
{
	const struct family *m = w->family;
	const char *total = m->type == COUNTER && w->format == METRICS_TEXT ? "_total" : "";

	if (w->begun)
		return;
	w->begun = true;
	fprintf(w->f, "# HELP sockhop_%s%s ", m->name, total);
	put_escaped(w->f, m->help);
	fprintf(w->f, "\n# TYPE sockhop_%s%s %s\n", m->name, total, m->type == COUNTER ? "counter" : "gauge");
}

static void put_label(struct writer *w, const char *name, const char *value)
{
	fprintf(w->f, "%s%s=\"", name ? "," : "", name ?: "instance_name");
	put_escaped(w->f, value ?: "");
	fputc('"', w->f);
}

static void put_value(struct writer *w, json_object *v)
{
	if (json_object_is_type(v, json_type_double))
		fprintf(w->f, "} %.6f\n", json_object_get_double(v));
	else
		fprintf(w->f, "} %" PRIu64 "\n", json_object_get_uint64(v));
}

/* A sample. The labels are in the row; or there is one, whose value is `key`. */
static void put_sample(struct writer *w, json_object *row, const char *key, json_object *v)
{
	const struct family *m = w->family;

	if (!is_value(v))
		return;
	put_head(w);
	fprintf(w->f, "sockhop_%s%s{", m->name, m->type == COUNTER ? "_total" : "");
	put_label(w, NULL, w->instance);
	for (size_t i = 0; i < ARRAY_SIZE(m->labels) && m->labels[i]; i++)
		put_label(w, m->labels[i],
			  key ? key : json_object_get_string(json_object_object_get(row, m->labels[i])));
	put_value(w, v);
}

static void put_rows(struct writer *w, json_object *array)
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		json_object *row = json_object_array_get_idx(array, i);

		put_sample(w, row, NULL, json_object_object_get(row, w->family->value));
	}
}

static void put_family(struct writer *w, json_object *o)
{
	json_object *at = NULL;

	if (json_pointer_get(o, w->family->path, &at) || !at)
		return;
	if (json_object_is_type(at, json_type_array)) {
		put_rows(w, at);
	} else if (json_object_is_type(at, json_type_object)) {
		json_object_object_foreach(at, key, value) put_sample(w, NULL, key, value);
	} else {
		put_sample(w, NULL, NULL, at);
	}
}

void metrics_write(FILE *f, json_object *o, enum metrics_format format)
{
	struct writer w = {
		.f = f,
		.format = format,
		.instance = json_object_get_string(json_object_object_get(o, "instance")),
	};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		w.family = &families[i];
		w.begun = false;
		put_family(&w, o);
	}
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", f);
}
