/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * instance.h: one set of maps, programs and links under one pin folder, and how to open it.
 *
 * Layout below the bpffs (which is mounted at /sys/fs/bpf if nothing is there):
 *
 *   sockhop/NAME/            the instance; flock(2) on this folder serialises attach, detach, run
 *     config members ends socks counters events vetted cgroups policy     maps
 *     collapse relayed passes programs spliced translations                    maps
 *     visit collect show_tcp holders relay_ends                           iterator links
 *     exec                                                                tracepoint link
 *     sockops setsockopt                                                  programs for cgroups
 *     show_end poke begin                                                 programs that user space runs
 *     guard guard-entry                                                   links of the splice guard (guard.h)
 *     receive                                                             link of the receive guard
 * (receive.h) cgroup-ID cgroup-ID-setsockopt                                      their links to an attached
 * cgroup agent/               flock(2) on this folder is held by the resident agent sockhop/NAME-draining-N/
 * an instance that is detached but could not drain yet
 *
 * The folder is mode 0700: only its owner may read, steer or detach.
 *
 * The door of agent/instance: create makes one, attach gives it cgroups, snapshot reads its connections, walk
 * and netns get to the sockets of network namespaces, collapse removes what relays left, folder is the pin
 * folder and foreign the sockmaps of others, pause takes all messages to TCP for a while, force the switches
 * of tests. It owns the pins and the maps, and decides nothing about a connection. It may call policy, probe,
 * cgroup and lib; view, program, daemon and above call it.
 */
#ifndef SOCKHOP_AGENT_INSTANCE_H
#define SOCKHOP_AGENT_INSTANCE_H

#include <limits.h>
#include <stdbool.h>
#include <linux/types.h>
#include "bpf/hop.h"

#define INSTANCE_DEFAULT "default"
/* File name of the pin of hop_show_end. */
#define INSTANCE_SHOW_END "show_end"
/* And of hop_poke. */
#define INSTANCE_POKE "poke"
/* The splice guard, while there is one: what refuses, and what goes before it. */
#define INSTANCE_GUARD	     "guard"
#define INSTANCE_GUARD_ENTRY "guard-entry"
/* The receive guard, while there is one. */
#define INSTANCE_RECEIVE "receive"
/* And of hop_begin. */
#define INSTANCE_BEGIN "begin"

/* Maps and iterator links of an instance, in the order of the table in instance.c. */
enum instance_map {
	MAP_CONFIG,
	MAP_MEMBERS,
	MAP_ENDS,
	MAP_SOCKS,
	MAP_COUNTERS,
	MAP_EVENTS,
	MAP_VETTED,
	MAP_CGROUPS,
	MAP_POLICY,
	MAP_COLLAPSE,
	MAP_RELAYED,
	MAP_PASSES,
	MAP_PROGRAMS,
	MAP_SPLICED,
	MAP_TRANSLATIONS,
	MAP_COUNT
};
enum instance_iter { ITER_VISIT, ITER_COLLECT, ITER_SHOW_TCP, ITER_HOLDERS, ITER_RELAY_ENDS, ITER_COUNT };

struct instance {
	char name[64];
	char dir[PATH_MAX];
	int lock_fd; /* the folder; flock()ed when opened with INSTANCE_LOCK */
	int map[MAP_COUNT];
	int show_end, poke, begin; /* the programs hop_show_end, hop_poke and hop_begin */
	int iter[ITER_COUNT];	   /* pinned links: bpf_iter_create() gives a readable fd */
	struct hop_config *config; /* mmap()ed; with INSTANCE_READ a snapshot of the moment of opening */
};

enum instance_flags {
	INSTANCE_READ = 1 << 0, /* read only: status, list */
	INSTANCE_LOCK = 1 << 1, /* hold the instance lock until instance_close() */
	/*
	 * Of any ABI: for taking it down (daemon/other_abi.h). Only those parts are open that are the same in
	 * every ABI, for ever: the first two words of the configuration (abi, draining), the sockhash
	 * `members`, the iterator link `visit`, which takes members out of a draining instance, and the lock
	 * on agent/; and `poke` where there is one.
	 */
	INSTANCE_ANY_ABI = 1 << 2,
};

