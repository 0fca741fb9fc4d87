/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * key.h: the key that names a connection (design.md, I1), and sequence number arithmetic. Pure: BPF programs
 * include it after vmlinux.h, user space and unit tests as it is.
 */
#ifndef SOCKHOP_KEY_H
#define SOCKHOP_KEY_H

#ifndef __bpf__
#include <stdbool.h>
#include <linux/types.h>
#endif
#include "hop.h"

/*
 * The key of an end from four fields of its struct tcp_sock, read together (under its lock, or from its own
 * callback). The byte counters are 64 bits wide in the kernel, sequence numbers 32: both wrap alike modulo
 * 2^32, so the key stays the same for the life of the socket.
 */
static inline struct hop_key hop_key_derive(__u32 snd_una, __u64 bytes_acked, __u32 rcv_nxt,
					    __u64 bytes_received)
{
	struct hop_key k = {.a = snd_una - (__u32)bytes_acked, .b = rcv_nxt - (__u32)bytes_received};

	return k;
}

/*
 * The two keys that the other end can have: [0] if k is the passive opener's, [1] if it is the active
 * opener's (struct hop_key in abi.h says why). A connection is known by exactly one of them being taken.
 */
static inline void hop_key_mirrors(const struct hop_key *k, struct hop_key out[2])
{
	__u32 a = k->a, b = k->b;

	out[0].a = b - 1;
	out[0].b = a;
	out[1].a = b;
	out[1].b = a + 1;
}

/*
 * The key of the other end, where it is known which of the two opened the connection: `active` says that k's
 * end did.
 */
static inline struct hop_key hop_key_peer(const struct hop_key *k, bool active)
{
	struct hop_key m[2];

	hop_key_mirrors(k, m);
	return m[active];
}

/*
 * Across a relay the order rule compares the sender's write_seq with the peer's copied_seq plus this. The
 * sender has written write_seq - first bytes; the peer has read copied_seq - peer.b, of which the first
 * `skip` are the relay's. (The second part of a key is the sequence number of the first byte that its end
 * receives, whoever opened.) If they are equal, every byte that the sender ever gave to TCP has been read at
 * the far end, so none is on either connection or in the relay (design.md, I27).
 */
static inline __u32 hop_collapse_delta(const struct hop_collapse *c)
{
	return c->first - c->peer.b - c->skip;
}

/*
 * lo <= x <= hi in serial number arithmetic (RFC 1982). A window of 2^31 or more counts as reversed and holds
 * nothing: TCP windows are at most 2^30.
 */
static inline bool hop_seq_between(__u32 lo, __u32 x, __u32 hi)
{
	return hi - lo < 1u << 31 && x - lo <= hi - lo;
}

/*
 * Can end B be the receiver of what end A sends? It has received at least what A knows to be acknowledged
 * (a_una: A's snd_una) and at most what A's programs have written (a_write: A's write_seq); b_rcv is B's
 * rcv_nxt.
 */
static inline bool hop_seq_agree(__u32 a_una, __u32 a_write, __u32 b_rcv)
{
	return hop_seq_between(a_una, b_rcv, a_write);
}

#endif
