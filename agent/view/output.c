// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <locale.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "output.h"
#include "agent/lib/util.h"

#define GAP "  "

/* glibc has C.UTF-8 built in: what is UTF-8, and how wide, does not depend on the caller's locale. */
static locale_t utf8(void)
{
	static locale_t locale;

	if (!locale)
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	return locale;
}

/*
 * Write JSON with the C1 controls (U+0080 to U+009F) escaped, which terminals act upon as well and json-c
 * passes on. In UTF-8 they are 0xc2 and their low byte; outside of strings JSON has no such bytes.
 */
static void put_json(FILE *f, const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)s[0] == 0xc2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0)
			fprintf(f, "\\u%04x", (unsigned char)*++s);
		else
			fputc(*s, f);
	}
	fputc('\n', f);
}

/*
 * Copy s to f with '?' for every byte that is not UTF-8 and, if `printable`, for every character that a
 * terminal would act upon. Returns the columns it takes.
 */
static size_t copy_utf8(FILE *f, const char *s, size_t n, bool printable)
{
	locale_t old = uselocale(utf8());
	const char *end = s + strnlen(s, n);
	size_t width = 0, len;

	for (; s < end; s += len) {
		mbstate_t state = {0};
		wchar_t c;
		bool bad;

		len = mbrtowc(&c, s, end - s, &state);
		bad = len == (size_t)-1 || len == (size_t)-2;
		if (bad)
			len = 1;
		if (bad || (printable && !iswprint(c))) {
			fputc('?', f);
			width++;
			continue;
		}
		fwrite(s, 1, len, f);
		width += wcwidth(c) > 0 ? wcwidth(c) : 0;
	}
	uselocale(old);
	return width;
}

json_object *output_string(const char *s, size_t max)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	copy_utf8(f, s, max, false);
	fclose(f);
	return json_object_new_string_len(text, size);
}

json_object *output_address(const unsigned char addr[16], unsigned int port)
{
	json_object *o = json_object_new_object();
	char text[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)addr))
		inet_ntop(AF_INET, addr + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, addr, text, sizeof(text));
	json_object_object_add(o, "address", json_object_new_string(text));
	json_object_object_add(o, "port", json_object_new_int(port));
	return o;
}

void output_bytes(char *buf, size_t size, unsigned long long bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double n = bytes / 1024.0;
	size_t u = 0;

	if (bytes < 1024) {
		snprintf(buf, size, "%llu B", bytes);
		return;
	}
	/* 1023.95 and more would be rounded to "1024.0" */
	for (; n >= 1023.95 && u < ARRAY_SIZE(units) - 1; u++)
		n /= 1024;
	snprintf(buf, size, "%.1f %s", n, units[u]);
}

