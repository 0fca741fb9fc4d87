// SPDX-License-Identifier: GPL-2.0-only
/* What keys do to the view of `sockhop top`, and the lines that show it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/top/top.h"

static enum top_action press(struct top_view *v, const char *keys)
{
	enum top_action last = TOP_DRAW;

	for (; *keys; keys++)
		last = top_press(v, *keys, 10);
	return last;
}

static void keys_choose_view_and_order(void **state)
{
	struct top_view v = {.delay = 2};

	(void)state;
	press(&v, "3");
	assert_int_equal(v.what, TOP_SERVICES);
	press(&v, "w");
	assert_int_equal(v.what, TOP_WHYS);
	press(&v, "w");
	assert_int_equal(v.what, TOP_PAIRS);
	press(&v, "br");
	assert_int_equal(v.key, RATES_BY_BYTES);
	assert_true(v.reverse);
	press(&v, "h"); /* another order is the right way round again */
	assert_int_equal(v.key, RATES_BY_SHARE);
	assert_false(v.reverse);
	press(&v, "+++---------");
	assert_int_equal(v.delay, 1);
	assert_int_equal(press(&v, "p"), TOP_DRAW);
	assert_true(v.paused);
	assert_int_equal(press(&v, "p"), TOP_SAMPLE_NOW);
	assert_int_equal(press(&v, "q"), TOP_QUIT);
	press(&v, "?");
	assert_true(v.help);
	assert_int_equal(press(&v, "q"), TOP_DRAW); /* any key ends the help, and does no more */
	assert_false(v.help);
}

static void a_filter_is_typed(void **state)
{
	struct top_view v = {.delay = 2};

	(void)state;
	assert_int_equal(press(&v, "/qw"), TOP_DRAW); /* letters are no commands meanwhile */
	assert_string_equal(v.filter, "qw");
	top_press(&v, TOP_BACKSPACE, 10);
	assert_string_equal(v.filter, "q");
	top_press(&v, TOP_BACKSPACE, 10);
	top_press(&v, TOP_BACKSPACE, 10);
	assert_string_equal(v.filter, "");
	press(&v, "redis\r");
	assert_false(v.typing);
	assert_string_equal(v.filter, "redis");
	top_press(&v, TOP_ESCAPE, 10);
	assert_string_equal(v.filter, "");
	press(&v, "/x");
	top_press(&v, TOP_ESCAPE, 10);
	assert_string_equal(v.filter, "");
	assert_false(v.typing);
	press(&v, "/");
	for (int i = 0; i < 2 * TOP_FILTER; i++)
		press(&v, "x");
	assert_int_equal(strlen(v.filter), TOP_FILTER - 1);
}

struct page {
	char line[200][512];
	enum top_style style[200];
	size_t n;
};

static void put(void *arg, enum top_style style, const char *line)
{
	struct page *p = arg;

	p->style[p->n] = style;
	snprintf(p->line[p->n++], sizeof(p->line[0]), "%s", line);
}

/* n connections, the first of which hops least. */
static void fill(struct sample *s, unsigned int n)
{
	s->at_ns = 1000000001;
	s->attached = true;
	for (unsigned int i = 0; i < n; i++) {
		struct rates_pair p = {.id = i + 1, .hops = 10 * i, .hop_bytes = 640 * i, .member = i != 0};

		snprintf(p.a.label, sizeof(p.a.label), "client-%u/4194303:65535", i);
		snprintf(p.b.label, sizeof(p.b.label), "server-with-a-name/4194304:65535");
		p.why = i ? NULL : "splice-capable";
		assert_int_equal(sample_add(s, &p), 0);
	}
	sample_sort(s);
}

static const struct page *show(struct top_view *v, unsigned int n, size_t width, size_t height)
{
	struct sample before = {.at_ns = 1}, now = {0};
	const struct top_frame f = {"default", "12:34:56", &before, &now};
	static struct page page;

	page.n = 0;
	fill(&now, n);
	assert_int_equal(top_write(v, &f, width, height, put, &page), 0);
	sample_free(&now);
	return &page;
}

