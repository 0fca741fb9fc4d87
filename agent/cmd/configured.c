// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "configured.h"
#include "limits.h"
#include "agent/config/record.h"
#include "agent/config/scan.h"
#include "agent/daemon/configure.h"
#include "agent/lib/progress.h"
#include "agent/lib/util.h"
#include "agent/metrics/listen.h"
#include "agent/view/output.h"
#include "cgroup/cgroup.h"

/* Members of cgroups that are no longer configured leave within so long, as in a detach. */
#define DROP_MS 10000

static const struct cmd_option limits[] = {CMD_ATTACH_OPTIONS, {0}};

static void set_defaults(struct lifecycle_options *o)
{
	*o = (struct lifecycle_options){.max_connections = DEFAULT_MAX_CONNECTIONS,
					.idle_timeout = DEFAULT_IDLE_TIMEOUT,
					.heartbeat = DEFAULT_HEARTBEAT};
}

static int set_listen(struct configured *c, const char *value, char *why, size_t size)
{
	const char *text = "it is neither a port nor an address";

	if (listener_check(value, &text)) {
		snprintf(why, size, "%s", text);
		return -EINVAL;
	}
	c->listen = strdup(value);
	return c->listen ? 0 : -ENOMEM;
}

static int set_value(void *arg, const char *section, const char *key, const char *value, char *why,
		     size_t size)
{
	const struct cmd_option *o = limits;
	struct configured *c = arg;

	if (!strcmp(section, "metrics"))
		return set_listen(c, value, why, size);
	while (o->name && strcmp(o->name, key))
		o++;
	return o->name ? cmd_value(o, key, value, &c->lifecycle, why, size) : -ENOENT;
}

void configured_free(struct configured *c)
{
	config_free(&c->config);
	free(c->listen);
	*c = (struct configured){0};
}

int cmd_configured_read(const char *arg, const char *instance, struct configured *out)
{
	struct configured c = {0};
	struct config_values values = {set_value, &c};
	char path[PATH_MAX], why[1024];
	int err;

	set_defaults(&c.lifecycle);
	config_locate(arg, path, sizeof(path), c.instance, sizeof(c.instance));
	if (instance)
		snprintf(c.instance, sizeof(c.instance), "%s", instance);
	err = config_parse_file(path, &values, &c.config, why, sizeof(why));
	if (err) {
		free(c.listen);
		return cmd_failed(FAILED_CONFIG, err, why);
	}
	*out = c;
	out->lifecycle.instance = NULL; /* of a structure that is still moved about: see attach() */
	return EXIT_OK;
}

/* ---- attaching ---- */

/* What only a new instance takes. */
static void note_fixed(const struct instance *in, const struct lifecycle_options *o, struct report *r)
{
	const struct hop_config *is = in->config;

	if (is->max_members != 2 * o->max_connections)
		report_add_detail(r, NOTED_FIXED, 0, in->name, "max-connections");
	if (is->idle_ns != o->idle_timeout * 1000000000ull)
		report_add_detail(r, NOTED_FIXED, 0, in->name, "idle-timeout");
	if (is->heartbeat != o->heartbeat)
		report_add_detail(r, NOTED_FIXED, 0, in->name, "heartbeat");
}

/* The file had rules, and has none any more: so none are in force. */
static int had_policy(const char *instance)
{
	struct config old = {0};
	bool had;

	if (record_read(instance, NULL, &old, NULL))
		return false;
	had = old.policy;
	config_free(&old);
	return had;
}

static int bring(struct instance *in, const struct configured *c, bool created, bool agent, struct report *r)
{
	int err = configure_attach(in, &c->config, r);

	if (err && created) {
		lifecycle_detach_all(in, 0, r);
		return err;
	}
	if (!err && !created) {
		note_fixed(in, &c->lifecycle, r);
		err = configure_drop(in, &c->config, DROP_MS, r);
	}
	if (!err && agent)
		err = lifecycle_start_agent(in, r);
	else if (instance_agent_alive(in, NULL))
		instance_poke(in);
	instance_close(in);
	return err;
}

