/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * names.h: who an end belongs to: the program that holds it, and the unit, container or pod of its cgroup.
 * Asked once for each cgroup and process, and remembered.
 */
#ifndef SOCKHOP_VIEW_NAMES_H
#define SOCKHOP_VIEW_NAMES_H

#include <json-c/json.h>
#include <linux/types.h>

#include "who.h"

struct instance;
struct names;

/* NULL without memory. */
struct names *names_new(void);
void names_free(struct names *n);

/*
 * Forget the programs: a process may have called execve(), or ended and another one has its number. What
 * belongs to a cgroup never changes (its id is not used again), so that is kept, up to a limit.
 */
void names_forget(struct names *n);

/*
 * What the cgroup with this id is. One that is gone, or cannot be seen, has the path "cgroup ID". Valid until
 * names_forget(); NULL without memory.
 */
const struct who *names_cgroup(struct names *n, __u64 id);

/* A program that holds a socket: what the agent found, the name as it is now. */
struct program {
	__u32 pid;     /* 0: not known */
	char comm[17]; /* "" if pid is 0 */
};
void names_program(struct names *n, const struct instance *in, __u64 cookie, struct program *out);

/* "NAME/PID", or "?" */
#define PROGRAM_LABEL 32
void program_label(const struct program *p, char buf[PROGRAM_LABEL]);

/*
 * Add to o what `list` shows of a cgroup: "service" (who_label()), "unit", "user", "container", "runtime",
 * "pod", "pod_name", "cgroup_path"; null where there is nothing to say. NULL for who: all of them null.
 */
void names_add_who(json_object *o, const struct who *who);

#endif
