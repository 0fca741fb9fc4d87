/* SPDX-License-Identifier: GPL-2.0-only */
/* configure.h: bring an instance to what its configuration selects, at an attach and at a reload. */
#ifndef SOCKHOP_DAEMON_CONFIGURE_H
#define SOCKHOP_DAEMON_CONFIGURE_H

#include "agent/config/config.h"
#include "agent/instance/instance.h"
#include "agent/lib/report.h"

/*
 * Attach all that is selected and there now, and put the configuration in force, under the lock of the
 * instance. On failure what this call has attached is taken back, and the old configuration stays.
 */
int configure_attach(struct instance *in, const struct config *c, struct report *r);

/* Take out what was selected and is not any more. Errors as of lifecycle_detach_some(). */
int configure_drop(struct instance *in, const struct config *c, unsigned int timeout_ms, struct report *r);

#endif
