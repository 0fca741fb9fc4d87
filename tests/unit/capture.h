/* SPDX-License-Identifier: GPL-2.0-only */
/* capture.h: what a function writes to a standard stream. Include after cmocka.h. */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H

#include <stdio.h>
#include <unistd.h>

/* Point a standard stream at a temporary file; capture_end() restores it and returns what was written. */
struct capture {
	FILE *stream, *file;
	int saved;
};

static struct capture capture_begin(FILE *stream)
{
	struct capture c = {stream, tmpfile(), -1};

	assert_non_null(c.file);
	fflush(stream);
	c.saved = dup(fileno(stream));
	dup2(fileno(c.file), fileno(stream));
	return c;
}

static const char *capture_end(struct capture *c)
{
	static char text[65536];
	size_t n;

	fflush(c->stream);
	dup2(c->saved, fileno(c->stream));
	close(c->saved);
	rewind(c->file);
	n = fread(text, 1, sizeof(text) - 1, c->file);
	text[n] = '\0';
	fclose(c->file);
	return text;
}

#endif
