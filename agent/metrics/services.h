/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * services.h: what each service (unit, container, pod, cgroup) has, and what its ends did since the first
 * look. The number of services that have a name of their own is bounded, since each is a label in a database:
 * the others share one, "other".
 */
#ifndef SOCKHOP_METRICS_SERVICES_H
#define SOCKHOP_METRICS_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "agent/view/who.h"

/* Services with a name of their own. */
#define SERVICES_MAX   50
#define SERVICES_OTHER "other"

struct service {
	char label[WHO_LABEL];
	const char *kind;		  /* who_kind_name(), "" for the others */
	unsigned int members, candidates; /* ends, now */
	/* messages and bytes that its ends sent, from the second look on; never less than before */
	unsigned long long hops, stays, hop_bytes;
};

/* Starts zeroed. */
struct services {
	struct service service[SERVICES_MAX + 1]; /* the last one: the others */
	size_t n;				  /* of them that have a name */
	bool began;				  /* there was a look before */
	void *before, *now;			  /* ends by cookie: tsearch(3) */
};

/* An end as it is now; the counts are since it registered. */
struct service_end {
	__u64 cookie;
	unsigned long long hops, stays, hop_bytes;
	bool member;
};

/*
 * A look: begin, add each end with its service (who: NULL if it is not known), end. What an end did before
 * the first look is not counted; nor what it did after the last look that it was in. A service without ends
 * keeps its name until another one needs the place. add: 0 or -ENOMEM.
 */
void services_begin(struct services *s);
int services_add(struct services *s, const struct who *who, const struct service_end *end);
void services_end(struct services *s);
void services_free(struct services *s);

#endif
