// SPDX-License-Identifier: GPL-2.0-only
/* report.c: the words for each kind of failure, and its exit status. */
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "agent/daemon/spawn.h"
#include "agent/instance/folder.h"
#include "agent/instance/force.h"
#include "agent/lib/util.h"

/* How it is said, and what the exit status is: one of those, that of the error number, or none. */
enum outcome { BY_ERROR = 0, WARNING = -1, INFO = -2 };

#define ANY 0

/* The row of the error is taken, or that of any. */
struct wording {
	enum failure_kind kind;
	int err;	  /* errno, EPERM also of EACCES, or ANY */
	int outcome;	  /* EXIT_*, or an enum outcome */
	const char *text; /* see spell() */
};

#define AS_OWNER "run as root, or as its owner with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"

#define AS_MAKER "run as root, or with CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_ADMIN"

#define OTHER_VERSION                                                                                    \
	"instance '{object}' was made by another version of sockhop: take it down with `sockhop detach " \
	"--all "                                                                                         \
	"--instance {object}`, which loses no byte, and attach again"

static const struct wording wordings[] = {
	{FAILED_OPEN, ENOENT, EXIT_NOT_ATTACHED,
	 "instance '{object}' is not attached: run `sockhop attach{option} CGROUP`"},
	{FAILED_OPEN, EPERM, BY_ERROR, "no permission to open instance '{object}': " AS_OWNER},
	{FAILED_OPEN, FOLDER_STRANGE, EXIT_FAIL, "will not open instance '{object}': " FOLDER_STRANGE_TEXT},
	{FAILED_OPEN, EPROTO, EXIT_FAIL, OTHER_VERSION},
	{FAILED_OPEN, ANY, BY_ERROR, "cannot open instance '{object}': {error}"},
	{FAILED_NAME, ANY, EXIT_USAGE,
	 "'{object}' cannot be an instance name: letters, digits, '-' and '_', at most 47, not "
	 "NAME-new-NUMBER"},
	{FAILED_BPFFS, FOLDER_STRANGE, EXIT_FAIL, FOLDER_STRANGE_TEXT},
	{FAILED_BPFFS, EPERM, BY_ERROR, "no permission to write to the bpffs at " FOLDER_BPFFS ": " AS_MAKER},
	{FAILED_BPFFS, EXDEV, EXIT_FAIL,
	 "no bpffs at " FOLDER_BPFFS ", and one that is mounted here would end with this container or mount "
	 "namespace: run `mount -t bpf bpf " FOLDER_BPFFS "` on the host, and let the container have it"},
	{FAILED_BPFFS, ANY, BY_ERROR, "cannot use the bpffs at " FOLDER_BPFFS ": {error}"},
	{FAILED_POLICY_SET, ANY, BY_ERROR, "cannot change the policy of instance '{object}': {error}"},
	{FAILED_OBSERVE, ANY, EXIT_FAIL,
	 "instance '{object}' lets connections join already: detach it first, or observe in one of another "
	 "name "
	 "(--instance)"},
	{NOTED_OBSERVES, ANY, WARNING,
	 "instance '{object}' only observes: nobody joins until it is detached and attached again"},
	{FAILED_POLICY_FILE, ANY, EXIT_FAIL, "{object}"},
	{FAILED_CONFIG, ANY, EXIT_FAIL, "{object}"},
	{FAILED_NO_CONFIG, ANY, EXIT_FAIL,
	 "instance '{object}' was attached without a configuration file: `sockhop attach --config NAME` "
	 "gives "
	 "it one"},
	{FAILED_RECORD, ANY, BY_ERROR,
	 "cannot note the configuration of instance '{object}' in /run/sockhop: {error}"},
	{NOTED_FIXED, ANY, WARNING,
	 "{detail} of instance '{object}' is fixed when it is made: the new one counts after a detach and an "
	 "attach"},
	{NOTED_UNSELECTED, ANY, INFO, "{object} is no longer configured: detached"},
	{NOTED_NOT_WOKEN, ANY, WARNING, "cannot wake the agent of '{object}': {error}"},
	{FAILED_SWITCHES, EOPNOTSUPP, BY_ERROR,
	 FORCE_ENV
	 " is set: it takes away rules that keep bytes safe, and only a build for tests has it; unset it"},
	{FAILED_SWITCHES, ANY, BY_ERROR,
	 FORCE_ENV "='{object}' is not a list of test switches: see enum hop_force"},
	{NOTED_SWITCHES, ANY, WARNING,
	 "TEST ONLY: this instance lacks rules that keep bytes safe ({object})"},
	{FAILED_PROBE, EPERM, BY_ERROR, "no permission to load BPF programs: " AS_MAKER},
	{FAILED_PROBE, ETIMEDOUT, EXIT_FAIL,
	 "the probe programs did not end in time: is this machine very busy? Try again, or see `sockhop "
	 "check`"},
	{FAILED_PROBE, ANY, BY_ERROR,
	 "this kernel refuses the probe programs ({error}): see `sockhop check`"},
	{FAILED_NO_HOP, ANY, BY_ERROR, "this kernel does not redirect between sockets: see `sockhop check`"},
	{FAILED_NOT_CHARGED, ANY, BY_ERROR,
	 "this kernel does not charge redirected messages to their receiver: see `sockhop check`"},
	{FAILED_LOAD, ANY, BY_ERROR, "cannot load or pin the programs of '{object}': {error}"},
	{FAILED_CGROUP, ENOENT, BY_ERROR,
	 "no cgroup '{object}': give a path, or one below the cgroup2 mount (`mount -t cgroup2`)"},
	{FAILED_CGROUP, EINVAL, BY_ERROR,
	 "'{object}' is not in a cgroup2 hierarchy: cgroup v1 has no sockops programs"},
	{FAILED_CGROUP, ANY, BY_ERROR, "cannot use cgroup '{object}': {error}"},
	{FAILED_ATTACH, EPERM, BY_ERROR,
	 "cannot attach to {object}: no permission; run as root, or with CAP_BPF and CAP_NET_ADMIN"},
	{FAILED_ATTACH, ANY, BY_ERROR, "cannot attach to {object}: {error}"},
	{FAILED_HOOK_SOCKOPS, ANY, EXIT_PERMISSION,
	 "cannot attach to {object}: another program holds the sockops hook of {detail} exclusively (see "
	 "`bpftool cgroup show {detail}`); it must attach with BPF_F_ALLOW_MULTI"},
	{FAILED_HOOK_SETSOCKOPT, ANY, EXIT_PERMISSION,
	 "cannot attach to {object}: another program holds the setsockopt hook of {detail} exclusively (see "
	 "`bpftool cgroup show {detail}`); it must attach with BPF_F_ALLOW_MULTI"},
	{NOTED_ATTACHED, ANY, INFO, "attached to {object}"},
	{NOTED_ATTACHED_ALREADY, ANY, INFO, "{object} is attached already, itself or through an ancestor"},
	{NOTED_ATTACH_WAITS, ANY, WARNING,
	 "{object} does not exist now: it is waiting, and the agent attaches the next cgroup at this path"},
	{NOTED_JOIN_BLOCKED, ANY, WARNING,
	 "network namespace {object} is blocked: a call holds one of its sockets; connections in it that "
	 "exist already stay on TCP"},
	{NOTED_LEAVE_BLOCKED, ANY, WARNING,
	 "network namespace {object} is blocked: a call holds one of its sockets; no connection leaves "
	 "there before that call ends"},
	{NOTED_AGENT_STAYS, ANY, WARNING, "the agent of '{object}' did not end: {error}"},
	{FAILED_DRAIN, ETIMEDOUT, EXIT_FAIL,
	 "time ran out before all members of '{object}' were visited; run `sockhop detach` again later"},
	{FAILED_DRAIN, ANY, EXIT_FAIL, "draining '{object}' failed: {error}"},
	{FAILED_UNREAD, ANY, EXIT_FAIL,
	 "{object} sockets hold bytes that their programs have not read, and stay until they are read; their "
	 "traffic takes the TCP path. Run `sockhop detach --all` again later"},
	{FAILED_OTHER, ANY, BY_ERROR,
	 "cannot take down '{object}', which another version of sockhop made: {error}"},
	{FAILED_OTHER_UNREAD, ANY, EXIT_FAIL,
	 "{detail} members of '{object}', which another version of sockhop made, hold bytes that "
	 "their programs have not read, and stay until they are read; run `sockhop detach --all` again "
	 "later"},
	{FAILED_SET_ASIDE, ANY, EXIT_FAIL, "cannot set '{object}' aside: {error}"},
	{FAILED_REMOVE, ANY, BY_ERROR, "cannot remove the pins of '{object}': {error}"},
	{FAILED_REMOVE_REST, ANY, BY_ERROR, "cannot remove what is left of '{object}': {error}"},
	{FAILED_DETACH, ANY, BY_ERROR, "cannot detach '{object}': {error}"},
	{FAILED_DETACH_CGROUP, ANY, BY_ERROR, "cannot detach from {object}: {error}"},
	{NOTED_CGROUP_BUSY, ANY, WARNING,
	 "{object} still has processes: remove it when they have ended (rmdir)"},
	{NOTED_CGROUP_STAYS, ANY, WARNING, "cannot remove {object}: {error}"},
	{NOTED_RUN_CGROUPS, ANY, WARNING, "cannot remove the cgroups of `sockhop run`: {error}"},
	{FAILED_FOLDER, FOLDER_STRANGE, EXIT_FAIL, FOLDER_STRANGE_TEXT},
	{FAILED_FOLDER, EPERM, BY_ERROR,
	 "no permission to open the pin folder: run as root, or as its owner"},
	{FAILED_FOLDER, ENOENT, EXIT_NOT_ATTACHED, "not attached: nothing to detach"},
	{FAILED_FOLDER, ANY, BY_ERROR, "cannot read the pin folder: {error}"},
	{FAILED_AGENT, EBUSY, BY_ERROR, "instance '{object}' has an agent already"},
	{FAILED_AGENT, EOPNOTSUPP, BY_ERROR, "no agent of '{object}' can work here: " AGENT_WHERE},
	{FAILED_AGENT, ANY, BY_ERROR, "cannot start the agent of '{object}': {error}"},
	{FAILED_AGENT_RUN, ANY, BY_ERROR, "the agent of '{object}' failed: {error}"},
	{FAILED_AGENT_START, EOPNOTSUPP, BY_ERROR,
	 "attached, but no agent can work here: " AGENT_WHERE "; run `sockhop agent` there"},
	{FAILED_AGENT_START, ANY, BY_ERROR,
	 "attached, but the agent did not start: {error}; run `sockhop agent`"},
	{FAILED_AGENT_SILENT, ESRCH, EXIT_FAIL,
	 "instance '{object}' has no agent: run `sockhop agent{option}`"},
	{FAILED_AGENT_SILENT, ETIMEDOUT, EXIT_FAIL,
	 "the agent of '{object}' does not read its events: end it, and start another one; members are safe"},
	{FAILED_AGENT_SILENT, ANY, BY_ERROR, "cannot ask the agent of '{object}': {error}"},
	{FAILED_COLLAPSE, EOPNOTSUPP, BY_ERROR, "--collapse cannot work here: " AGENT_WHERE},
	/* not merely another failure: this version of sockhop cannot do it there */
	{FAILED_COLLAPSE, EPROTO, EXIT_UNSUPPORTED, OTHER_VERSION},
	{FAILED_COLLAPSE, ANY, BY_ERROR, "cannot open instance '{object}': {error}"},
	{FAILED_RELAY_KERNEL, ANY, BY_ERROR,
	 "relay: no kernel path ({object}), and --path kernel allows no other"},
	{FAILED_RELAY, ANY, BY_ERROR, "relay: {error}"},
	{NOTED_RELAY_CUT, ANY, WARNING, "relay: {object} connections are cut off"},
	{FAILED_ARCHIVE, EEXIST, BY_ERROR, "'{object}' exists already: give another name, or --force"},
	{FAILED_ARCHIVE, ENOSPC, BY_ERROR,
	 "cannot write '{object}': {error}; give a name on another file system"},
	{FAILED_ARCHIVE, ANY, BY_ERROR, "cannot write '{object}': {error}"},
	{NOTED_READ, ANY, WARNING, "cannot read {object}: {error}"},
};

