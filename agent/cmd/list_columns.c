// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "list_columns.h"
#include "agent/lib/text.h"
#include "agent/lib/util.h"

/* A column by the name that `--columns` has for it. */
struct named_column {
	const char *name;
	struct output_column column;
	bool more; /* only when asked for */
};

static const struct named_column all[] = {
	{"state", {"/state", "STATE", OUTPUT_TEXT}, false},
	{"a", {"/a/local", "A", OUTPUT_ADDRESS}, false},
	{"b", {"/b/local", "B", OUTPUT_ADDRESS}, false},
	{"netns", {"/a/netns", "NETNS", OUTPUT_COUNT}, false},
	{"netns-b", {"/b/netns", "NETNS B", OUTPUT_COUNT}, true},
	{"program-a", {"/a", "PROGRAM A", OUTPUT_PROGRAM}, false},
	{"program-b", {"/b", "PROGRAM B", OUTPUT_PROGRAM}, false},
	{"service-a", {"/a/service", "SERVICE A", OUTPUT_TEXT}, false},
	{"service-b", {"/b/service", "SERVICE B", OUTPUT_TEXT}, false},
	{"container-a", {"/a/container", "CONTAINER A", OUTPUT_TEXT}, true},
	{"container-b", {"/b/container", "CONTAINER B", OUTPUT_TEXT}, true},
	{"cgroup-a", {"/a/cgroup_path", "CGROUP A", OUTPUT_TEXT}, true},
	{"cgroup-b", {"/b/cgroup_path", "CGROUP B", OUTPUT_TEXT}, true},
	{"hops-ab", {"/a/messages_hopped", "A>B MSGS", OUTPUT_COUNT}, false},
	{"bytes-ab", {"/a/bytes_hopped", "A>B BYTES", OUTPUT_BYTES}, false},
	{"stays-ab", {"/a/messages_stayed", "A>B STAYED", OUTPUT_COUNT}, true},
	{"hops-ba", {"/b/messages_hopped", "B>A MSGS", OUTPUT_COUNT}, false},
	{"bytes-ba", {"/b/bytes_hopped", "B>A BYTES", OUTPUT_BYTES}, false},
	{"stays-ba", {"/b/messages_stayed", "B>A STAYED", OUTPUT_COUNT}, true},
	{"tcp-bytes", {"/a/tcp_bytes", "TCP BYTES", OUTPUT_BYTES}, true},
	{"end-a", {"/a/state", "END A", OUTPUT_TEXT}, false},
	{"end-b", {"/b/state", "END B", OUTPUT_TEXT}, false},
	{"why", {"/reason", "WHY", OUTPUT_TEXT}, false},
	{"meaning", {"/meaning", "MEANING", OUTPUT_TEXT}, false},
};

const struct output_column list_relay_columns[] = {
	{"/state", "STATE", OUTPUT_TEXT},
	{"/a/peer", "A", OUTPUT_ADDRESS},
	{"/a/local", "RELAY TO A", OUTPUT_ADDRESS},
	{"/b/local", "RELAY TO B", OUTPUT_ADDRESS},
	{"/b/peer", "B", OUTPUT_ADDRESS},
	{"/relay", "RELAY", OUTPUT_PROGRAM},
	{"/a_to_b/path", "A>B PATH", OUTPUT_TEXT},
	{"/a_to_b/bytes", "A>B BYTES", OUTPUT_BYTES},
	{"/b_to_a/path", "B>A PATH", OUTPUT_TEXT},
	{"/b_to_a/bytes", "B>A BYTES", OUTPUT_BYTES},
	{0},
};

static const struct named_column *find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strlen(all[i].name) == len && !memcmp(all[i].name, name, len))
			return &all[i];
	return NULL;
}

static size_t count_words(const char *names)
{
	size_t n = 1;

	for (; *names; names++)
		n += *names == ',';
	return n;
}

static void by_default(struct output_column *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (!all[i].more)
			*out++ = all[i].column;
}

int list_columns(const char *names, struct output_column **out, char *bad, size_t size)
{
	/* one more, which ends the list */
	size_t n = names ? count_words(names) : ARRAY_SIZE(all), i = 0;
	_cleanup_free_ struct output_column *c = calloc(n + 1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	if (!names)
		by_default(c);
	for (; names; i++) {
		size_t len = strcspn(names, ",");
		const struct named_column *found = find(names, len);

		if (!found) {
			snprintf(bad, size, "%.*s", (int)len, names);
			return -EINVAL;
		}
		c[i] = found->column;
		names = names[len] ? names + len + 1 : NULL;
	}
	*out = c;
	c = NULL;
	return 0;
}

const char *list_columns_like(const char *bad)
{
	const char *names[ARRAY_SIZE(all) + 1] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		names[i] = all[i].name;
	return text_closest(bad, names);
}
