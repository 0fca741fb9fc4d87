/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * metrics.h: what `sockhop metrics` prints and serves: the facts of `sockhop status`, and some per service,
 * as metrics of Prometheus. One object is collected (collect.c) and then written down by a table of
 * metric families (metrics.c), so that `status` and this cannot drift.
 */
#ifndef SOCKHOP_METRICS_METRICS_H
#define SOCKHOP_METRICS_METRICS_H

#include <stdio.h>
#include <json-c/json.h>

enum metrics_format {
	METRICS_TEXT, /* Prometheus' text format 0.0.4, also what node_exporter's textfile collector reads */
	METRICS_OPENMETRICS, /* OpenMetrics 1.0: names of counters without _total in # TYPE, "# EOF" at the
				end */
};

/* The media type of a format, for HTTP. */
const char *metrics_media_type(enum metrics_format format);
/* The format to answer a request with whose Accept header is this; NULL: there is none. */
enum metrics_format metrics_negotiate(const char *accept);

/* Write the metrics that o, what metrics_collect() made, has values for. */
void metrics_write(FILE *f, json_object *o, enum metrics_format format);

/* A collector: the instance, and what is remembered from one collection to the next. NULL without memory. */
struct metrics;
struct metrics *metrics_new(const char *instance);
void metrics_free(struct metrics *m);

/*
 * Collect. *err: 0; -ENOENT: not attached, then the object says so; any other of instance_open(), then too.
 * What services did is in it from the second collection on, since it is counted between two.
 */
json_object *metrics_collect(struct metrics *m, int *err);

#endif
