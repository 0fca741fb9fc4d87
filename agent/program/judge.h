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

struct habits;
struct instance;
struct veto_cache;

struct judge_result {
	unsigned int sockets; /* (process, socket) records seen */
	unsigned int vetoed;  /* sockets with a veto */
	unsigned int pending; /* sockets that keep the answer they had, since a program is not examined yet */
	unsigned int splicers; /* sockets that the splice guard is for */
	unsigned int flips; /* programs that were found to turn members blocking, and were not known for it */
};

/*
 * Examine the holders of all registered sockets, of those of members unless `mode` has HOP_MODE_JOINS;
 * `habits` remembers, from one time to the next. Walks the descriptors of all processes of the host
 * (iter/task_file): some milliseconds. 0 or -errno.
 */
int judge_all(struct instance *in, __u32 mode, struct veto_cache *cache, struct habits *habits,
	      struct judge_result *out);

/*
 * Is there a process in an attached cgroup that the splice guard is for? *splicers: 1 or 0. 0; -EAGAIN: none
 * so far, but some are still being examined; -errno.
 */
int judge_splicers(const struct instance *in, struct veto_cache *cache, unsigned int *splicers);

#endif
