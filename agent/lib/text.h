/* SPDX-License-Identifier: GPL-2.0-only */
/* text.h: words that are nearly right. */
#ifndef SOCKHOP_LIB_TEXT_H
#define SOCKHOP_LIB_TEXT_H

/* Longer words are like no other. */
#define TEXT_WORD_MAX 32

/* The word of a NULL-terminated list that is most like `word`: at most two edits away; NULL if none is. */
const char *text_closest(const char *word, const char *const *words);

#endif
