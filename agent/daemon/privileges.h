/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * privileges.h: what an agent keeps of its privileges. It is started with all that made the instance. Once it
 * has opened that it needs less (design.md, I56), for good, whatever a hostile socket or program does to it.
 */
#ifndef SOCKHOP_DAEMON_PRIVILEGES_H
#define SOCKHOP_DAEMON_PRIVILEGES_H

#include <stdbool.h>

/* A capability that the agent keeps if it has it. A table of them ends with .name = NULL. */
struct privilege {
	int cap;	  /* CAP_* */
	const char *name; /* "CAP_BPF" */
	const char *what; /* what it is for, in a line */
	bool needed;	  /* without it there is no sockhop */
	/* else what happens without it; NULL: nothing, where the agent owns the pin folder */
	const char *without;
};
extern const struct privilege privileges[];

/*
 * Drop, in all sets, the capabilities that are not in the table, and take on a seccomp filter: what an agent
 * never does gets EPERM from it. That is to execute a program, to map executable memory (so no library can be
 * loaded), to change users or owners, to mount, to trace, to load modules, to change clocks or keys, to enter
 * other namespaces than network namespaces. Children inherit both. To be called before threads are made.
 * 0 or -errno; then what was dropped so far is gone.
 */
int privileges_drop(void);

#endif
