/* SPDX-License-Identifier: GPL-2.0-only */
/* json.h: short words for code that builds JSON, line after line. */
#ifndef SOCKHOP_VIEW_JSON_H
#define SOCKHOP_VIEW_JSON_H

#include <json-c/json.h>

/* The object takes over the value. */
#define add(o, key, value) json_object_object_add(o, key, value)

static inline json_object *number(unsigned long long n)
{
	return json_object_new_uint64(n);
}

#endif
