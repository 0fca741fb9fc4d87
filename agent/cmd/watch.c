// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "watch.h"
#include "agent/lib/util.h"

#define HOME_AND_CLEAR "\033[H\033[2J" /* ECMA-48: CUP, ED; a VT100 knows both */

static void print_heading(unsigned int seconds, bool first)
{
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	if (!isatty(STDOUT_FILENO)) {
		fputs(first ? "" : "\n", stdout);
		return;
	}
	strftime(text, sizeof(text), "%H:%M:%S", localtime_r(&now, &tm));
	printf(HOME_AND_CLEAR "every %u s: %s\n\n", seconds, text);
}

int watch_run(unsigned int seconds, bool bare, int (*show)(void *arg), void *arg)
{
	int status = 0;

	for (bool first = true; !status; first = false) {
		if (!first)
			sleep(seconds);
		if (!bare)
			print_heading(seconds, first);
		status = show(arg);
		/* main() says that it failed */
		if (fflush(stdout))
			break;
	}
	return status;
}
