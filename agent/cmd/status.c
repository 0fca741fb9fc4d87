// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "cmd.h"
#include "configured.h"
#include "agent/config/record.h"
#include "agent/daemon/spawn.h"
#include "agent/instance/instance.h"
#include "agent/lib/util.h"
#include "agent/relay/state.h"
#include "agent/view/output.h"
#include "agent/view/status.h"

static const struct output_column record[] = {
	{"/instance", "instance", OUTPUT_TEXT},
	{"/configuration/file", "configured by", OUTPUT_TEXT},
	{"/state", "state", OUTPUT_TEXT},
	{"/since", "since", OUTPUT_TEXT},
	{"/uptime", "for", OUTPUT_SECONDS},
	{"/paused_for", "paused for", OUTPUT_SECONDS},
	{"/agent/alive", "agent runs", OUTPUT_YES_NO},
	{"/agent/pid", "agent pid", OUTPUT_COUNT},
	{"/agent/blocked", "blocked namespaces", OUTPUT_COUNT},
	{"/profile/stream_verdict", "stream verdict program", OUTPUT_YES_NO},
	{"/profile/fionread_counts_hops", "FIONREAD counts hops", OUTPUT_YES_NO},
	{"/profile/adopts_old_connections", "adopts old connections", OUTPUT_YES_NO},
	{"/splice_guard/mechanism", "splice guard", OUTPUT_TEXT},
	{"/receive_guard/mechanism", "receive guard", OUTPUT_TEXT},
	{"/policy_rules", "policy rules", OUTPUT_COUNT},
	{"/heartbeat", "heartbeat", OUTPUT_SECONDS},
	{"/observes", "only observes", OUTPUT_YES_NO},
	{"/other_sockmaps", "sockmaps of others", OUTPUT_COUNT},
	{"/connections/candidates", "candidates", OUTPUT_COUNT},
	{"/connections/members", "members", OUTPUT_COUNT},
	{"/connections/pairs", "pairs", OUTPUT_COUNT},
	{"/states/watched", "ends watched", OUTPUT_COUNT},
	{"/states/candidate", "ends candidate", OUTPUT_COUNT},
	{"/states/member", "ends member", OUTPUT_COUNT},
	{"/states/leaving", "ends leaving", OUTPUT_COUNT},
	{"/states/left", "ends left", OUTPUT_COUNT},
	{"/states/held", "ends held", OUTPUT_COUNT},
	{"/states/refused", "ends refused", OUTPUT_COUNT},
	{"/hopped/messages", "messages hopped", OUTPUT_COUNT},
	{"/hopped/bytes", "bytes hopped", OUTPUT_BYTES},
	{"/stayed/messages", "messages stayed", OUTPUT_COUNT},
	{"/stayed/bytes", "bytes stayed", OUTPUT_BYTES},
	{"/counters/joined", "joined late", OUTPUT_COUNT},
	{"/counters/joined_early", "joined early", OUTPUT_COUNT},
	{"/counters/left", "left", OUTPUT_COUNT},
	{"/counters/closed", "closed", OUTPUT_COUNT},
	{"/counters/events_lost", "events lost", OUTPUT_COUNT},
	{"/counters/swept", "swept", OUTPUT_COUNT},
	{"/counters/spliced", "sockets spliced from", OUTPUT_COUNT},
	{"/counters/splices_refused", "splices refused", OUTPUT_COUNT},
	{"/counters/joined_nowait", "joined blocking", OUTPUT_COUNT},
	{"/counters/waited", "of these waited", OUTPUT_COUNT},
	{0},
};
static const struct output_column cgroup_columns[] = {
	{"/path", "CGROUP", OUTPUT_TEXT}, {"/id", "ID", OUTPUT_COUNT}, {"/state", "STATE", OUTPUT_TEXT}, {0}};
static const struct output_column selector_columns[] = {{"/selector", "SELECTOR", OUTPUT_TEXT},
							{"/cgroup", "CGROUP", OUTPUT_TEXT},
							{"/state", "STATE", OUTPUT_TEXT},
							{0}};
static const struct output_column pass_columns[] = {
	{"/netns", "NETNS", OUTPUT_COUNT},	   {"/name", "NAME", OUTPUT_TEXT},
	{"/age", "LAST PASS AGO", OUTPUT_SECONDS}, {"/state", "STATE", OUTPUT_TEXT},
	{"/blocked_for", "FOR", OUTPUT_SECONDS},   {0}};
static const struct output_column reason_columns[] = {{"/count", "COUNT", OUTPUT_COUNT},
						      {"/reason", "REASON", OUTPUT_TEXT},
						      {"/meaning", "MEANING", OUTPUT_TEXT},
						      {0}};
static const struct output_column map_columns[] = {{"/map", "MAP", OUTPUT_TEXT},
						   {"/used", "USED", OUTPUT_COUNT},
						   {"/max", "MAX", OUTPUT_COUNT},
						   {"/percent", "FILL", OUTPUT_PERCENT},
						   {0}};
static const struct output_column veto_columns[] = {{"", "PROGRAM", OUTPUT_PROGRAM},
						    {"/sockets", "SOCKETS", OUTPUT_COUNT},
						    {"/unless_guarded", "UNLESS GUARDED", OUTPUT_YES_NO},
						    {"/reason", "REASON", OUTPUT_TEXT},
						    {"/meaning", "MEANING", OUTPUT_TEXT},
						    {0}};
