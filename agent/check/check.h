/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check.h: the parts of `sockhop check`. Each part tries things out and reports one line per finding; nothing
 * that it makes stays.
 *
 * The door of agent/check: host, kernel, self test, known defects, a file each. It owns nothing beyond the
 * run. It may call every room but cmd; cmd alone calls it.
 */
#ifndef SOCKHOP_AGENT_CHECK_H
#define SOCKHOP_AGENT_CHECK_H

#include <stdbool.h>
#include <json-c/json.h>

/* Worst last: the worst finding decides the exit status. */
enum check_state {
	CHECK_OK,
	CHECK_SKIPPED, /* could not be tried, because of another finding */
	CHECK_WARN,    /* works, with a limit */
	CHECK_FAILED,  /* this host is not set up for it */
	CHECK_MISSING, /* this kernel does not have it */
	CHECK_DENIED,  /* no permission */
};

struct checks {
	json_object *lines; /* array */
	enum check_state worst;
};

/*
 * Report a finding. fix: what the operator can do, a sentence; NULL with CHECK_OK. The rest says what was
 * found, as by printf().
 */
void check_line(struct checks *c, enum check_state state, const char *name, const char *fix, const char *fmt,
		...) __attribute__((format(printf, 5, 6)));

/* CHECK_DENIED for EPERM and EACCES, else `other`. */
enum check_state check_state_of(int err, enum check_state other);
/* The exit status that fits the worst finding. */
int check_status(enum check_state worst);

/* Kernel settings, mounts, capabilities, and programs of others on our path. */
void check_host(struct checks *c);

/*
 * Defects of this kernel that our hooks meet: a line for each that is not known to be fixed, a warning at
 * most; all of them go to `list`.
 */
void check_advisories(struct checks *c, json_object *list);

/*
 * Program types and what members of a sockhash can do here; *verdict: the stream verdict program is needed.
 * Returns true if a self test makes sense.
 */
bool check_kernel(struct checks *c, json_object *profile);

/*
 * A connection of our own in a cgroup, a network namespace and a bpffs of its own: joins, hops and survives
 * the detach, or not. Takes up to 12 s where it fails. Adds its times to `result`.
 */
void check_self(struct checks *c, json_object *result);

#endif
