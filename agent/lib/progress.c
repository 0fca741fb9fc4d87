// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "progress.h"
#include "util.h"

#define MS	      1000000ull
#define WIDTH_DEFAULT 80

static struct {
	bool on, visible;
	unsigned long long began, drawn; /* now_ns() */
	char text[256];			 /* "": nothing has been said yet */
} line;

/* ECMA-48 "erase in line" is known to all terminals but those that say they know nothing. */
static bool can_erase(void)
{
	const char *term = getenv("TERM");

	return term && *term && strcmp(term, "dumb");
}

static void clear(void)
{
	if (line.visible)
		fputs("\r\033[K", stderr);
	line.visible = false;
}

void progress_begin(void)
{
	line.on = isatty(STDERR_FILENO) && can_erase();
	line.began = now_ns();
	line.drawn = 0;
	line.text[0] = '\0';
	msg_before = clear;
}

void progress_end(void)
{
	clear();
	line.on = false;
}

/* A line that wraps could not be erased: the last column stays free. */
static int width(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || w.ws_col < 2 ? WIDTH_DEFAULT - 1 : w.ws_col - 1;
}

static void draw(unsigned long long now)
{
	char text[sizeof(line.text) + 48];

	snprintf(text, sizeof(text), "sockhop: %llu s: %s", (now - line.began) / 1000 / MS, line.text);
	/* one write, as for messages (util.c) */
	fprintf(stderr, "\r%.*s\033[K", width(), text);
	line.drawn = now;
	line.visible = true;
}

void progress_tick(void)
{
	unsigned long long now;

	if (!line.on || !line.text[0])
		return;
	now = now_ns();
	if (now - line.began >= PROGRESS_AFTER_MS * MS && now - line.drawn >= PROGRESS_EACH_MS * MS)
		draw(now);
}

void progress_say(const char *fmt, ...)
{
	va_list ap;

	if (!line.on)
		return;
	va_start(ap, fmt);
	vsnprintf(line.text, sizeof(line.text), fmt, ap);
	va_end(ap);
	/* names are the operator's, or anybody's who may make cgroups: no control characters */
	for (char *c = line.text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	progress_tick();
}
