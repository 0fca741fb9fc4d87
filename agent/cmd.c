// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "cmd.h"
#include "util.h"

#define WORD_MAX     32
#define CLOSE_ENOUGH 2

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment distance: insertions, deletions, replacements, swaps of neighbours. */
static unsigned int edits(const char *a, const char *b)
{
	unsigned int d[WORD_MAX + 1][WORD_MAX + 1];
	size_t na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX)
		return UINT_MAX;
	for (size_t i = 0; i <= na; i++) {
		for (size_t j = 0; j <= nb; j++) {
			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1,
				       d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = min3(d[i][j], d[i - 2][j - 2] + 1, UINT_MAX);
		}
	}
	return d[na][nb];
}

const char *cmd_closest(const char *word, const char *const *words)
{
	unsigned int best = CLOSE_ENOUGH + 1;
	const char *found = NULL;

	for (; *words; words++) {
		unsigned int d = edits(word, *words);

		/* so many edits as letters turn any short word into any other */
		if (d < best && d < strlen(word)) {
			best = d;
			found = *words;
		}
	}
	return found;
}

int cmd_usage_error(const char *cmd, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	msg_error("%s: %s; see `sockhop %s --help`", cmd, text, cmd);
	return EXIT_USAGE;
}
