/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * judge.h: which programs hold the registered sockets, and whether they may join: the program veto and the
 * part of the policy that names programs, written to the map `vetted` for the next pass.
 *
 * The door of agent/program: may the sockets of this program join? judge asks for each holder of a socket,
 * examiner has a process looked at, process looks at one, in a child that may hang, scanner reads files, in a
 * sandbox, with elf and elf_code; filecache and flips remember. It owns those children and what they found.
 * It may call instance (whom it writes its answers to), policy and what is below; daemon calls it.
 */
#ifndef SOCKHOP_PROGRAM_JUDGE_H
#define SOCKHOP_PROGRAM_JUDGE_H

#include <stdbool.h>
#include <linux/types.h>

struct flips;
struct instance;
struct veto_cache;

struct judge_result {
	unsigned int sockets; /* (process, socket) records seen */
	unsigned int vetoed;  /* sockets with a veto */
	unsigned int pending; /* sockets that keep the answer they had, since a program is not examined yet */
	unsigned int flips; /* programs that were found to turn members blocking, and were not known for it */
};

/*
 * Examine the holders of all registered sockets, of those of members unless `mode` has HOP_MODE_JOINS;
 * `flips` remembers, from one time to the next. Walks the descriptors of all processes of the host
 * (iter/task_file): some milliseconds. 0 or -errno.
 */
int judge_all(struct instance *in, __u32 mode, struct veto_cache *cache, struct flips *flips,
	      struct judge_result *out);

#endif
