/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config.h: configuration files, /etc/sockhop/NAME.conf: what an instance attaches by itself, its policy, its
 * limits. sockhop.conf(5) has the language.
 *
 *   [attach]    unit = | container = | pod = | cgroup =      any number of each (selector.h)
 *   [policy]    file = PATH, or rule = RULE, any number
 *   [instance]  max-connections =, idle-timeout =, heartbeat =
 *   [metrics]   listen =
 *
 * The door of agent/config: config reads a file, selector says which cgroups it means, runtime has the names
 * of containers, scan walks the tree, record keeps the file that is in force. It owns what an operator wants
 * attached; attaching is done in instance, when in daemon. It may call view/who, policy and what is below;
 * daemon and above call it.
 */
#ifndef SOCKHOP_CONFIG_CONFIG_H
#define SOCKHOP_CONFIG_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "selector.h"

#define CONFIG_FOLDER "/etc/sockhop"

struct hop_policy;

struct config {
	char file[PATH_MAX];	   /* where it was read, absolute */
	struct selector *selector; /* in the order of the file */
	size_t n, room;
	struct hop_policy *policy; /* NULL: the file says nothing about it */
	char *text;		   /* what was read */
};

/*
 * What reads values that are options of commands: set(arg, section, key, value, why, size) returns 0;
 * -ENOENT, the section has no such key; or -EINVAL with the reason in `why`. NULL for the whole: any value
 * will do, and no policy file is read, as in a text that has been read before.
 */
struct config_values {
	int (*set)(void *arg, const char *section, const char *key, const char *value, char *why,
		   size_t size);
	void *arg;
};

/*
 * Read a file, or `text` that was one, into *out, untouched on failure; config_free() frees it. Then `why`
 * says what is wrong, with file, line and column: -EINVAL for its contents, else why it cannot be read.
 */
int config_parse_file(const char *path, const struct config_values *values, struct config *out, char *why,
		      size_t size);
int config_parse_text(const char *path, const char *text, const struct config_values *values,
		      struct config *out, char *why, size_t size);
void config_free(struct config *c);

/*
 * As wg-quick(8) has it: a NAME is that of an instance, and its file is /etc/sockhop/NAME.conf; what has a
 * slash or ends with ".conf" is a FILE, and the instance is called as the file, without folder and ".conf".
 */
void config_locate(const char *arg, char *path, size_t path_size, char *instance, size_t instance_size);

#endif
