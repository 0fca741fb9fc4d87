/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report.h: what failed, and on what, from where it happens to the command that says so. Below the commands
 * nothing prints and nothing knows exit statuses: functions return 0 or -errno, and those that know more than
 * the number add it to a report. agent/cmd/report.c has the words and the remedy for each kind.
 */
#ifndef SOCKHOP_LIB_REPORT_H
#define SOCKHOP_LIB_REPORT_H

#include <stddef.h>

/* FAILED_*: what was asked for was not done. NOTED_*: it was, and there is something to know about it. */
enum failure_kind {
	/* an instance; the object is its name */
	FAILED_OPEN,
	FAILED_NAME,
	FAILED_BPFFS, /* no object */
	FAILED_POLICY_SET,
	FAILED_OBSERVE,
	NOTED_OBSERVES,
	NOTED_NOT_WOKEN, /* its agent */
	/* policy files; the object is the message of policy_parse_file() */
	FAILED_POLICY_FILE,
	/* configuration files; the object is the message of config_parse_file() */
	FAILED_CONFIG,
	FAILED_NO_CONFIG, /* the instance, like the next two; the detail of a limit is its name */
	FAILED_RECORD,
	NOTED_FIXED,
	NOTED_UNSELECTED, /* a path */
	/* making an instance */
	FAILED_SWITCHES, /* the value of SOCKHOP_TEST_FORCE */
	NOTED_SWITCHES,	 /* their names */
	FAILED_PROBE,	 /* no object, like the next two */
	FAILED_NO_HOP,
	FAILED_NOT_CHARGED,
	FAILED_LOAD,
	/* attaching; the object is the path of the cgroup, or the operator's word for it */
	FAILED_CGROUP,
	FAILED_ATTACH,
	FAILED_HOOK_SOCKOPS, /* the detail is the cgroup where the hook is taken, like the next */
	FAILED_HOOK_SETSOCKOPT,
	NOTED_ATTACHED,
	NOTED_ATTACHED_ALREADY,
	NOTED_ATTACH_WAITS,
	NOTED_JOIN_BLOCKED, /* a network namespace, like the next */
	/* detaching; the object is the instance, where nothing else is said */
	NOTED_LEAVE_BLOCKED,
	NOTED_AGENT_STAYS,
	FAILED_DRAIN,
	FAILED_UNREAD,	     /* the number of sockets */
	FAILED_OTHER,	     /* an instance of another version, like the next */
	FAILED_OTHER_UNREAD, /* the detail is the number of members */
	FAILED_SET_ASIDE,
	FAILED_REMOVE,
	FAILED_REMOVE_REST,
	FAILED_DETACH,
	FAILED_DETACH_CGROUP, /* a path, like the next two */
	NOTED_CGROUP_BUSY,
	NOTED_CGROUP_STAYS,
	NOTED_RUN_CGROUPS, /* no object */
	FAILED_FOLDER,	   /* no object */
	/* agents */
	FAILED_AGENT,
	FAILED_AGENT_RUN,
	FAILED_AGENT_START,
	FAILED_AGENT_SILENT,
	/* relays */
	FAILED_COLLAPSE,     /* the instance */
	FAILED_RELAY_KERNEL, /* the reason why there is no kernel path */
	FAILED_RELAY,	     /* no object */
	NOTED_RELAY_CUT,     /* the number of connections */
	FAILED_ARCHIVE,	     /* the file of `sockhop report` */
	/* status and list; the object is what */
	NOTED_READ,
	FAILURE_COUNT
};

struct failure {
	enum failure_kind kind;
	int err;      /* -errno; 0: the kind says all */
	char *object; /* what it is about; NULL: nothing */
	char *detail; /* NULL: nothing */
};

/* Zeroed: nothing to say. cmd_report() or report_free() ends it. */
struct report {
	struct failure *list;
	size_t n, room;
};

/*
 * Add a failure; object and detail (may be NULL) are copied. Does nothing if r is NULL. Returns err, so that
 * it can be passed on in one step. Without memory it is lost, but err is not.
 */
int report_add(struct report *r, enum failure_kind kind, int err, const char *object);
int report_add_detail(struct report *r, enum failure_kind kind, int err, const char *object,
		      const char *detail);
void report_free(struct report *r);

#endif
