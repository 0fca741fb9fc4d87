// SPDX-License-Identifier: GPL-2.0-only
/* list.c: the pairs of running relays as rows of `sockhop list`. */
#include <string.h>

#include "state.h"
#include "agent/lib/util.h"

/* A relay may be of another version: whatever is missing in its answer is null. */
static json_object *share(json_object *o, const char *key)
{
	return json_object_get(json_object_object_get(o, key));
}

static json_object *end(json_object *pair, size_t i)
{
	json_object *ends = json_object_object_get(pair, "ends"), *known = NULL;
	json_object *o = json_object_new_object();

	if (json_object_is_type(ends, json_type_array))
		known = json_object_array_get_idx(ends, i);
	json_object_object_add(o, "local", share(known, "local"));
	json_object_object_add(o, "peer", share(known, "peer"));
	return o;
}

static json_object *direction(json_object *pair, const char *key)
{
	static const char *const counts[] = {"kernel", "splice", "copy", "hopped"};
	json_object *known = json_object_object_get(pair, key), *o = json_object_new_object();
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		sum += json_object_get_uint64(json_object_object_get(known, counts[i]));
	json_object_object_add(o, "path", share(known, "path"));
	json_object_object_add(o, "bytes", json_object_new_uint64(sum));
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		json_object_object_add(o, counts[i], share(known, counts[i]));
	return o;
}

static json_object *program(json_object *relay)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "program", share(relay, "program"));
	json_object_object_add(o, "pid", share(relay, "pid"));
	json_object_object_add(o, "mode", share(relay, "mode"));
	return o;
}

static json_object *row(json_object *relay, json_object *pair)
{
	const char *state = json_object_get_string(json_object_object_get(pair, "state"));
	json_object *o = json_object_new_object();

	if (!state || !strcmp(state, "joined"))
		state = json_object_get_boolean(json_object_object_get(pair, "collapsed")) ? "collapsed"
											   : "relayed";
	json_object_object_add(o, "state", json_object_new_string(state));
	json_object_object_add(o, "reason", NULL);
	json_object_object_add(o, "meaning", NULL);
	json_object_object_add(o, "a", end(pair, 0));
	json_object_object_add(o, "b", end(pair, 1));
	json_object_object_add(o, "a_to_b", direction(pair, "a_to_b"));
	json_object_object_add(o, "b_to_a", direction(pair, "b_to_a"));
	json_object_object_add(o, "seconds", share(pair, "seconds"));
	json_object_object_add(o, "relay", program(relay));
	return o;
}

int relay_list_pairs(json_object *out)
{
	json_object *relays = NULL;
	int err = relay_list(&relays);

	if (err)
		return err;
	for (size_t i = 0; i < json_object_array_length(relays); i++) {
		json_object *relay = json_object_array_get_idx(relays, i);
		json_object *pairs = json_object_object_get(relay, "pairs");

		if (!json_object_is_type(pairs, json_type_array))
			continue;
		for (size_t j = 0; j < json_object_array_length(pairs); j++)
			json_object_array_add(out, row(relay, json_object_array_get_idx(pairs, j)));
	}
	json_object_put(relays);
	return 0;
}
