/* SPDX-License-Identifier: GPL-2.0-only */
/* counts.h: the part of `sockhop status` that counts: connections, messages, reasons, maps, vetoes. */
#ifndef SOCKHOP_VIEW_COUNTS_H
#define SOCKHOP_VIEW_COUNTS_H

#include <json-c/json.h>

struct instance;
struct report;

#define add(o, key, value) json_object_object_add(o, key, value)

static inline json_object *number(unsigned long long n)
{
	return json_object_new_uint64(n);
}

/* For json_object_array_sort(): by a key that holds a string. */
int status_by_key(const void *a, const void *b, const char *key);

/* Add all that is counted to o. What cannot be read is null or empty, and noted. */
void status_counts(json_object *o, const struct instance *in, struct report *r);

#endif
