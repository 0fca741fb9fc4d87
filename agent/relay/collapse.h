/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * collapse.h: hop collapse, `--collapse`. Where client and server of a relayed connection are members of an
 * attached instance, they hop to each other and the relay idles. The relay tells the kernel side which two
 * ends belong together (struct hop_collapse in bpf/abi.h); the kernel side and the agent decide whether and
 * when they join, as for any pair.
 *
 * All functions but _check and _open do nothing in a worker that does not collapse.
 */
#ifndef SOCKHOP_RELAY_COLLAPSE_H
#define SOCKHOP_RELAY_COLLAPSE_H

#include <stdbool.h>
#include <stdint.h>

struct relay_pair;
struct relay_worker;
struct relay_event;

/*
 * Is the instance there (NULL: the default one), and can a relay of this process collapse in it? 0, an error
 * of instance_open(), or -EOPNOTSUPP where no agent could work (agent_names_processes()).
 */
int relay_collapse_check(const char *instance);

/* Open conf->instance for this worker. 0 or -errno. */
int relay_collapse_open(struct relay_worker *w);
void relay_collapse_close(struct relay_worker *w);

/*
 * fd becomes socket i of the pair: it must never join. To be called before it carries a byte, and before it
 * connects if that is what it does (`opens`). A pair whose sockets could not both be marked is not collapsed.
 */
void relay_collapse_mark(struct relay_pair *p, int i, int fd, bool opens);
/* The pair has moved bytes: is it worth publishing? */
void relay_collapse_look(struct relay_pair *p);
/* Begin the pass that looks for the keys of what waits for that, when it is time; and publish when it is
 * over. */
void relay_collapse_clock(struct relay_worker *w);
void relay_collapse_walked(struct relay_worker *w, uint64_t cost);
/* When relay_collapse_clock() has something to do next, CLOCK_MONOTONIC ns; 0: nothing. */
uint64_t relay_collapse_due(const struct relay_worker *w);
/* The pair ends: take back what was published. */
void relay_collapse_end(struct relay_pair *p);
/*
 * The end behind socket i has sent a FIN: did it close with hop bytes unread (design.md, I29)? Then it
 * answers with a FIN where TCP would send a reset (on_fin_wait() in bpf/sockops.bpf.c), and takes no more
 * bytes.
 */
bool relay_collapse_aborted(const struct relay_pair *p, int i);
/* The instance's folder has changed: it may have been detached. */
void relay_collapse_folder(struct relay_worker *w, struct relay_event *ev, uint32_t events);

/*
 * Read again what has hopped past the relay, for all pairs; those that hopped count as active. At most once
 * in a round of the loop, or always with `force`. True if it was read.
 */
bool relay_collapse_refresh(struct relay_worker *w, bool force);
/* As of the last refresh: are client and server members of each other? */
bool relay_collapse_hopping(const struct relay_pair *p);

#endif
