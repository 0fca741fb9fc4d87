/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * top.h: `sockhop top`: a view, the keys that change it, the lines that show it, and the screen.
 *
 * view.c and text.c neither read nor draw; sample.c reads from the instance; screen.c draws.
 */
#ifndef SOCKHOP_TOP_TOP_H
#define SOCKHOP_TOP_TOP_H

#include "rates.h"

struct instance;
struct names;

enum top_what { TOP_PAIRS, TOP_PROGRAMS, TOP_SERVICES, TOP_WHYS, TOP_WHATS };

#define TOP_FILTER  48
#define TOP_DELAY_S 2

/* What is shown, and how. */
struct top_view {
	enum top_what what;
	enum rates_key key;
	bool reverse, paused, help;
	bool typing;		 /* a filter is being typed */
	char filter[TOP_FILTER]; /* "": all */
	size_t first;		 /* rows scrolled over */
	unsigned int delay;	 /* seconds between samples */
};

/* "pairs", "programs", "services", "why"; "messages", "bytes", ...; each ends with NULL. */
extern const char *const top_whats[TOP_WHATS + 1];
extern const char *const top_keys[RATES_KEYS + 1];

/* A key: a character, or one of these. */
enum top_special {
	TOP_UP = 0x100,
	TOP_DOWN,
	TOP_PAGE_UP,
	TOP_PAGE_DOWN,
	TOP_HOME,
	TOP_BACKSPACE,
	TOP_ESCAPE
};
enum top_action { TOP_DRAW, TOP_SAMPLE_NOW, TOP_QUIT };

/* Change the view by a key; page: rows on the screen. */
enum top_action top_press(struct top_view *v, int key, size_t page);

/* Two samples, and whose. */
struct top_frame {
	const char *instance;
	const char *clock; /* the time of day */
	const struct sample *before, *now;
};

enum top_style {
	TOP_TITLE,
	TOP_HEAD, /* of columns */
	TOP_ROW,
	TOP_ROW_HOPS, /* nearly all of it hops */
	TOP_ROW_OUT,  /* nothing of it does */
	TOP_HELP,     /* of use on a screen only */
};
typedef void top_put_fn(void *arg, enum top_style style, const char *line);

/*
 * Write a frame line by line, from the top: lines of `width` columns at most and `height` lines exactly (0:
 * as long, and as many, as it takes), in ASCII, whatever names others have given. v->first is set back if it
 * is behind the last row. 0 or -ENOMEM.
 */
int top_write(struct top_view *v, const struct top_frame *frame, size_t width, size_t height, top_put_fn *put,
	      void *arg);
/* Rows of a screen of this height. */
size_t top_rows(size_t height);

/* Fill *s, which is emptied first, from an open instance. 0 or -errno. */
int top_sample(const struct instance *in, struct names *names, struct sample *s);

/*
 * Show it on the terminal until the user quits. sample(arg, s) takes one and returns 0 or -errno; -ENOENT,
 * not attached, is shown. 0; -ENOTTY: not on this type of terminal (TERM); what a sample failed with.
 */
int top_screen(struct top_view *v, const char *instance, int (*sample)(void *arg, struct sample *s),
	       void *arg);

/* "12:34:56" */
void top_clock(char buf[16]);

#endif