static const struct output_column other_columns[] = {{"/instance", "INSTANCE", OUTPUT_TEXT},
						     {"/state", "STATE", OUTPUT_TEXT},
						     {"/members", "MEMBERS", OUTPUT_COUNT},
						     {0}};

static const struct output_column relay_columns[] = {
	{"/pid", "PID", OUTPUT_COUNT},
	{"/mode", "MODE", OUTPUT_TEXT},
	{"/listen", "LISTEN", OUTPUT_TEXT},
	{"/connections", "PAIRS", OUTPUT_COUNT},
	{"/collapsed", "COLLAPSED", OUTPUT_COUNT},
	{"/connections_total", "SINCE START", OUTPUT_COUNT},
	{"/failed", "FAILED", OUTPUT_COUNT},
	{"/bytes/kernel", "IN KERNEL", OUTPUT_BYTES},
	{"/bytes/splice", "SPLICED", OUTPUT_BYTES},
	{"/bytes/copy", "COPIED", OUTPUT_BYTES},
	{"/hopped", "HOPPED", OUTPUT_BYTES},
	{0},
};

static const struct output_section others_view[] = {
	{OUTPUT_TABLE, "/other_instances", "other instances", other_columns},
	{OUTPUT_TABLE, "/relays", "relays", relay_columns},
	{0},
};
static const struct output_section view[] = {
	{OUTPUT_RECORD, NULL, NULL, record},
	{OUTPUT_TABLE, "/cgroups", "attached cgroups", cgroup_columns},
	{OUTPUT_TABLE, "/selectors", "configured", selector_columns},
	{OUTPUT_TABLE, "/passes", "network namespaces and their last passes", pass_columns},
	{OUTPUT_TABLE, "/stay_reasons", "why messages stayed on TCP", reason_columns},
	{OUTPUT_TABLE, "/why_not", "why ends are no members (times counted)", reason_columns},
	{OUTPUT_TABLE, "/maps", "maps", map_columns},
	{OUTPUT_TABLE, "/vetoed", "vetoed programs", veto_columns},
	{OUTPUT_TABLE, "/other_instances", "other instances", other_columns},
	{OUTPUT_TABLE, "/relays", "relays", relay_columns},
	{0},
};

/* The running relays of this host, whatever the instance. */
static void add_relays(json_object *o, struct report *r)
{
	json_object *list = NULL;
	int err = relay_list(&list);

	if (err)
		report_add(r, NOTED_READ, err, "the running relays");
	json_object_object_add(o, "relays", list ?: json_object_new_array());
}

/* What the configuration in force selects; nothing without one. */
static void add_configuration(json_object *o, const struct instance *in)
{
	struct config c = {0};
	int err = record_read(in->name, NULL, &c, NULL);

	configured_add(o, err ? NULL : &c, in);
	config_free(&c);
}

#define ANSWER_MS 3000

/* For probes of a service manager, again and again: no more work than it takes. */
static int probe(const struct instance *in)
{
	int err = agent_answers(in, ANSWER_MS);

	return err ? cmd_failed(FAILED_AGENT_SILENT, err, in->name) : EXIT_OK;
}

struct status_args {
	const char *instance;
	bool json, probe;
};

static int show_status(void *args, int n, char **operand)
{
	const struct status_args *a = args;
	const char *shown = a->instance ?: INSTANCE_DEFAULT;
	_cleanup_json_ json_object *o = NULL;
	struct report r = {};
	struct instance in;
	int status = cmd_open(&in, a->instance, INSTANCE_READ), printed;

	(void)n;
	(void)operand;
	if (status == EXIT_OK && a->probe) {
		status = probe(&in);
		instance_close(&in);
		return status;
	}
	if ((status != EXIT_OK && status != EXIT_NOT_ATTACHED) || a->probe)
		return status;
	o = json_object_new_object();
	json_object_object_add(o, "attached", json_object_new_boolean(status == EXIT_OK));
	json_object_object_add(o, "instance", output_string(shown, strlen(shown)));
	if (status == EXIT_OK) {
		add_configuration(o, &in);
		status_instance(o, &in, &r);
		instance_close(&in);
	}
	status_others(o, shown);
	add_relays(o, &r);
	cmd_report(&r, 0);
	printed = output_print(o, status == EXIT_OK ? view : others_view, a->json);
	return status ?: exit_status(printed);
}

static const struct cmd_option options[] = {
	CMD_JSON(offsetof(struct status_args, json),
		 "If nothing is attached, it is an object in which _attached_ is false."),
	{
		.name = "probe",
		.type = CMD_FLAG,
		.offset = offsetof(struct status_args, probe),
		.help = "print nothing; exit status 0 only if an agent runs and answers",
		.more = "It answers if it reads its events within three seconds. The exit status is 1 if "
			"there is none "
			"that does, and 3 if nothing is attached.",
	},
	CMD_INSTANCE(offsetof(struct status_args, instance)),
	{0},
};

const struct command cmd_status = {
	.name = "status",
	.summary = "show the instance: cgroups, agent, counters, reasons",
	.options = options,
	.size = sizeof(struct status_args),
	.run = show_status,
};
