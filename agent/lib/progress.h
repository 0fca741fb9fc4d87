/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * progress.h: what a command that takes long is doing: one line on the terminal at stderr, which is rewritten
 * as things get on, makes way for messages, and is gone when the command ends.
 *
 * Off until a command calls progress_begin(), so the agent, the relay and the children of a walk never write
 * one. The functions below the commands say what they do in any case. One line a process, from one thread.
 */
#ifndef SOCKHOP_LIB_PROGRESS_H
#define SOCKHOP_LIB_PROGRESS_H

/* The line comes after so long, and is rewritten that often: a command that is quick shows nothing. */
#define PROGRESS_AFTER_MS 500
#define PROGRESS_EACH_MS  250

/* From here on, until progress_end(). Nothing where stderr is no terminal that can erase a line. */
void progress_begin(void);
void progress_end(void);

/* What is being done now: shown at once if it is time to, else by a later call. */
void progress_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same still is: for loops that wait. Cheap. */
void progress_tick(void);

#endif
