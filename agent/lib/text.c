// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "text.h"

#define CLOSE_ENOUGH 2

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment distance: insertions, deletions, replacements, swaps of neighbours. */
static unsigned int edits(const char *a, const char *b)
{
	unsigned int d[TEXT_WORD_MAX + 1][TEXT_WORD_MAX + 1];
	size_t na = strlen(a), nb = strlen(b);

	if (na > TEXT_WORD_MAX || nb > TEXT_WORD_MAX)
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

const char *text_closest(const char *word, const char *const *words)
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
