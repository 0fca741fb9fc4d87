// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <bpf/libbpf.h>
#include <json-c/json.h>

#include "cmd.h"
#include "agent/instance/instance.h"
#include "agent/lib/text.h"
#include "agent/lib/util.h"
#include "agent/view/output.h"

const struct cmd_usage cmd_usage[] = {
	{
		.name = "attach",
		.args = "CGROUP... [--policy FILE] [--max-connections N] [--idle-timeout S] [--heartbeat S] "
			"[--no-agent]",
		.summary = "put cgroups under sockhop and start the agent",
		.options =
			"  --policy FILE          rules that say which connections may hop (see `sockhop "
			"policy`)\n"
			"  --max-connections N    limit of connections that hop at a time (65536)\n"
			"  --idle-timeout S       a pair silent for S seconds goes back to TCP until it "
			"talks again\n"
			"                         (300; 0: never)\n"
			"  --heartbeat S          one message of each direction takes TCP every S seconds, "
			"so that\n"
			"                         firewalls and NAT see the connection (15; 0: none has to)\n"
			"  --no-agent             start no agent: a service manager runs `sockhop agent`\n",
		.text = "A CGROUP is a folder of the cgroup v2 tree, absolute or below its mount. All "
			"cgroups of an\n"
			"instance share one set of maps, so connections between them hop too. Attaching "
			"again\n"
			"changes nothing; attaching another cgroup adds it.\n",
	},
	{
		.name = "detach",
		.args = "[CGROUP... | --all] [--timeout S]",
		.summary = "take cgroups out, losing no byte; connections live on over TCP",
		.options = "  --all                  all cgroups of the instance, and the instance itself\n"
			   "  --timeout S            give up waiting for readers after S seconds\n",
		.text = "A connection whose reader leaves bytes unread cannot leave until it reads. What did "
			"not drain\n"
			"in time is reported and stays correct; a later detach finishes it.\n",
	},
	{
		.name = "run",
		.args = "[--policy FILE] [--max-connections N] [--idle-timeout S] [--heartbeat S] [--] CMD "
			"[ARG...]",
		.summary = "run a command in a cgroup of its own, attached while it runs",
		.options = "  --policy FILE          as for attach\n"
			   "  --max-connections N    as for attach\n"
			   "  --idle-timeout S       as for attach\n"
			   "  --heartbeat S          as for attach\n",
		.text = "Signals, standard input and the exit status pass through. A killed `sockhop run` "
			"harms no\n"
			"connection; `sockhop detach` cleans up after it.\n",
	},
	{
		.name = "agent",
		.args = "",
		.summary = "be the agent of an instance, in the foreground",
		.text = "The agent lets candidates join and members leave. There is one per instance; it may "
			"be stopped\n"
			"and started again at any moment.\n",
	},
	{
		.name = "status",
		.args = "[--json]",
		.summary = "show the instance: cgroups, agent, counters, reasons",
		.options = "  --json                 print JSON\n",
	},
	{
		.name = "list",
		.args = "[--json] [--all] [--columns NAMES] [--watch [S]]",
		.summary = "show the connections, one line per pair",
		.options = "  --json                 print JSON\n"
			   "  --all                  also connections that do not hop, each with the reason\n"
			   "  --columns NAMES        only these columns, in this order: state,a,b,...\n"
			   "  --watch [S]            show it anew every S seconds (2)\n",
		.text = "Connections of running relays follow, unless --instance is given. SERVICE is the "
			"unit, "
			"container or\n"
			"pod that the cgroup of an end belongs to.\n"
			"Columns: state, a, b, netns, netns-b, program-a, program-b, service-a, service-b, "
			"container-a,\n"
			"container-b, cgroup-a, cgroup-b, hops-ab, bytes-ab, stays-ab, hops-ba, bytes-ba, "
			"stays-ba, "
			"tcp-bytes,\n"
			"why, meaning.\n",
	},
	{
		.name = "top",
		.args = "[--view VIEW] [--sort KEY] [--filter TEXT] [--delay S] [--batch] [--count N]",
		.summary = "show what hops each second, live",
		.options =
			"  --view VIEW            pairs, programs, services or why (pairs); keys 1, 2, 3, w\n"
			"  --sort KEY             messages, bytes, share, saved, connections or name "
			"(messages)\n"
			"  --filter TEXT          only what contains it\n"
			"  --delay S              seconds between two looks (2); also -d\n"
			"  --batch                print plain text; also -b\n"
			"  --count N              with --batch: end after N times; also -n\n",
		.text = "Key ? shows the keys and what the columns mean. What a hop saves is estimated from "
			"benchmarks.\n",
	},
	{
		.name = "metrics",
		.args = "[--listen ADDR] [--openmetrics]",
		.summary = "print metrics for Prometheus, or serve them",
		.options = "  --listen ADDR          serve them over HTTP, in the foreground: PORT (on "
			   "127.0.0.1),\n"
			   "                         ADDRESS:PORT, unix:PATH, or fd: the socket of the "
			   "service manager\n"
			   "  --openmetrics          print OpenMetrics, not the text format of Prometheus\n",
		.text = "Printed once they are for a textfile collector. Alert rules and a dashboard are "
			"installed in\n"
			"share/sockhop.\n",
	},
	{
		.name = "check",
		.args = "[--json]",
		.summary = "find out by trying what this host can do",
		.options = "  --json                 print JSON\n",
	},
	{
		.name = "policy",
		.args = "show [--json] | set FILE | add RULE [--at N] | del N",
		.summary = "show or change which connections may hop",
		.options = "  --json                 with show: print JSON\n"
			   "  --at N                 with add: insert before rule number N, not at the end\n",
		.text = "The first rule that matches wins. Rules and their language: sockhop(8).\n",
	},
	{
		.name = "relay",
		.args = "pair --listen ADDR:PORT [--once] | forward --listen ADDR:PORT --to HOST:PORT... "
			"[OPTION...]",
		.summary = "join TCP connections in the kernel",
		.options =
			"  --listen ADDR:PORT     where clients connect\n"
			"  --once                 pair: end with the first pair\n"
			"  --to HOST:PORT         forward: a target; several take turns\n"
			"  --source ADDR          forward: connect from this address\n"
			"  --proxy-protocol V     forward: send a PROXY protocol header; V is v2\n"
			"  --workers N            processes that share the work (1)\n"
			"  --max-connections N    limit of pairs at a time, per worker (10000)\n"
			"  --connect-timeout S    give up on a target after S seconds (5)\n"
			"  --idle-timeout S       end pairs that were silent for S seconds (0: never)\n"
			"  --drain-timeout S      at SIGTERM, let pairs finish for S seconds (30)\n"
			"  --path PATH            how bytes travel: auto, kernel, splice or copy (auto)\n"
			"  --collapse             let client and server hop to each other, past the relay\n"
			"  --instance NAME        of --collapse: where they are members (default)\n",
		.no_instance = true,
	},
	{
		.name = "help",
		.args = "[COMMAND]",
		.summary = "show the commands, or how to use one",
		.no_instance = true,
	},
	{
		.name = "version",
		.args = "[--json]",
		.summary = "show the versions of sockhop, its pinned maps and libbpf",
		.options = "  --json                 print JSON\n",
		.no_instance = true,
	},
	{.name = NULL},
};

