/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * relay.h: what the relay's kernel side and user space share.
 *
 * A direction is named by the slot of the socket that its bytes come from; the other end of the relayed
 * connection has slot ^ 1. Two sock maps are indexed by slot: `from` carries the verdict program, `to`
 * carries none. A direction is in the kernel while its source is in `from`; its sink has to be in `to`. A
 * socket that is only in `to` reads like any other, splice(2) included, because nothing takes its receive
 * queue away.
 */
#ifndef SOCKHOP_RELAY_BPF_H
#define SOCKHOP_RELAY_BPF_H

/*
 * One direction. The first half is written by the verdict program alone, which the source's socket lock
 * serialises; the second half by user space alone. The byte counts never go back while a slot is in use.
 */
struct relay_ep {
	__u64 seen;	  /* bytes the verdict ran on */
	__u64 redirected; /* of these, queued for the sink by the kernel */
	__u64 to_user;	  /* of these, left for user space to carry */
	__u64 last_ns;	  /* when the verdict ran last */
	__u64 other_seen; /* `seen` of the opposite direction at that time */
	__u64 turn_bytes; /* bytes in a row without an answer or a pause */
	__u32 burst;	  /* segments redirected since the sink's backlog was last seen empty */
	__u32 base;	  /* the sink's write_seq less (redirected + forwarded) when the direction entered */
	__u32 entered;	  /* the value of `enter` that base was taken for */
	__u32 told;	  /* the value of `enter` for which RELAY_EV_BULK was sent */
	__u32 next_seq;	  /* sequence number of the first byte that was not seen yet */
	__u32 started;	  /* the value of `enter` that next_seq was taken for */
	__u64 trimmed;	  /* bytes that came twice and were cut off */

	__u64 forwarded __attribute__((aligned(64))); /* bytes left to it that user space has sent on */
	__u32 enter;				      /* incremented before the source enters `from` */
	__u32 leave; /* asks the leave pass to take the source out of `from` ... */
	__u32 left;  /* ... which then stores `enter` here (written by the leave pass) */
	__u32 pad;
} __attribute__((aligned(64)));

struct relay_conf_bpf {
	__u64 turn_limit;  /* bytes in a row that make a direction bulk */
	__u64 turn_pause;  /* ns of silence that end a turn */
	__u32 limit;	   /* bytes redirected and not yet in the sink's send queue: the backlog limit */
	__u32 leave_limit; /* the same while the direction leaves */
	__u32 burst_limit; /* segments: each costs about 1 KB of kernel memory however small */
	__u32 pad;
};

enum relay_ev_type {
	RELAY_EV_TO_USER = 1, /* bytes wait for user space: the backlog is full, or the sink is not there */
	RELAY_EV_BULK = 2,    /* the direction has turned to bulk */
	RELAY_EV_LOST = 3,    /* the stream cannot be continued (no memory): reset the pair */
};

struct relay_ev {
	__u32 type;
	__u32 slot;
};

#endif