/* Where a kind has no words of its own for an error: these do what opens an instance. */
static enum failure_kind like(enum failure_kind kind)
{
	return kind == FAILED_AGENT || kind == FAILED_COLLAPSE ? FAILED_OPEN : kind;
}

static const struct wording *row(enum failure_kind kind, int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(wordings); i++)
		if (wordings[i].kind == kind && wordings[i].err == err)
			return &wordings[i];
	return NULL;
}

static const struct wording *find(const struct failure *f)
{
	int err = f->err == -EACCES ? EPERM : -f->err;
	const struct wording *w = row(f->kind, err);

	w = w ?: row(like(f->kind), err);
	return w ?: row(f->kind, ANY);
}

/*
 * The text with what stands in {}: object and detail of the failure, error: strerror(), option: the option
 * that names the object where it is an instance.
 */
static void spell(const char *text, const struct failure *f, char *buf, size_t size)
{
	char option[80] = "";
	const struct {
		const char *name, *value;
	} fields[] = {{"{object}", f->object ?: "?"},
		      {"{detail}", f->detail ?: "?"},
		      {"{error}", strerror(-f->err)},
		      {"{option}", option}};
	size_t n = 0, i;

	if (f->object && strcmp(f->object, INSTANCE_DEFAULT))
		snprintf(option, sizeof(option), " --instance %s", f->object);
	while (*text && n + 1 < size) {
		for (i = 0; i < ARRAY_SIZE(fields); i++)
			if (!strncmp(text, fields[i].name, strlen(fields[i].name)))
				break;
		if (i == ARRAY_SIZE(fields)) {
			buf[n++] = *text++;
			continue;
		}
		n += snprintf(buf + n, size - n, "%s", fields[i].value);
		text += strlen(fields[i].name);
	}
	buf[n < size ? n : size - 1] = '\0';
}

