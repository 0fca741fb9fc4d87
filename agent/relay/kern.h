/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kern.h: the BPF side of the relay: maps, slots, entering and leaving. Nothing here knows about epoll.
 */
#ifndef SOCKHOP_RELAY_KERN_H
#define SOCKHOP_RELAY_KERN_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/types.h>

#include "bpf/relay.h"
#include "walk.h"

/* A turn of at most this many bytes is chatty; one above RELAY_TURN_LARGE is bulk. */
#define RELAY_TURN_SMALL (64u << 10)
#define RELAY_TURN_LARGE (256u << 10)
/* A pause that ends a turn, ns. */
#define RELAY_TURN_PAUSE 1000000ull
/* Turns in a row before a direction enters the kernel. */
#define RELAY_TURNS 16
/* Backlog limit: bytes and segments that may wait in front of the sink's send queue. */
#define RELAY_BACKLOG	       (256u << 10)
#define RELAY_BACKLOG_LEAVE    (8u << 20)
#define RELAY_BACKLOG_SEGMENTS 1024

struct relay_kern;

/*
 * Load maps and programs for `pairs` pairs. `walk`, which outlives it, runs the leave passes. 0 or -errno,
 * with *why a text that says what is missing: -EPERM (no CAP_BPF, CAP_NET_ADMIN), -EOPNOTSUPP (the kernel
 * cannot). Whether it does what we rely on is not known then: relay_probe_open().
 */
int relay_kern_open(struct relay_kern **out, unsigned int pairs, struct relay_walk *walk, const char **why);
void relay_kern_close(struct relay_kern *k);

/*
 * Make two connected TCP sockets known; owner is kept for relay_kern_owner(). The (even) slot of a; b has
 * slot + 1. -errno: user space has to carry the bytes.
 */
int relay_kern_add(struct relay_kern *k, int a, int b, void *owner);
/* Forget them. Both must be closed: that takes them out of the maps. */
void relay_kern_release(struct relay_kern *k, int slot);
/* Who added the slot; NULL when it is free. */
void *relay_kern_owner(const struct relay_kern *k, int slot);

/* The shared counters of a slot. */
struct relay_ep *relay_kern_ep(const struct relay_kern *k, int slot);

/*
 * Put the source into `from`. The caller has read the socket until EAGAIN (a partly read segment would be
 * forwarded whole: bytes twice), has nothing to send, and kicks the socket afterwards.
 * 0; -EOPNOTSUPP when its FIN has come already; another -errno. Not entered: nothing changed.
 */
int relay_kern_enter(struct relay_kern *k, int slot, int fd);
/*
 * Have the verdict look at what lies in the receive queue of a source: it runs by itself only when data
 * arrives. A receive call makes it run: tcp_bpf_recvmsg_parser() calls tcp_data_ready() if the queue is not
 * empty. 0, or the socket's error, most likely -ECONNRESET: the caller has to act on it, for the kernel
 * reports an error once, and epoll will not tell again.
 */
int relay_kern_kick(int fd);
/*
 * Begin the leave pass over this network namespace: as relay_walk_begin(). Tell when it is over: until then
 * slots that were released are not given to others, since the pass may be about to act on one.
 */
int relay_kern_leave_begin(struct relay_kern *k);
void relay_kern_leave_end(struct relay_kern *k);

/* Ring buffer: its fd for epoll, and its events. */
int relay_kern_ring_fd(const struct relay_kern *k);
void relay_kern_ring_consume(struct relay_kern *k, void (*fn)(const struct relay_ev *ev, void *arg),
			     void *arg);
uint64_t relay_kern_events_lost(const struct relay_kern *k);

/*
 * What TCP says of a socket. written: bytes that ever entered its send queue, but for a constant (SYN).
 * tcpi_bytes_acked alone leaves out what is in the queue, SIOCOUTQ is write_seq - snd_una; they are read
 * again until no ACK came in between.
 */
int relay_written(int fd, uint64_t *written);
/*
 * Bytes received in order, those not read yet included; the FIN counts as one. *closed: the socket is in
 * state CLOSE, after a reset or the last ACK, and will receive nothing more.
 */
int relay_received(int fd, uint64_t *received, bool *closed);

#endif