void output_seconds(char *buf, size_t size, unsigned long long seconds)
{
	static const struct {
		unsigned int seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	size_t u = 0;

	while (u < ARRAY_SIZE(units) - 1 && seconds < units[u].seconds)
		u++;
	if (u == ARRAY_SIZE(units) - 1)
		snprintf(buf, size, "%llu s", seconds);
	else
		snprintf(buf, size, "%llu %s %llu %s", seconds / units[u].seconds, units[u].name,
			 seconds % units[u].seconds / units[u + 1].seconds, units[u + 1].name);
}

static json_object *lookup(json_object *row, const char *pointer)
{
	json_object *value = NULL;

	if (!pointer || !*pointer)
		return row;
	return json_pointer_get(row, pointer, &value) ? NULL : value;
}

static const char *member_text(json_object *o, const char *key)
{
	json_object *value = json_object_object_get(o, key);

	return value ? json_object_get_string(value) : "-";
}

static void format_address(char *buf, size_t size, json_object *value)
{
	const char *address = member_text(value, "address");
	bool v6 = strchr(address, ':');

	/* what has no port is no IP address */
	if (!json_object_object_get(value, "port"))
		snprintf(buf, size, "%s", address);
	else
		snprintf(buf, size, "%s%s%s:%s", v6 ? "[" : "", address, v6 ? "]" : "",
			 member_text(value, "port"));
}

static void format_program(char *buf, size_t size, json_object *value)
{
	if (json_object_object_get(value, "program"))
		snprintf(buf, size, "%s/%s", member_text(value, "program"), member_text(value, "pid"));
	else
		snprintf(buf, size, "-");
}

/* The text of a cell, which may hold anything: see copy_utf8(). */
static void format_cell(char *buf, size_t size, json_object *value, enum output_format format)
{
	if (!value) {
		snprintf(buf, size, "-");
		return;
	}
	switch (format) {
	case OUTPUT_TEXT:
	case OUTPUT_COUNT:
		snprintf(buf, size, "%s", json_object_get_string(value));
		break;
	case OUTPUT_BYTES:
		output_bytes(buf, size, json_object_get_uint64(value));
		break;
	case OUTPUT_PERCENT:
		snprintf(buf, size, "%.1f %%", json_object_get_double(value));
		break;
	case OUTPUT_YES_NO:
		snprintf(buf, size, "%s", json_object_get_boolean(value) ? "yes" : "no");
		break;
	case OUTPUT_ADDRESS:
		format_address(buf, size, value);
		break;
	case OUTPUT_PROGRAM:
		format_program(buf, size, value);
		break;
	case OUTPUT_SECONDS:
		output_seconds(buf, size, json_object_get_uint64(value));
		break;
	}
}

static bool right_aligned(enum output_format format)
{
	return format == OUTPUT_COUNT || format == OUTPUT_BYTES || format == OUTPUT_PERCENT;
}

/* A finished cell: text that is safe to print, and its width in columns. */
struct cell {
	char *text;
	size_t size, width;
};

static void cell_fill(struct cell *c, const char *raw)
{
	FILE *f = open_memstream(&c->text, &c->size);

	if (!f)
		return;
	c->width = copy_utf8(f, raw, strlen(raw), true);
	fclose(f);
}

static void print_cell(const struct cell *c, size_t width, bool right, bool last)
{
	int pad = width - c->width;

	if (right)
		printf("%*s", pad, "");
	fputs(c->text ?: "", stdout);
	if (!right && !last)
		printf("%*s", pad, "");
	fputs(last ? "\n" : GAP, stdout);
}

static size_t count_columns(const struct output_column *c)
{
	size_t n = 0;

	while (c[n].key)
		n++;
	return n;
}

/* Row 0 is the header. Cells are built first, since a column is as wide as its widest cell. */
static int print_table(json_object *array, const struct output_column *columns)
{
	size_t nc = count_columns(columns), rows = json_object_array_length(array) + 1;
	_cleanup_free_ struct cell *cells = calloc(rows * nc, sizeof(*cells));
	_cleanup_free_ size_t *width = calloc(nc, sizeof(*width));
	char raw[512];

	if (!cells || !width)
		return EXIT_FAIL;
	for (size_t i = 0; i < rows * nc; i++) {
		const struct output_column *c = &columns[i % nc];

		if (i < nc) {
			cell_fill(&cells[i], c->title);
		} else {
			json_object *row = json_object_array_get_idx(array, i / nc - 1);

			format_cell(raw, sizeof(raw), lookup(row, c->key), c->format);
			cell_fill(&cells[i], raw);
		}
		if (cells[i].width > width[i % nc])
			width[i % nc] = cells[i].width;
	}
	for (size_t i = 0; i < rows * nc; i++) {
		print_cell(&cells[i], width[i % nc], right_aligned(columns[i % nc].format), i % nc == nc - 1);
		free(cells[i].text);
	}
	return EXIT_OK;
}

static bool has_key(json_object *row, const char *pointer)
{
	return !json_pointer_get(row, pointer, NULL);
}

static void print_record(json_object *object, const struct output_column *columns)
{
	size_t width = 0;
	char raw[512];

	for (const struct output_column *c = columns; c->key; c++)
		if (has_key(object, c->key) && strlen(c->title) > width)
			width = strlen(c->title);
	for (const struct output_column *c = columns; c->key; c++) {
		if (!has_key(object, c->key))
			continue;
		format_cell(raw, sizeof(raw), lookup(object, c->key), c->format);
		printf("%s:%*s", c->title, (int)(width - strlen(c->title) + 1), "");
		copy_utf8(stdout, raw, strlen(raw), true);
		putchar('\n');
	}
}

/* *printed: something stands above, so that a blank line is due. */
static int print_section(json_object *result, const struct output_section *s, bool *printed)
{
	json_object *part = lookup(result, s->path);
	bool table = s->kind == OUTPUT_TABLE;

	if (!part || (table && s->title && !json_object_array_length(part)))
		return EXIT_OK;
	if (*printed)
		putchar('\n');
	*printed = true;
	if (s->title)
		printf("%s\n", s->title);
	if (table)
		return print_table(part, s->columns);
	print_record(part, s->columns);
	return EXIT_OK;
}

int output_print(json_object *result, const struct output_section *view, bool json)
{
	bool printed = false;
	int status = EXIT_OK;

	if (json)
		put_json(stdout, json_object_to_json_string_ext(
					 result, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							 JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		for (const struct output_section *s = view; s->columns && !status; s++)
			status = print_section(result, s, &printed);
	return status;
}
