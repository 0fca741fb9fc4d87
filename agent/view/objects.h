/* SPDX-License-Identifier: GPL-2.0-only */
/* objects.h: the BPF objects of an instance, as bpftool would show them. */
#ifndef SOCKHOP_VIEW_OBJECTS_H
#define SOCKHOP_VIEW_OBJECTS_H

#include <json-c/json.h>

struct instance;

/*
 * {"programs": [...], "links": [...], "maps": [...]}: what is pinned in the folder of an open instance, and
 * the programs of its links and of its sockhash, which have no pin. No contents of maps. What cannot be read
 * is left out. The caller puts it; NULL without memory.
 */
json_object *objects_json(const struct instance *in);

#endif
