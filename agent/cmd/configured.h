/* SPDX-License-Identifier: GPL-2.0-only */
/* configured.h: what commands do with a configuration file (agent/config). All return exit statuses. */
#ifndef SOCKHOP_CMD_CONFIGURED_H
#define SOCKHOP_CMD_CONFIGURED_H

#include <json-c/json.h>

#include "cmd.h"
#include "agent/config/config.h"
#include "agent/daemon/lifecycle.h"

#define CMD_CONFIG(offset_)                                                                                 \
	{                                                                                                   \
		.name = "config", .type = CMD_STRING, .offset = offset_, .arg = "FILE",                     \
		.help = "what to attach, and how, stands in FILE, or for a NAME in /etc/sockhop/NAME.conf", \
		.completes = CMD_FILES,                                                                     \
		.more = "What has a slash or ends with _.conf_ is a file. Its name, without folder and "    \
			"_.conf_, is that of the instance, unless *--instance* is given: sockhop.conf(5).", \
	}

/* A file that has been read. */
struct configured {
	struct config config;
	struct lifecycle_options lifecycle; /* its limits and times, and the defaults of others */
	char *listen;			    /* NULL: nothing is said */
	char instance[64];
};

/* Read it, or say what is wrong. instance: NULL, it is called as the file. configured_free() ends it. */
int cmd_configured_read(const char *arg, const char *instance, struct configured *out);
void configured_free(struct configured *c);

/* Make the instance or bring the existing one to what the file says; start or wake the agent. */
int cmd_configured_attach(const char *arg, const char *instance, bool agent);
/* The same with the file that the instance has. */
int cmd_configured_reload(const char *instance);
/* What would be attached now: a table, or JSON. */
int cmd_configured_show(const char *arg, const char *instance, bool json);

/*
 * Add to o "configuration": {"file"}, null where there is none, and "selectors": an array of {"selector",
 * "line", "cgroup", "state"}, one for each cgroup that is there now, and with null for a selector that means
 * none. in: NULL, nothing is attached.
 */
void configured_add(json_object *o, const struct config *c, const struct instance *in);

#endif