static int attach(struct configured *c, bool agent)
{
	_cleanup_free_ struct hop_policy *none = calloc(1, sizeof(*none));
	struct report r = {};
	struct instance in;
	bool created;
	int err;

	if (!none)
		return exit_status(-ENOMEM);
	progress_begin();
	c->lifecycle.instance = c->instance;
	c->lifecycle.policy = c->config.policy ?: had_policy(c->instance) ? none : NULL;
	err = lifecycle_open(&in, &c->lifecycle, &created, &r);
	if (!err)
		err = bring(&in, c, created, agent, &r);
	return cmd_report(&r, err);
}

int cmd_configured_attach(const char *arg, const char *instance, bool agent)
{
	struct configured c;
	int status = cmd_configured_read(arg, instance, &c);

	if (status)
		return status;
	status = attach(&c, agent);
	configured_free(&c);
	return status;
}

int cmd_configured_reload(const char *instance)
{
	struct config old = {0};
	struct instance in;
	int status = cmd_open(&in, instance, INSTANCE_READ), err;

	if (status)
		return status;
	instance_close(&in);
	err = record_read(instance, NULL, &old, NULL);
	if (err)
		return cmd_failed(err == -ENOENT ? FAILED_NO_CONFIG : FAILED_RECORD, err, instance);
	status = cmd_configured_attach(old.file, instance, false);
	config_free(&old);
	return status;
}

/* ---- showing ---- */

static const char *state_of(const struct instance *in, const char *path)
{
	struct hop_cgroup cg;
	__u64 id;

	if (!in || cgroup_id(path, &id) || bpf_map_lookup_elem(in->map[MAP_CGROUPS], &id, &cg))
		return NULL;
	return cgroup_state_name(instance_cgroup_state(id, &cg));
}

static void add_row(json_object *list, const struct selector *s, const char *path, const char *state)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "selector", output_string(s->text, strlen(s->text)));
	json_object_object_add(o, "line", json_object_new_uint64(s->line));
	json_object_object_add(o, "cgroup", path ? output_string(path, strlen(path)) : NULL);
	json_object_object_add(o, "state", state ? json_object_new_string(state) : NULL);
	json_object_array_add(list, o);
}

void configured_add(json_object *o, const struct config *c, const struct instance *in)
{
	json_object *list = json_object_new_array(), *file;
	struct matches m = {};

	if (c && matches_find(c, &m))
		msg_warn("cannot look at all cgroups: what is selected is incomplete");
	for (size_t i = 0; c && i < c->n; i++) {
		bool any = false;

		for (size_t j = 0; j < m.n; j++) {
			if (m.match[j].selector != &c->selector[i])
				continue;
			any = true;
			add_row(list, &c->selector[i], m.match[j].path, state_of(in, m.match[j].path));
		}
		if (!any)
			add_row(list, &c->selector[i], NULL, NULL);
	}
	file = c ? json_object_new_object() : NULL;
	if (file)
		json_object_object_add(file, "file", output_string(c->file, strlen(c->file)));
	json_object_object_add(o, "configuration", file);
	json_object_object_add(o, "selectors", list);
	matches_free(&m);
}

static const struct output_column columns[] = {{"/selector", "SELECTOR", OUTPUT_TEXT},
					       {"/line", "LINE", OUTPUT_COUNT},
					       {"/cgroup", "CGROUP", OUTPUT_TEXT},
					       {"/state", "STATE", OUTPUT_TEXT},
					       {0}};
static const struct output_section view[] = {{OUTPUT_TABLE, "/selectors", NULL, columns}, {0}};

int cmd_configured_show(const char *arg, const char *instance, bool json)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	struct configured c;
	struct instance in;
	int status = cmd_configured_read(arg, instance, &c);
	bool attached;

	if (status)
		return status;
	attached = !instance_open(&in, c.instance, INSTANCE_READ);
	json_object_object_add(o, "instance", output_string(c.instance, strlen(c.instance)));
	configured_add(o, &c.config, attached ? &in : NULL);
	if (attached)
		instance_close(&in);
	configured_free(&c);
	return exit_status(output_print(o, view, json));
}
