/* SPDX-License-Identifier: GPL-2.0-only */
/* selected.h: cgroups of an instance that operands name: a path, or a selector as in the configuration. */
#ifndef SOCKHOP_CMD_SELECTED_H
#define SOCKHOP_CMD_SELECTED_H

#include <stddef.h>
#include <linux/types.h>

struct instance;

struct selected_cgroups {
	__u64 *id;
	size_t n, room;
};

/* For the usage of a command that takes them. */
#define SELECTED_TEXT                                                                             \
	"SELECTOR is a cgroup, or names services as the configuration does: unit:redis.service, " \
	"container:NAME, pod:NAMESPACE/NAME, cgroup:/PATTERN."

/*
 * The ids of the cgroups that n words mean. Each word must mean one that is attached, or lies above or below
 * an attached one. Says what is wrong, and returns an exit status. Free out->id in any case.
 */
int cmd_selected(const struct instance *in, int n, char **word, struct selected_cgroups *out);

#endif
