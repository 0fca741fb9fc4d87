/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * output.h: the result layer. A command builds one json_object; it is printed as JSON, or as the records and
 * tables that a view describes. Both come from the same object, so they cannot drift.
 *
 * The door of agent/view: output, the reasons in words, the BPF objects of an instance, the facts of `sockhop
 * status`. It owns how things are shown and changes nothing. It may call instance and what is below; relay,
 * check and cmd call it.
 */
#ifndef SOCKHOP_VIEW_OUTPUT_H
#define SOCKHOP_VIEW_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <json-c/json.h>

/* How a cell shows its value. A missing or null value is "-". Text is left aligned, numbers right. */
enum output_format {
	OUTPUT_TEXT,	/* a string */
	OUTPUT_COUNT,	/* an integer */
	OUTPUT_BYTES,	/* an integer: bytes, in binary units: "1.5 MiB" */
	OUTPUT_PERCENT, /* a number: "12.5 %" */
	OUTPUT_YES_NO,	/* a boolean */
	OUTPUT_ADDRESS, /* {"address": "::1", "port": 80}: "[::1]:80"; without a port: as it is */
	OUTPUT_PROGRAM, /* {"program": "redis-server", "pid": 1}: "redis-server/1" */
	OUTPUT_SECONDS, /* an integer: "2 d 3 h", "5 min 10 s" */
};

/* A cell of a table, or a line of a record. A table of them ends with .key = NULL. */
struct output_column {
	const char *key; /* JSON pointer (RFC 6901) within the row: "/a/local"; "" is the row itself */
	const char *title;
	enum output_format format;
};

enum output_kind {
	OUTPUT_RECORD, /* an object, one "title: value" line per column; a line whose key is missing is left
			  out */
	OUTPUT_TABLE,  /* an array, one line per element */
};

/*
 * A part of a view. Where `title` is set it is a heading, and the section is left out when it has no rows; an
 * untitled table prints its header in any case. A view ends with .columns = NULL.
 */
struct output_section {
	enum output_kind kind;
	const char *path; /* JSON pointer of the object or array; NULL: the result itself */
	const char *title;
	const struct output_column *columns;
};

/*
 * Print a result on stdout: as JSON (pretty, keys in the order in which they were added) or by its view.
 * 0 or -errno; write errors are noticed by main() when it closes stdout.
 */
int output_print(json_object *result, const struct output_section *view, bool json);

/*
 * A JSON string of at most `max` bytes of s (it need not be terminated), with '?' for what is not UTF-8:
 * names of programs and cgroups come from others.
 */
json_object *output_string(const char *s, size_t max);

/*
 * {"address": ..., "port": ...} of a 16-byte address in network order; a v4-mapped one is shown as IPv4.
 * `port` is in host order.
 */
json_object *output_address(const unsigned char addr[16], unsigned int port);

/* "%.1f UNIT" in powers of 1024, plain bytes below that. */
void output_bytes(char *buf, size_t size, unsigned long long bytes);
/* The two largest units of a duration in seconds. */
void output_seconds(char *buf, size_t size, unsigned long long seconds);

static inline void output__put(json_object **o)
{
	json_object_put(*o);
}
#define _cleanup_json_ __attribute__((cleanup(output__put)))

#endif