static void a_screen_is_full_and_never_wider(void **state)
{
	static const size_t sizes[][2] = {{80, 24}, {40, 6}, {200, 60}, {132, 10}};

	(void)state;
	for (enum top_what what = 0; what < TOP_WHATS; what++) {
		for (size_t i = 0; i < 4; i++) {
			struct top_view v = {.what = what, .delay = 2};
			const struct page *p = show(&v, 100, sizes[i][0], sizes[i][1]);

			assert_int_equal(p->n, sizes[i][1]);
			assert_int_equal(p->style[0], TOP_TITLE);
			assert_int_equal(p->style[p->n - 1], TOP_HELP);
			for (size_t k = 0; k < p->n; k++)
				assert_true(strlen(p->line[k]) <= sizes[i][0]);
		}
	}
}

static void at_80_columns_every_column_is_there(void **state)
{
	struct top_view v = {.delay = 2};
	const struct page *p = show(&v, 2, 80, 24);

	(void)state;
	assert_string_equal(p->line[1], "2 pairs by messages, every 2 s");
	assert_int_equal(p->style[2], TOP_HEAD);
	assert_string_equal(p->line[2],
			    "CONNECTION                       MSG/S    BYTES/S   HOP  SAVED  WHY");
	assert_string_equal(
		p->line[3],
		"client-1/4194303:65535 > ser+       10      640 B  100%     0%  -               ");
	assert_int_equal(p->style[3], TOP_ROW_HOPS);
	assert_string_equal(
		p->line[4],
		"client-0/4194303:65535 > ser+        0        0 B     -     0%  splice-capable  ");
	assert_int_equal(p->style[4], TOP_ROW_OUT);
	/* the keys fit */
	assert_true(strlen(p->line[23]) == 80 && p->line[23][79] == '?');
}

static void batch_shows_whole_names_and_all_rows(void **state)
{
	struct top_view v = {.delay = 2};
	const struct page *p = show(&v, 100, 0, 0);

	(void)state;
	assert_int_equal(p->n, 103);
	assert_non_null(strstr(p->line[3], "client-99/4194303:65535 > server-with-a-name/4194304:65535 "));
}

static void rows_scroll_and_not_beyond_the_last(void **state)
{
	struct top_view v = {.delay = 2};
	const struct page *p;

	(void)state;
	top_press(&v, TOP_DOWN, 20);
	p = show(&v, 100, 80, 24);
	assert_memory_equal(p->line[3], "client-98/", 10);
	for (int i = 0; i < 50; i++)
		top_press(&v, TOP_PAGE_DOWN, top_rows(24));
	p = show(&v, 100, 80, 24);
	assert_int_equal(v.first, 80);
	assert_memory_equal(p->line[22], "client-0/", 9);
	/* fewer than before */
	p = show(&v, 3, 80, 24);
	assert_int_equal(v.first, 0);
	assert_memory_equal(p->line[3], "client-2/", 9);
	top_press(&v, TOP_UP, 20);
	assert_int_equal(v.first, 0);
}

static void names_of_others_do_not_reach_the_terminal(void **state)
{
	struct sample before = {.at_ns = 1}, now = {.at_ns = 2, .attached = true};
	const struct top_frame f = {"default", "12:34:56", &before, &now};
	struct top_view v = {.what = TOP_PROGRAMS, .delay = 2};
	struct rates_pair pair = {.id = 1, .a.program = "\033[31mred\x9b\n"};
	struct page p = {.n = 0};

	(void)state;
	assert_int_equal(sample_add(&now, &pair), 0);
	assert_int_equal(top_write(&v, &f, 80, 24, put, &p), 0);
	sample_free(&now);
	for (size_t i = 0; i < p.n; i++)
		for (const char *c = p.line[i]; *c; c++)
			assert_true(*c >= ' ' && *c < 0x7f);
	assert_non_null(strstr(p.line[3], "?[31mred??"));
}

static void what_is_not_attached_says_so(void **state)
{
	struct sample before = {0}, now = {0};
	const struct top_frame f = {"default", "12:34:56", &before, &now};
	struct top_view v = {.delay = 2};
	struct page p = {.n = 0};

	(void)state;
	assert_int_equal(top_write(&v, &f, 80, 24, put, &p), 0);
	assert_string_equal(p.line[0], "sockhop default 12:34:56  not attached");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_choose_view_and_order),
		cmocka_unit_test(a_filter_is_typed),
		cmocka_unit_test(a_screen_is_full_and_never_wider),
		cmocka_unit_test(at_80_columns_every_column_is_there),
		cmocka_unit_test(batch_shows_whole_names_and_all_rows),
		cmocka_unit_test(rows_scroll_and_not_beyond_the_last),
		cmocka_unit_test(names_of_others_do_not_reach_the_terminal),
		cmocka_unit_test(what_is_not_attached_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
