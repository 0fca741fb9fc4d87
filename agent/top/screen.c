// SPDX-License-Identifier: GPL-2.0-only
/* screen.c: the terminal, by ncurses. */
#include <errno.h>
#include <string.h>
#include <curses.h>

#include "top.h"
#include "agent/lib/util.h"

#define WIDTH_MIN  40
#define HEIGHT_MIN 6

/* Colour pairs: on a terminal that has none, or where NO_COLOR is set (no-color.org), there are attributes
 * only. */
enum { PAIR_TITLE = 1, PAIR_HOPS, PAIR_OUT };

struct screen {
	struct top_view *view;
	const char *instance;
	int (*sample)(void *arg, struct sample *s);
	void *arg;
	struct sample sample_of[2];
	int newer; /* of the two */
	unsigned long long due;
	bool colour;
	int y;
};

static chtype attribute(const struct screen *s, enum top_style style)
{
	switch (style) {
	case TOP_TITLE:
		return A_BOLD | (s->colour ? COLOR_PAIR(PAIR_TITLE) : 0);
	case TOP_HEAD:
	case TOP_HELP:
		return A_REVERSE;
	case TOP_ROW_HOPS:
		return s->colour ? COLOR_PAIR(PAIR_HOPS) : 0;
	case TOP_ROW_OUT:
		return s->colour ? COLOR_PAIR(PAIR_OUT) : 0;
	default:
		return 0;
	}
}

static void put_line(void *arg, enum top_style style, const char *line)
{
	struct screen *s = arg;

	attrset(attribute(s, style));
	mvaddstr(s->y, 0, line);
	/* bars are as wide as the screen */
	if (style == TOP_HEAD || style == TOP_HELP)
		for (int x = strlen(line); x < COLS; x++)
			mvaddch(s->y, x, ' ');
	attrset(0);
	s->y++;
}

static int draw(struct screen *s)
{
	char clock[16];
	const struct top_frame frame = {
		.instance = s->instance,
		.clock = clock,
		.before = &s->sample_of[!s->newer],
		.now = &s->sample_of[s->newer],
	};
	int err = 0;

	top_clock(clock);
	erase();
	s->y = 0;
	if (COLS < WIDTH_MIN || LINES < HEIGHT_MIN)
		mvaddnstr(0, 0, "too small", COLS);
	else
		err = top_write(s->view, &frame, COLS, LINES, put_line, s);
	refresh();
	return err;
}

static int take_sample(struct screen *s)
{
	int err;

	s->newer = !s->newer;
	err = s->sample(s->arg, &s->sample_of[s->newer]);
	if (err == -ENOENT) { /* it may come back */
		sample_free(&s->sample_of[s->newer]);
		err = 0;
	}
	s->due = now_ns() + s->view->delay * 1000000000ull;
	return err;
}

static int key_of(int c)
{
	switch (c) {
	case KEY_UP:
		return TOP_UP;
	case KEY_DOWN:
		return TOP_DOWN;
	case KEY_PPAGE:
		return TOP_PAGE_UP;
	case KEY_NPAGE:
		return TOP_PAGE_DOWN;
	case KEY_HOME:
		return TOP_HOME;
	case KEY_BACKSPACE:
	case 0x7f:
	case '\b':
		return TOP_BACKSPACE;
	case KEY_ENTER:
		return '\n';
	case 0x1b:
		return TOP_ESCAPE;
	default:
		return c >= KEY_MIN ? 0 : c;
	}
}

/* A key, or ERR when the next sample is due. */
static int wait_key(const struct screen *s)
{
	unsigned long long now = now_ns();

	if (s->view->paused)
		timeout(-1);
	else
		timeout(now < s->due ? (s->due - now) / 1000000 + 1 : 0);
	return getch();
}

static enum top_action next_action(struct screen *s)
{
	int c = wait_key(s);

	if (c == KEY_RESIZE)
		return TOP_DRAW;
	if (c != ERR)
		return top_press(s->view, key_of(c), top_rows(LINES));
	/* of a terminal that is gone nothing can be read any more */
	if (!isatty(STDIN_FILENO))
		return TOP_QUIT;
	return s->view->paused || now_ns() < s->due ? TOP_DRAW : TOP_SAMPLE_NOW;
}

static int loop(struct screen *s)
{
	int err = take_sample(s);

	/* the first rates soon, and then every so often */
	s->due = now_ns() + 1000000000ull;
	while (!err) {
		enum top_action action;

		err = draw(s);
		if (err)
			break;
		action = next_action(s);
		if (action == TOP_QUIT)
			break;
		if (action == TOP_SAMPLE_NOW)
			err = take_sample(s);
	}
	return err;
}

static void set_up(struct screen *s)
{
	const char *no_color = getenv("NO_COLOR");

	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	set_escdelay(100);
	s->colour = has_colors() && !(no_color && *no_color) && start_color() == OK;
	if (!s->colour)
		return;
	use_default_colors();
	init_pair(PAIR_TITLE, COLOR_CYAN, -1);
	init_pair(PAIR_HOPS, COLOR_GREEN, -1);
	init_pair(PAIR_OUT, COLOR_YELLOW, -1);
}

int top_screen(struct top_view *v, const char *instance, int (*sample)(void *arg, struct sample *s),
	       void *arg)
{
	struct screen s = {.view = v, .instance = instance, .sample = sample, .arg = arg};
	SCREEN *terminal;
	int err;

	/* initscr() would end us itself */
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return -ENOTTY;
	set_up(&s);
	err = loop(&s);
	endwin();
	delscreen(terminal);
	sample_free(&s.sample_of[0]);
	sample_free(&s.sample_of[1]);
	return err;
}
