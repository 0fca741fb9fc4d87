/* SPDX-License-Identifier: GPL-2.0-only */
/* status.h: the facts that `sockhop status` shows. */
#ifndef SOCKHOP_VIEW_STATUS_H
#define SOCKHOP_VIEW_STATUS_H

#include <json-c/json.h>

struct instance;

/* Add what there is to know about an open instance to o. What cannot be read is null or empty, with a
 * warning. */
void status_instance(json_object *o, const struct instance *in);

/* Add "other_instances": those that still drain and those of other names than `own`. */
void status_others(json_object *o, const char *own);

#endif