/*
 * Open the pinned instance NAME (NULL: "default"). On failure *in is closed and untouched otherwise.
 * -ENOENT: not attached. -EPERM/-EACCES: no permission. -EPROTO: another ABI version made it.
 * -FOLDER_STRANGE: it may not be ours (folder.h).
 */
int instance_open(struct instance *in, const char *name, int flags);
void instance_close(struct instance *in);

/* The folder of all instances, e.g. "/sys/fs/bpf/sockhop". -errno if there is no bpffs. */
int instance_root(char *buf, size_t size);

/*
 * Call fn(name, arg) for each instance, draining ones too; stops at the first non-zero return and returns it.
 */
int instance_each(int (*fn)(const char *name, void *arg), void *arg);

/* File names of the pins. */
const char *instance_map_name(enum instance_map map);
const char *instance_iter_name(enum instance_iter iter);

/*
 * Where the pin `name` of an open instance is: below its descriptor, whatever has become of the path since.
 */
#define INSTANCE_PIN_MAX 128
void instance_pin(const struct instance *in, const char *name, char path[INSTANCE_PIN_MAX]);

/* Sum of a per-CPU counter (enum hop_counter). 0 when it cannot be read. */
unsigned long long instance_counter(const struct instance *in, unsigned int index);

/*
 * The live policy; *out is filled. set: validates nothing, makes it live atomically (the other slot, then the
 * index), and bumps policy_gen; the caller holds the instance lock, and wakes the agent (instance_poke()).
 */
int instance_policy_get(const struct instance *in, struct hop_policy *out);
int instance_policy_set(struct instance *in, const struct hop_policy *policy);

/* The attached cgroups: fn(id, cgroup, arg) for each, until it returns non-zero. */
int instance_each_cgroup(const struct instance *in, int (*fn)(__u64 id, const struct hop_cgroup *, void *),
			 void *arg);

/*
 * What has become of an entry of map `cgroups`. The path that an operator gave is followed (daemon/follow.h):
 * the entry of a cgroup that was removed stays, under the id of that cgroup, which is never used again, until
 * another one has its path and an entry of its own. So the map is all that an agent has to know.
 */
enum cgroup_state {
	CGROUP_ATTACHED,
	CGROUP_DRAINING, /* its detach is under way, or was given up */
	CGROUP_WAITING,	 /* it was removed; the next one at its path is attached */
	/* it was removed, and nobody waits: `sockhop run` made it, it was left before, or a selector finds
	 * the next one */
	CGROUP_GONE,
};
enum cgroup_state instance_cgroup_state(__u64 id, const struct hop_cgroup *cg);
/* As `status` shows it. */
const char *cgroup_state_name(enum cgroup_state state);

/*
 * Run one iterator, asked for `mode` (a set of enum hop_mode; those of ITER_VISIT and ITER_HOLDERS look at
 * it), and pass what it wrote, record by record of `size` bytes, to fn (NULL: discard). A non-zero return of
 * fn ends the pass and is returned. Those of type iter/tcp see the network namespace of the caller only, and
 * may never come back: walk.h runs them.
 */
int instance_iterate(const struct instance *in, enum instance_iter which, __u32 mode, size_t size,
		     int (*fn)(const void *record, void *arg), void *arg);

/*
 * Wake the agent, if one runs: the policy or the set of cgroups has changed, or it shall end. It sends no
 * signal: in another pid namespace the agent's pid means another process, or none. 0 or -errno.
 */
int instance_poke(const struct instance *in);

/* True when a live agent holds the agent lock; *pid (may be NULL) is its pid, 0 if unknown. */
bool instance_agent_alive(const struct instance *in, int *pid);

#endif