const struct cmd_usage *usage_find(const char *cmd)
{
	const struct cmd_usage *u = cmd_usage;

	while (u->name && strcmp(u->name, cmd))
		u++;
	return u->name ? u : NULL;
}

const char *usage_suggest(const char *word)
{
	const char *names[ARRAY_SIZE(cmd_usage)];

	for (size_t i = 0; i < ARRAY_SIZE(cmd_usage); i++)
		names[i] = cmd_usage[i].name;
	return text_closest(word, names);
}

static void print_overview(FILE *f)
{
	fputs("usage: sockhop COMMAND [ARGUMENT...]\n\n"
	      "An in-kernel short cut for TCP connections within one host.\n\ncommands:\n",
	      f);
	for (const struct cmd_usage *u = cmd_usage; u->name; u++)
		fprintf(f, "  %-10s %s\n", u->name, u->summary);
	fputs("\n`sockhop help COMMAND` or `sockhop COMMAND --help` tells more; so does sockhop(8).\n", f);
}

void usage_print(FILE *f, const char *cmd)
{
	const struct cmd_usage *u = cmd ? usage_find(cmd) : NULL;

	if (!u) {
		print_overview(f);
		return;
	}
	fprintf(f, "usage: sockhop %s%s%s%s [-v]\n\n%s\n", u->name, *u->args ? " " : "", u->args,
		u->no_instance ? "" : " [--instance NAME]", u->summary);
	fputs("\noptions:\n", f);
	fputs(u->options ?: "", f);
	if (!u->no_instance)
		fputs("  --instance NAME        the instance to work on (default)\n", f);
	fputs("  -v, --verbose          say more; twice for debugging\n"
	      "  -h, --help             show this\n",
	      f);
	if (u->text)
		fprintf(f, "\n%s", u->text);
}

int cmd_help(int argc, char **argv)
{
	int n = cmd_parse(argc, argv, NULL, CMD_PERMUTE);

	if (n < 0)
		return cmd_parse_status(n);
	if (n > 1)
		return cmd_usage_error("help", "one command at a time");
	if (n && !usage_find(argv[1])) {
		const char *like = usage_suggest(argv[1]);

		if (like)
			return cmd_usage_error("help", "unknown command '%s', did you mean '%s'?", argv[1],
					       like);
		return cmd_usage_error("help", "unknown command '%s'", argv[1]);
	}
	usage_print(stdout, n ? argv[1] : NULL);
	return EXIT_OK;
}

static const struct output_column version_columns[] = {
	{"/version", "sockhop", OUTPUT_TEXT},
	{"/abi", "pinned maps (ABI)", OUTPUT_COUNT},
	{"/libbpf", "libbpf", OUTPUT_TEXT},
	{0},
};
static const struct output_section version_view[] = {
	{.kind = OUTPUT_RECORD, .columns = version_columns},
	{0},
};

int cmd_version(int argc, char **argv)
{
	bool json = false;
	const struct cmd_option options[] = {{"json", CMD_FLAG, &json}, {0}};
	_cleanup_json_ json_object *out = json_object_new_object();
	int n = cmd_parse(argc, argv, options, CMD_PERMUTE);

	if (n < 0)
		return cmd_parse_status(n);
	if (n)
		return cmd_usage_error("version", "unexpected argument '%s'", argv[1]);
	json_object_object_add(out, "version", json_object_new_string(VERSION));
	json_object_object_add(out, "abi", json_object_new_int(HOP_ABI));
	/* libbpf_version_string() has a leading "v" */
	json_object_object_add(out, "libbpf", json_object_new_string(libbpf_version_string() + 1));
	return output_print(out, version_view, json);
}