/* Returns the exit status of an error, EXIT_OK of all else. */
static int say(const struct failure *f)
{
	const struct wording *w = find(f);
	int outcome = w ? w->outcome : BY_ERROR;
	char text[1024];

	spell(w ? w->text : "{object}: {error}", f, text, sizeof(text));
	if (outcome == INFO)
		msg_info("%s", text);
	else if (outcome == WARNING)
		msg_warn("%s", text);
	else
		msg_error("%s", text);
	if (outcome == INFO || outcome == WARNING)
		return EXIT_OK;
	return outcome == BY_ERROR ? exit_status(f->err ?: -EIO) : outcome;
}

int cmd_failed(enum failure_kind kind, int err, const char *object)
{
	const struct failure f = {.kind = kind, .err = err, .object = (char *)object};

	return say(&f);
}

int cmd_report(struct report *r, int err)
{
	int status = EXIT_OK, last;

	for (size_t i = 0; i < r->n; i++) {
		last = say(&r->list[i]);
		if (last)
			status = last;
	}
	report_free(r);
	if (err && !status) {
		msg_error("%s", strerror(-err));
		status = exit_status(err);
	}
	return status;
}

int exit_status(int err)
{
	switch (err < 0 ? -err : err) {
	case 0:
		return EXIT_OK;
	case EPERM:
	case EACCES:
		return EXIT_PERMISSION;
	case EOPNOTSUPP:
	case ENOSYS:
		return EXIT_UNSUPPORTED;
	default:
		return EXIT_FAIL;
	}
}

static void warn_switches(const struct instance *in)
{
	char names[256];

	if (!in->config->force)
		return;
	force_names(in->config->force, names, sizeof(names));
	msg_warn("TEST ONLY: instance '%s' lacks rules that keep bytes safe (%s): detach it", in->name,
		 names);
}

int cmd_opened(const struct instance *in, const char *name, int flags, int err)
{
	if (err)
		return cmd_failed(FAILED_OPEN, err, name ?: INSTANCE_DEFAULT);
	if (flags & INSTANCE_READ)
		warn_switches(in);
	return EXIT_OK;
}

int cmd_open(struct instance *in, const char *name, int flags)
{
	return cmd_opened(in, name, flags, instance_open(in, name, flags));
}
