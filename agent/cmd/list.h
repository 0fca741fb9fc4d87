/* SPDX-License-Identifier: GPL-2.0-only */
/* list.h: what `list` shows, for other commands that work on it. */
#ifndef SOCKHOP_CMD_LIST_H
#define SOCKHOP_CMD_LIST_H

#include <stdbool.h>
#include <json-c/json.h>

struct instance;

/*
 * Add to `out`, an array, the connections of an instance as `sockhop list --json` prints them. all: those too
 * that have nothing to do with it. As far as possible: 0, or -errno of what could not be read.
 */
int list_instance(const struct instance *in, bool all, json_object *out);

#endif
