// SPDX-License-Identifier: GPL-2.0-only
/* bugreport.c: `sockhop report`. (cmd_report() and report.c are the words for failures.) */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <zlib.h>

#include "capture.h"
#include "cmd.h"
#include "agent/lib/tarball.h"
#include "agent/lib/util.h"
#include "agent/view/objects.h"
#include "agent/view/output.h"

#define TOP "sockhop-report"
/* For each command; `check` takes up to 12 s, and a blocked namespace holds `list` for 10. */
#define COMMAND_SECONDS 60

struct gather {
	const char *instance;
	struct tarball files;
	json_object *parts; /* of summary.json */
	bool denied;
};

/* On a terminal, where one waits. */
static void progress(const char *what)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s%s", what ?: "", what ? "..." : "");
}

/* Takes o. */
static int add_json(struct gather *g, const char *name, json_object *o)
{
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
	char *copy = NULL;
	int n = text ? asprintf(&copy, "%s\n", text) : -1;

	json_object_put(o);
	return n < 0 ? -ENOMEM : tarball_add(&g->files, name, copy, n);
}

static const struct part {
	const char *file; /* what it prints; its messages go to the same name with .err */
	char *words[4];
	bool instance;
} parts[] = {
	{"version.json", {"version", "--json"}, false},	  {"status.json", {"status", "--json"}, true},
	{"list.json", {"list", "--json", "--all"}, true}, {"policy.json", {"policy", "show", "--json"}, true},
	{"check.json", {"check", "--json"}, false},
};

static int add_output(struct gather *g, const struct part *p, struct captured *c)
{
	char name[64];
	int err = 0;

	if (c->out_size)
		err = tarball_add(&g->files, p->file, c->out, c->out_size);
	else
		free(c->out);
	snprintf(name, sizeof(name), "%s.err", p->file);
	if (c->err_size)
		return tarball_add(&g->files, name, c->err, c->err_size) ?: err;
	free(c->err);
	return err;
}

static int add_part(struct gather *g, const struct part *p)
{
	char *argv[8] = {"sockhop"};
	json_object *o = json_object_new_object();
	struct captured c;
	size_t n = 1;
	int err;

	progress(p->words[0]);
	for (size_t i = 0; i < ARRAY_SIZE(p->words) && p->words[i]; i++)
		argv[n++] = p->words[i];
	if (p->instance) {
		argv[n++] = "--instance";
		argv[n++] = (char *)g->instance;
	}
	err = capture(argv, COMMAND_SECONDS, &c);
	json_object_object_add(o, "file", json_object_new_string(p->file));
	json_object_object_add(o, "exit_status", c.status < 0 ? NULL : json_object_new_int(c.status));
	json_object_object_add(o, "error", err ? json_object_new_string(strerror(-err)) : NULL);
	json_object_array_add(g->parts, o);
	g->denied |= c.status == EXIT_PERMISSION;
	return add_output(g, p, &c);
}

static int add_objects(struct gather *g, const struct instance *in)
{
	json_object *o = objects_json(in);

	return o ? add_json(g, "bpf.json", o) : -ENOMEM;
}

/* Lines of a file, compressed or not, that have one of the words, or all (NULL). -ENOENT: not there. */
static int add_lines(struct gather *g, const char *name, const char *path, const char *const *words)
{
	gzFile from = gzopen(path, "re");
	char line[512], *text = NULL;
	size_t size = 0;
	FILE *to;

	if (!from)
		return -ENOENT;
	to = open_memstream(&text, &size);
	while (to && gzgets(from, line, sizeof(line))) {
		const char *const *w = words;

		while (w && *w && !strstr(line, *w))
			w++;
		if (!w || *w)
			fputs(line, to);
	}
	gzclose(from);
	if (!to || fclose(to))
		return -ENOMEM;
	return tarball_add(&g->files, name, text, size);
}

/* What programs of ours, sockets, cgroups and scheduling depend on; also "# CONFIG_X is not set". */
static const char *const config_words[] = {
	"CONFIG_BPF",
	"_BPF",
	"CONFIG_CGROUP",
	"CONFIG_DEBUG_INFO_BTF",
	"CONFIG_NET_NS",
	"CONFIG_USER_NS",
	"CONFIG_INET=",
	"CONFIG_IPV6=",
	"CONFIG_MPTCP",
	"CONFIG_TLS",
	"CONFIG_MEMCG",
	"CONFIG_PREEMPT",
	"CONFIG_HZ",
	"CONFIG_SMP",
	"CONFIG_NO_HZ_FULL",
	"CONFIG_SECURITY_",
	"CONFIG_LSM=",
	"CONFIG_SECCOMP",
	"CONFIG_STREAM_PARSER",
	"CONFIG_NET_SOCK_MSG",
	"CONFIG_KPROBES",
	"CONFIG_FTRACE",
	"CONFIG_NETFILTER=",
	"CONFIG_VETH",
	NULL,
};

