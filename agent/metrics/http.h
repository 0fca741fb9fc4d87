/* SPDX-License-Identifier: GPL-2.0-only */
/* http.h: metrics over HTTP, by libmicrohttpd. */
#ifndef SOCKHOP_METRICS_HTTP_H
#define SOCKHOP_METRICS_HTTP_H

#include <stdbool.h>

struct metrics;

/* Does this build have an HTTP server? */
bool metrics_can_serve(void);

/*
 * Answer GET /metrics on a listening socket, which it closes at the end, until SIGTERM or SIGINT. Requests
 * are answered one at a time, by what was collected less than a second ago where there is something: so a
 * client that floods it costs no more than one collection a second. 0 or -errno; -EOPNOTSUPP: this build has
 * no HTTP.
 */
int metrics_serve(struct metrics *m, int fd);

#endif
