/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard.h: the splice guard: a program that sees splice(2) before it takes effect, so that programs which can
 * splice may join (design.md, I48). Some kernels and hosts refuse it; then their veto stands.
 *
 * It is attached while some program needs it, and pinned with the instance: it acts without an agent, and
 * goes with the instance's folder.
 */
#ifndef SOCKHOP_PROGRAM_GUARD_H
#define SOCKHOP_PROGRAM_GUARD_H

#include <stdbool.h>

#include <bpf/libbpf.h>

#include "guards.h"
#include "agent/instance/instance.h"

/*
 * Which mechanism refuses a splice here (enum hop_guard_kind), found by doing it with a socket of our own;
 * nothing stays. 0 or -errno: why there is none (-EPERM: this host refuses the programs).
 */
int guard_probe(__u32 *kind);

/* "lsm/file_permission" and the like; "none". */
const char *guard_name(__u32 kind);

/*
 * Attach and pin it for an instance, unless it is there already: 0, or -errno, and then nothing of it stays.
 * It vouches for no socket before config.guard says so. guard_detach() takes it away.
 */
int guard_attach(struct instance *in);
void guard_detach(struct instance *in);

/* ---- guard_follow.c ---- */

/* What the agent knows of its instance's guard. Starts zeroed. All times are those of now_ns(). */
struct guard {
	struct guard_need need;
	bool starts;		 /* programs must be looked at: does one of them need it? */
	unsigned long long look; /* not before that */
};

/*
 * Make the guard follow the need: `splicers` sockets or processes that it is for were seen just now, at a
 * look that was whole if no socket was left out. It is attached for the first one, and detached GUARD_KEEP_NS
 * after the last one.
 */
#define GUARD_KEEP_NS 600000000000ull
void guard_follow(struct guard *g, struct instance *in, unsigned int splicers, bool whole);

/*
 * Programs have started in attached cgroups, or were not looked at yet. The guard must be there before their
 * connections are, so it does not wait for a pass: guard_work() looks at the processes of attached cgroups
 * when guard_due() says so (0: never). That takes 1/GUARD_SHARE of a CPU at most. It returns true when a
 * whole look at all sockets is due, since no program that needs the guard was seen for so long.
 */
#define GUARD_SHARE	  60
#define GUARD_COALESCE_NS 20000000ull /* for others to come along, and for libraries to be mapped */
struct veto_cache;
void guard_started(struct guard *g);
unsigned long long guard_due(const struct guard *g, const struct instance *in);
bool guard_work(struct guard *g, struct instance *in, struct veto_cache *cache);

#endif