static int add_kernel(struct gather *g, const struct utsname *uts)
{
	char path[sizeof(uts->release) + 32];
	int err;

	snprintf(path, sizeof(path), "/boot/config-%s", uts->release);
	err = add_lines(g, "kernel-config.txt", path, config_words);
	if (err == -ENOENT)
		err = add_lines(g, "kernel-config.txt", "/proc/config.gz", config_words);
	return err == -ENOENT ? 0 : err;
}

static int add_system(struct gather *g, const struct utsname *uts)
{
	char *text = NULL;
	int n = asprintf(&text, "%s %s %s %s\n", uts->sysname, uts->release, uts->version, uts->machine);
	int err = n < 0 ? -ENOMEM : tarball_add(&g->files, "uname.txt", text, n);

	if (err)
		return err;
	err = add_lines(g, "os-release", "/etc/os-release", NULL);
	return err == -ENOENT ? 0 : err;
}

/* What this is, what is attached, what could be found out. opened: of instance_open(). */
static int add_summary(struct gather *g, int opened)
{
	json_object *o = json_object_new_object(), *attached = NULL;
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	if (!opened || opened == -ENOENT)
		attached = json_object_new_boolean(!opened);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	json_object_object_add(o, "sockhop", json_object_new_string(VERSION));
	json_object_object_add(o, "time", json_object_new_string(text));
	json_object_object_add(o, "instance", output_string(g->instance, strlen(g->instance)));
	json_object_object_add(o, "attached", attached); /* null: cannot tell */
	json_object_object_add(o, "open_error", opened ? json_object_new_string(strerror(-opened)) : NULL);
	json_object_object_add(o, "uid", json_object_new_int64(geteuid()));
	json_object_object_add(o, "parts", json_object_get(g->parts));
	return add_json(g, "summary.json", o);
}

static int gather(struct gather *g)
{
	struct utsname uts;
	struct instance in;
	int opened = instance_open(&in, g->instance, INSTANCE_READ), err = 0;

	uname(&uts);
	if (!opened) {
		err = add_objects(g, &in);
		instance_close(&in);
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts) && !err; i++)
		err = add_part(g, &parts[i]);
	progress(NULL);
	err = err ?: add_system(g, &uts);
	err = err ?: add_kernel(g, &uts);
	return err ?: add_summary(g, opened);
}

struct bugreport_args {
	const char *instance;
	bool force;
};

static void default_name(char *buf, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	strftime(buf, size, TOP "-%Y%m%d-%H%M%S.tar.gz", gmtime_r(&now, &tm));
}

static int report_to(struct gather *g, const char *path, bool force)
{
	int err = tarball_may_write(path, force);

	err = err ?: gather(g);
	err = err ?: tarball_write(&g->files, TOP, path, force);
	if (err)
		return cmd_failed(FAILED_ARCHIVE, err, path);
	if (g->denied)
		msg_warn("parts are missing because privileges are missing: run it as root");
	printf("%s\n", path);
	return EXIT_OK;
}

static int bugreport(void *args, int n, char **operand)
{
	const struct bugreport_args *a = args;
	struct gather g = {.instance = a->instance ?: INSTANCE_DEFAULT};
	char name[64];
	int status;

	if (n > 1)
		return cmd_usage_error("report", "one file at a time");
	default_name(name, sizeof(name));
	g.parts = json_object_new_array();
	status = report_to(&g, n ? operand[0] : name, a->force);
	json_object_put(g.parts);
	tarball_free(&g.files);
	return status;
}

static const struct cmd_option options[] = {
	{
		.name = "force",
		.type = CMD_FLAG,
		.offset = offsetof(struct bugreport_args, force),
		.help = "replace FILE if it exists",
	},
	CMD_INSTANCE(offsetof(struct bugreport_args, instance)),
	{0},
};

const struct command cmd_bugreport = {
	.name = "report",
	.summary = "write one archive for a bug report, without payload or secrets",
	.operands = "[FILE]",
	.options = options,
	.size = sizeof(struct bugreport_args),
	.completes = CMD_FILES,
	.text = "FILE is a .tar.gz, sockhop-report-TIME.tar.gz in the working directory unless given. It "
		"holds "
		"addresses, ports, cgroup paths and names of programs.",
	.run = bugreport,
};
