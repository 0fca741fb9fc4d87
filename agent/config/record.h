/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h: the configuration that is in force, /run/sockhop/NAME.conf.json (mode 0600): the text as it was
 * read, and from where. The file in /etc may be edited, and be wrong, while an instance is attached: an agent
 * that starts, and `status`, go by the record. It goes with the instance.
 */
#ifndef SOCKHOP_CONFIG_RECORD_H
#define SOCKHOP_CONFIG_RECORD_H

#include <stddef.h>
#include <sys/stat.h>

#include "config.h"

/* Put a configuration in force for an instance, as a whole or not at all. 0 or -errno. */
int record_write(const char *instance, const struct config *c);
/*
 * Read the configuration that is in force. -ENOENT: there is none. Errors of contents as of
 * config_parse_text(). *st (may be NULL): of the record.
 */
int record_read(const char *instance, const struct config_values *values, struct config *out,
		struct stat *st);
/* Is the record still the one with this status? A zeroed one stands for none. */
int record_same(const char *instance, const struct stat *st);
/* Forget it; also where there is none. */
void record_remove(const char *instance);

#endif
