// SPDX-License-Identifier: GPL-2.0-only
/* explain.c: opening an instance for an operator: what is wrong, and what to do about it. */
#include <errno.h>
#include <string.h>

#include "folder.h"
#include "force.h"
#include "instance.h"
#include "agent/lib/util.h"

int instance_open_explained(struct instance *in, const char *name, int flags)
{
	const char *shown = name ?: INSTANCE_DEFAULT;
	char force[256];
	int r = instance_open(in, name, flags);

	switch (r) {
	case 0:
		if (flags & INSTANCE_READ && in->config->force) {
			force_names(in->config->force, force, sizeof(force));
			msg_warn("TEST ONLY: instance '%s' lacks rules that keep bytes safe (%s): detach it",
				 shown, force);
		}
		return EXIT_OK;
	case -ENOENT:
		if (strcmp(shown, INSTANCE_DEFAULT))
			msg_error("instance '%s' is not attached: run `sockhop attach --instance %s CGROUP`",
				  shown, shown);
		else
			msg_error("not attached: run `sockhop attach CGROUP`");
		return EXIT_NOT_ATTACHED;
	case -EPERM:
	case -EACCES:
		msg_error("no permission to open instance '%s': run as root, or as its owner with CAP_BPF, "
			  "CAP_NET_ADMIN and CAP_PERFMON",
			  shown);
		return EXIT_PERMISSION;
	case -FOLDER_STRANGE:
		msg_error("will not open instance '%s': " FOLDER_STRANGE_TEXT, shown);
		return EXIT_FAIL;
	case -EPROTO:
		msg_error("instance '%s' was made by another version of sockhop: take it down with `sockhop "
			  "detach --all "
			  "--instance %s`, which loses no byte, and attach again",
			  shown, shown);
		return EXIT_FAIL;
	default:
		msg_error("cannot open instance '%s': %s", shown, strerror(-r));
		return exit_status(r);
	}
}
