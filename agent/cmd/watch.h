/* SPDX-License-Identifier: GPL-2.0-only */
/* watch.h: show a result again and again, as watch(1) does. */
#ifndef SOCKHOP_CMD_WATCH_H
#define SOCKHOP_CMD_WATCH_H

#include <stdbool.h>

/*
 * Call show(arg), which prints on stdout and returns an exit status, every so many seconds until that fails,
 * or the reader is gone. A terminal is cleared before each, with a line that says what this is; elsewhere an
 * empty line stands between two (bare: nothing does, for JSON). Returns the last status.
 */
int watch_run(unsigned int seconds, bool bare, int (*show)(void *arg), void *arg);

#endif
