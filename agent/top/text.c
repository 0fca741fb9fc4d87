// SPDX-License-Identifier: GPL-2.0-only
/* text.c: a frame as lines of text. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "top.h"
#include "agent/lib/util.h"
#include "agent/view/output.h"

#define LINE_MAX_LEN 512
/* title, what is shown, head of the columns, and the help at the bottom */
#define LINES_AROUND 4
#define NAME_MIN     12
/* of rows of which nearly all hops */
#define SHARE_GOOD 0.9

static const char keys_help[] =
	"q quit 1 pairs 2 programs 3 services w why m/b/h/s/c/n sort r reverse / filter ?";

static const char *const long_help[] = {
	"1 2 3  connections, programs, services (unit, container, pod, cgroup)",
	"w      why messages stay on TCP, and ends are no members; again: back",
	"m b h  sort by messages, bytes, share that hops",
	"s c n  sort by CPU saved, connections, name",
	"r      the other way round",
	"/      show what contains a text; Enter keeps it, Escape shows all again",
	"+ -    longer or shorter between two looks",
	"p      hold the picture, and go on",
	"arrows, Page Up, Page Down, Home: scroll",
	"q      quit",
	"",
	"MSG/S  messages of members; of others segments with data",
	"HOP    the share of them that hops",
	"SAVED  CPU time that hops save, in percent of one CPU, estimated:",
	"       2.5 us a message and 0.15 us a KiB, the least that was measured",
};

size_t top_rows(size_t height)
{
	return height > LINES_AROUND ? height - LINES_AROUND : 0;
}

struct page {
	size_t width, left; /* left: lines, SIZE_MAX: any number */
	top_put_fn *put;
	void *arg;
};

static void put_line(struct page *p, enum top_style style, const char *text)
{
	char line[LINE_MAX_LEN];
	size_t n = strlen(text);

	if (!p->left)
		return;
	p->left -= p->left != SIZE_MAX;
	if (n >= sizeof(line))
		n = sizeof(line) - 1;
	if (p->width && n > p->width)
		n = p->width;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = text[i];

		line[i] = c < 0x80 && isprint(c) ? c : '?';
	}
	line[n] = 0;
	p->put(p->arg, style, line);
}

/* Up to five digits, one behind the point below ten; then thousands (k) and so on. */
static const char *count_text(double n, char buf[16])
{
	static const char units[] = "kMGT";
	size_t u = 0;

	if (n < 99999.5) {
		snprintf(buf, 16, n < 9.95 && n != (int)n ? "%.1f" : "%.0f", n);
		return buf;
	}
	for (n /= 1000; n >= 9999.5 && u < sizeof(units) - 2; u++)
		n /= 1000;
	snprintf(buf, 16, "%.0f%c", n, units[u]);
	return buf;
}

static const char *bytes_text(double n, char buf[16])
{
	output_bytes(buf, 16, n);
	return buf;
}

static const char *percent_text(double share, char buf[16])
{
	if (share < 0)
		snprintf(buf, 16, "-");
	else
		snprintf(buf, 16, share >= 0.0005 && share < 0.0995 ? "%.1f%%" : "%.0f%%", 100 * share);
	return buf;
}

static void put_title(struct page *p, const struct top_frame *f)
{
	char line[LINE_MAX_LEN], messages[16], share[16], saved[16], bytes[16];
	struct rate total;

	rates_total(f->before, f->now, &total);
	if (f->now->attached)
		snprintf(line, sizeof(line), "sockhop %s %s  %u members  %s msg/s  %s/s  hop %s  saved %s",
			 f->instance, f->clock, total.members, count_text(total.messages, messages),
			 bytes_text(total.bytes, bytes), percent_text(total.share, share),
			 percent_text(total.saved, saved));
	else
		snprintf(line, sizeof(line), "sockhop %s %s  not attached", f->instance, f->clock);
	put_line(p, TOP_TITLE, line);
}

static void put_settings(struct page *p, const struct top_view *v, size_t rows)
{
	char line[LINE_MAX_LEN], filter[TOP_FILTER + 32] = "";

	if (v->typing)
		snprintf(filter, sizeof(filter), ", filter: %s_", v->filter);
	else if (v->filter[0])
		snprintf(filter, sizeof(filter), ", filter: %s", v->filter);
	if (v->what == TOP_WHYS)
		snprintf(line, sizeof(line), "%zu reasons", rows);
	else
		snprintf(line, sizeof(line), "%zu %s by %s%s", rows, top_whats[v->what], top_keys[v->key],
			 v->reverse ? " (reversed)" : "");
	snprintf(line + strlen(line), sizeof(line) - strlen(line), ", every %u s%s%s", v->delay,
		 v->paused ? ", held" : "", filter);
	put_line(p, TOP_ROW, line);
}

/* The name gets what the other columns leave; without a width what the longest takes. */
static size_t name_width(const struct page *p, const struct rates *r, size_t others)
{
	size_t width = NAME_MIN;

	if (p->width)
		return p->width > others + NAME_MIN ? p->width - others : NAME_MIN;
	for (size_t i = 0; i < r->n; i++)
		if (strlen(r->row[i].name) > width)
			width = strlen(r->row[i].name);
	return width;
}

