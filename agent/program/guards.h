/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guards.h: what the splice guard (guard.h) and the receive guard (receive.h) have in common: an object of
 * its own that shares the maps of an instance, pins, and a need that comes and goes.
 */
#ifndef SOCKHOP_PROGRAM_GUARDS_H
#define SOCKHOP_PROGRAM_GUARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <bpf/libbpf.h>

#include "agent/instance/instance.h"

/* For libbpf_set_print(): silent unless -vv, since a program that is refused is no error. */
int guards_print(enum libbpf_print_level level, const char *fmt, va_list ap);

/* Does this host refuse programs of these types, whatever they do? Cheap. That it does not need not mean that
 * they work. */
bool guards_refused_here(void);

/* A map that an object has in common with an instance. */
struct guard_map {
	struct bpf_map *map;
	enum instance_map which;
};

/*
 * Have an object, open and not loaded, make none of its maps but these, which are those of `in`, or (NULL)
 * small ones of its own. What else it has for itself the caller sets to be made afterwards. 0 or -errno.
 */
int guards_share_maps(struct bpf_object *obj, const struct instance *in, const struct guard_map *shared,
		      size_t n);

/* Is there a pin of this name in the instance's folder? */
bool guards_pinned(const struct instance *in, const char *name);
/* Remove it; says so if it cannot. */
void guards_unpin(const struct instance *in, const char *name);

/* Whether a guard is needed. Starts zeroed. All times are those of now_ns(). */
struct guard_need {
	int err;		  /* it cannot be had: -errno; it is not tried again */
	bool asked;		  /* whether this host refuses it anyhow */
	unsigned long long seen;  /* when it was last needed */
	unsigned long long check; /* when to look whether it is still needed */
};

/* The first time: find out whether this host refuses `what` ("splice", "receive"), and set err. */
void guard_need_ask(struct guard_need *n, const struct instance *in, const char *what,
		    unsigned long long keep_ns);
/* It is needed: the next check is after keep_ns. */
void guard_need_seen(struct guard_need *n, unsigned long long keep_ns);
/* Has it not been needed for keep_ns? */
bool guard_need_over(const struct guard_need *n, unsigned long long keep_ns);

/* An error of attaching that will not go away by itself; 0 for another one. */
int guards_lasting(int err);

#endif
