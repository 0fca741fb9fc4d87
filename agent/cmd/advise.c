// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "list.h"
#include "agent/lib/util.h"
#include "agent/view/advice.h"
#include "agent/view/output.h"

struct advise_args {
	const char *instance;
	bool json;
};

static const struct output_column summary[] = {
	{"/instance", "instance", OUTPUT_TEXT},
	{"/observes", "only observes", OUTPUT_YES_NO},
	{"/connections", "connections now", OUTPUT_COUNT},
	{"/would_join", "join, or would", OUTPUT_COUNT},
	{"/messages", "messages so far", OUTPUT_COUNT},
	{"/would_hop", "of connections that would join", OUTPUT_PERCENT},
	{0},
};
static const struct output_column services[] = {
	{"/service", "SERVICE", OUTPUT_TEXT},	     {"/connections", "CONNECTIONS", OUTPUT_COUNT},
	{"/would_join", "WOULD JOIN", OUTPUT_COUNT}, {"/messages", "MESSAGES", OUTPUT_COUNT},
	{"/would_hop", "WOULD HOP", OUTPUT_PERCENT}, {0},
};
static const struct output_column stay_out[] = {
	{"/service", "SERVICE", OUTPUT_TEXT},
	{"/program", "PROGRAM", OUTPUT_TEXT},
	{"/connections", "CONNECTIONS", OUTPUT_COUNT},
	{"/share", "MESSAGES", OUTPUT_PERCENT},
	{"/reason", "WHY NOT", OUTPUT_TEXT},
	{"/change", "WHAT WOULD LET IT IN", OUTPUT_TEXT},
	{0},
};
static const struct output_section view[] = {
	{OUTPUT_RECORD, NULL, NULL, summary},
	{OUTPUT_TABLE, "/services", "services", services},
	{OUTPUT_TABLE, "/stay_out", "stay out", stay_out},
	{0},
};

/* The result, with the instance in front. */
static json_object *advice(const struct instance *in, json_object *pairs)
{
	json_object *o = json_object_new_object();
	_cleanup_json_ json_object *found = advice_of(pairs);

	json_object_object_add(o, "instance", json_object_new_string(in->name));
	json_object_object_add(o, "observes", json_object_new_boolean(in->config->observe));
	if (!found)
		return o;
	json_object_object_foreach(found, key, value) json_object_object_add(o, key, json_object_get(value));
	return o;
}

static int run_advise(void *args, int n, char **operand)
{
	const struct advise_args *a = args;
	_cleanup_json_ json_object *pairs = json_object_new_array(), *result = NULL;
	struct instance in;
	int status = cmd_open(&in, a->instance, INSTANCE_READ), err;

	(void)n;
	(void)operand;
	if (status)
		return status;
	err = list_instance(&in, true, pairs);
	result = advice(&in, pairs);
	instance_close(&in);
	status = exit_status(output_print(result, view, a->json));
	if (!err)
		return status;
	msg_error("cannot look at all connections: %s", strerror(-err));
	return exit_status(err);
}

static const struct cmd_option options[] = {
	CMD_JSON(offsetof(struct advise_args, json), NULL),
	CMD_INSTANCE(offsetof(struct advise_args, instance)),
	{0},
};

const struct command cmd_advise = {
	.name = "advise",
	.summary = "what would hop, who stays out, and what would let it in",
	.options = options,
	.size = sizeof(struct advise_args),
	.text = "It looks at the connections that are open now. Messages are counted since each of them was "
		"made, on TCP as segments. A connection counts for the services of both ends. Of an "
		"instance that only observes (`sockhop attach --observe`) it says what would be; of another "
		"one, what is.",
	.run = run_advise,
};