/* Cut, with a '+', where it is too long. */
static void cut_name(const char *name, size_t width, char buf[RATES_NAME])
{
	snprintf(buf, RATES_NAME, "%.*s", (int)width, name);
	if (strlen(name) > width && width)
		buf[strlen(buf) - 1] = '+';
}

static enum top_style row_style(const struct rate *r)
{
	if (r->share >= SHARE_GOOD)
		return TOP_ROW_HOPS;
	return r->members ? TOP_ROW : TOP_ROW_OUT;
}

#define NUMBERS	  "%8s %10s %5s %6s"
#define OTHERS	  33	     /* width of them, with the blank in front */
#define PAIR_END  "  %-16s"  /* the reason */
#define GROUP_END " %6u %6u" /* connections, members */

static void put_row(struct page *p, const struct top_view *v, const struct rate *r, size_t width)
{
	char line[LINE_MAX_LEN], name[RATES_NAME], messages[16], bytes[16], share[16], saved[16];
	const char *m = count_text(r->messages, messages), *b = bytes_text(r->bytes, bytes);
	const char *h = percent_text(r->share, share), *s = percent_text(r->saved, saved);

	cut_name(r->name, width, name);
	if (v->what == TOP_PAIRS)
		snprintf(line, sizeof(line), "%-*s " NUMBERS PAIR_END, (int)width, name, m, b, h, s,
			 r->why ?: "-");
	else
		snprintf(line, sizeof(line), "%-*s " NUMBERS GROUP_END, (int)width, name, m, b, h, s,
			 r->pairs, r->members);
	put_line(p, row_style(r), line);
}

static void put_head(struct page *p, const struct top_view *v, size_t width)
{
	static const char *const names[] = {"CONNECTION", "PROGRAM", "SERVICE"};
	char line[LINE_MAX_LEN];

	snprintf(line, sizeof(line), "%-*s " NUMBERS "%s", (int)width, names[v->what], "MSG/S", "BYTES/S",
		 "HOP", "SAVED", v->what == TOP_PAIRS ? "  WHY" : "   CONN MEMBER");
	put_line(p, TOP_HEAD, line);
}

/* Back to the last page, if there is less than there was. */
static void limit_scroll(struct top_view *v, size_t rows, size_t room)
{
	size_t last = rows > room ? rows - room : 0;

	if (v->first > last)
		v->first = last;
}

static int put_rates(struct page *p, struct top_view *v, const struct top_frame *f, size_t room)
{
	struct rates r = {0};
	int err = rates_make(f->before, f->now, RATES_PAIRS + v->what, v->filter, &r);
	size_t width;

	rates_sort(&r, v->key, v->reverse);
	limit_scroll(v, r.n, room);
	width = name_width(p, &r, OTHERS + (v->what == TOP_PAIRS ? 18 : 14));
	put_settings(p, v, r.n);
	put_head(p, v, width);
	for (size_t i = v->first; i < r.n && i - v->first < room; i++)
		put_row(p, v, &r.row[i], width);
	rates_free(&r);
	return err;
}

static size_t filter_whys(struct rate_why *why, size_t n, const char *filter)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (strcasestr(why[i].name, filter))
			why[kept++] = why[i];
	return kept;
}

static void put_whys(struct page *p, struct top_view *v, const struct top_frame *f, size_t room)
{
	struct rate_why why[RATES_WHYS];
	size_t n = filter_whys(why, rates_whys(f->before, f->now, why), v->filter);
	char line[LINE_MAX_LEN], rate[16], count[16], ends[16];

	limit_scroll(v, n, room);
	put_settings(p, v, n);
	snprintf(line, sizeof(line), "%-20s %-8s %8s %6s %8s  %s", "WHY", "OF", "TIMES/S", "NOW", "COUNT",
		 "MEANING");
	put_line(p, TOP_HEAD, line);
	for (size_t i = v->first; i < n && i - v->first < room; i++) {
		snprintf(ends, sizeof(ends), "%u", why[i].ends);
		snprintf(line, sizeof(line), "%-20s %-8s %8s %6s %8s  %s", why[i].name,
			 why[i].message ? "messages" : "ends", count_text(why[i].rate, rate),
			 why[i].message ? "-" : ends, count_text(why[i].count, count), why[i].help);
		put_line(p, TOP_ROW, line);
	}
}

/* Fills up to the last line, which is the help. */
static void put_bottom(struct page *p)
{
	if (p->left == SIZE_MAX)
		return;
	while (p->left > 1)
		put_line(p, TOP_ROW, "");
	put_line(p, TOP_HELP, keys_help);
}

int top_write(struct top_view *v, const struct top_frame *frame, size_t width, size_t height, top_put_fn *put,
	      void *arg)
{
	struct page p = {.width = width, .left = height ?: SIZE_MAX, .put = put, .arg = arg};
	size_t room = height ? top_rows(height) : SIZE_MAX;
	int err = 0;

	put_title(&p, frame);
	if (v->help) {
		for (size_t i = 0; i < ARRAY_SIZE(long_help); i++)
			put_line(&p, TOP_ROW, long_help[i]);
	} else if (v->what == TOP_WHYS) {
		put_whys(&p, v, frame, room);
	} else {
		err = put_rates(&p, v, frame, room);
	}
	put_bottom(&p);
	return err;
}
