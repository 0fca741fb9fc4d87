// SPDX-License-Identifier: GPL-2.0-only
/* view.c: what keys do to a view. */
#include <ctype.h>
#include <string.h>

#include "top.h"
#include "agent/lib/util.h"

const char *const top_whats[TOP_WHATS + 1] = {
	[TOP_PAIRS] = "pairs",
	[TOP_PROGRAMS] = "programs",
	[TOP_SERVICES] = "services",
	[TOP_WHYS] = "why",
};

const char *const top_keys[RATES_KEYS + 1] = {
	[RATES_BY_MESSAGES] = "messages",
	[RATES_BY_BYTES] = "bytes",
	[RATES_BY_SHARE] = "share",
	[RATES_BY_SAVED] = "saved",
	[RATES_BY_CONNECTIONS] = "connections",
	[RATES_BY_NAME] = "name",
};

/* What sorts by each. */
static const char letters[RATES_KEYS] = {
	[RATES_BY_MESSAGES] = 'm', [RATES_BY_BYTES] = 'b',	 [RATES_BY_SHARE] = 'h',
	[RATES_BY_SAVED] = 's',	   [RATES_BY_CONNECTIONS] = 'c', [RATES_BY_NAME] = 'n',
};

/* Enter ends it, Escape takes it back. */
static void type(struct top_view *v, int key)
{
	size_t n = strlen(v->filter);

	if (key == '\n' || key == '\r') {
		v->typing = false;
	} else if (key == TOP_ESCAPE) {
		v->typing = false;
		v->filter[0] = 0;
	} else if (key == TOP_BACKSPACE) {
		v->filter[n ? n - 1 : 0] = 0;
	} else if (key < 0x80 && isprint(key) && n + 1 < sizeof(v->filter)) {
		v->filter[n] = key;
		v->filter[n + 1] = 0;
	}
	v->first = 0;
}

static bool scroll(struct top_view *v, int key, size_t page)
{
	size_t by = key == TOP_UP || key == TOP_DOWN ? 1 : page;

	switch (key) {
	case TOP_UP:
	case TOP_PAGE_UP:
		v->first -= v->first < by ? v->first : by;
		return true;
	case TOP_DOWN:
	case TOP_PAGE_DOWN:
	case ' ':
		v->first += by;
		return true;
	case TOP_HOME:
		v->first = 0;
		return true;
	default:
		return false;
	}
}

static void show(struct top_view *v, enum top_what what)
{
	v->what = what;
	v->first = 0;
}

static void sort_by(struct top_view *v, int letter)
{
	for (int i = 0; i < RATES_KEYS; i++) {
		if (letters[i] != letter)
			continue;
		v->key = i;
		v->reverse = false;
		v->first = 0;
	}
}

static enum top_action command(struct top_view *v, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return TOP_QUIT;
	case '1':
	case '2':
	case '3':
		show(v, TOP_PAIRS + (key - '1'));
		break;
	case 'w':
		show(v, v->what == TOP_WHYS ? TOP_PAIRS : TOP_WHYS);
		break;
	case 'r':
		v->reverse = !v->reverse;
		break;
	case '/':
		v->typing = true;
		v->filter[0] = 0;
		break;
	case TOP_ESCAPE:
		v->filter[0] = 0;
		break;
	case 'p':
		v->paused = !v->paused;
		return v->paused ? TOP_DRAW : TOP_SAMPLE_NOW;
	case '+':
		v->delay += v->delay < 60;
		break;
	case '-':
		v->delay -= v->delay > 1;
		break;
	case '?':
		v->help = true;
		break;
	default:
		sort_by(v, key);
	}
	return TOP_DRAW;
}

enum top_action top_press(struct top_view *v, int key, size_t page)
{
	if (v->typing)
		type(v, key);
	else if (v->help) /* any key ends it */
		v->help = false;
	else if (!scroll(v, key, page))
		return command(v, key);
	return TOP_DRAW;
}
