/* SPDX-License-Identifier: GPL-2.0-only */
/* counts.h: the part of `sockhop status` that counts: connections, messages, reasons, maps, vetoes. */
#ifndef SOCKHOP_VIEW_COUNTS_H
#define SOCKHOP_VIEW_COUNTS_H

#include <json-c/json.h>

struct instance;
struct report;

/* For json_object_array_sort(): by a key that holds a string. */
int status_by_key(const void *a, const void *b, const char *key);

/* Add all that is counted to o. What cannot be read is null or empty, and noted. */
void status_counts(json_object *o, const struct instance *in, struct report *r);

#endif
