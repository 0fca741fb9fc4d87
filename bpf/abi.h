/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi.h: the records that the kernel side and user space share: keys, ends, events, configuration. Plain
 * data: BPF programs include it after vmlinux.h, user space and unit tests after <linux/types.h>.
 */
#ifndef SOCKHOP_ABI_H
#define SOCKHOP_ABI_H

#include "rule.h"

/* Version of everything that is pinned: records, maps, their names. Bumped when any of it changes. */
#define HOP_ABI 9

/*
 * The derived ISN key of one end: (snd_una - bytes_acked, rcv_nxt - bytes_received), 32-bit arithmetic. It is
 * constant for the life of a TCP socket and equals its initial sequence numbers: (C, S+1) at the active
 * opener, (S+1, C+1) at the passive one, because the SYN's acknowledgement counts as one acked byte only
 * where tcp_ack() processes it (net/ipv4/tcp_input.c, tcp_snd_una_update()). The mirror of (a, b) is
 * therefore (b - 1, a) or (b, a + 1).
 */
struct hop_key {
	__u32 a, b;
};

/* hop_end.flags: what is true of an end besides its state (end.h). Written under its own socket lock. */
enum hop_end_flags {
	HOP_END_QUIET = 1 << 0,	    /* leaving: no redirect out of this end is in flight, none will start */
	HOP_END_EARLY = 1 << 1,	    /* a member that was inserted at ESTABLISHED */
	HOP_END_UNREAD = 1 << 2,    /* was closed with unread hop bytes: the peer must fail promptly */
	HOP_END_IDLE = 1 << 3,	    /* a member that has sent nothing for config.idle_ns */
	HOP_END_COLLAPSED = 1 << 4, /* a member whose peer is beyond a relay: see struct hop_collapse */
	HOP_END_SEEK = 1 << 5,	    /* looks for a peer that sends nothing and so cannot register itself */
	HOP_END_BROKEN = 1 << 6, /* a segment could not be handed over: it gets none after it, but a reset */
	HOP_END_NOWAIT = 1 << 7, /* a member with a blocking file, none of whose receive calls waits */
};

/*
 * The shared part of an end: map `ends`, keyed by its derived ISN key. Owner: the end itself; all fields are
 * written by programs that run under its socket lock (design.md, I22; exceptions: dup, ask). Others only
 * read, and compare `cookie` after reading, since a freed element may be reused.
 */
struct hop_end {
	__u64 cookie;  /* socket cookie: never reused, the key of the sockhash */
	__u64 sk;      /* struct sock *, for CO-RE probe reads only; may be stale */
	__u64 st;      /* its struct hop_sock *, which goes with the socket: for probe reads, as sk */
	__u64 net;     /* struct net *, compared, never dereferenced */
	__u32 netns;   /* inode number of the network namespace, as in /proc/PID/ns/net */
	__u32 flags;   /* enum hop_end_flags */
	__u32 cseq;    /* copied_seq when it joined: it is ready for hops once copied_seq has moved on */
	__u32 why;     /* enum hop_why, when it was last moved: why it is no member, or why it leaves */
	__u64 userns;  /* struct user_namespace * that owns its network namespace; compared only */
	__u32 gen;     /* config.policy_gen that it was last judged by */
	__u32 dup;     /* a second socket claimed this key: never pairs (written by the claimer) */
	__u32 ask;     /* enum hop_why: it must leave. From hop_setsockopt, the peer's hop_msg, a guard */
	__u32 next;    /* stream verdict program: sequence number of the first byte not handed over yet */
	__u32 reviews; /* HOP_REVIEWs of its messages as a member */
	__u32 state;   /* enum hop_state: written by end_move() alone */
};

/* hop_sock.hopper: more than one thread. No thread has this number. */
#define HOP_THREADS ~0u

/*
 * The private part of an end: sk_storage map `socks`. Written under the socket lock only.
 *
 * The verdict runs at each message, so what it needs when a message hops lies in two cache lines. The kernel
 * puts 8 bytes of its own before this record, at the beginning of a line (struct bpf_local_storage_data in
 * struct bpf_local_storage_elem, include/linux/bpf_local_storage.h): the first line of ours has 56 bytes.
 */
#define HOP_SOCK_LINE1 56
#define HOP_SOCK_LINE2 (HOP_SOCK_LINE1 + 64)
struct hop_sock {
	__u64 peer_cookie;
	__u64 peer_sk;	  /* struct tcp_sock * of the peer, for probe reads; 0 until known */
	__u64 peer_file;  /* struct file * of the peer, cached when the peer was found ready; 0 until then */
	__u32 state;	  /* enum hop_state: written by end_move() alone; hop_end.state is a copy */
	__u32 gen;	  /* config.policy_gen under which both ends may hop; under another one all stays */
	__u32 sound;	  /* own write_seq up to which the peer got every byte: see peer_sound() */
	__u32 delta;	  /* added to the peer's copied_seq, makes it comparable with the own write_seq; 0 for
			   * the two ends of one TCP connection, else from the own record in `collapse` */
	__u32 burst;	  /* small messages hopped since the peer's queue was last seen empty */
	__u32 contention; /* leaky count of hops that found the peer's socket held: HOP_CONTENTION_* */
	__u32 hopper;	  /* thread that may have a hop in flight; 0: none, HOP_THREADS: several */
	__u32 roomy_at;	  /* jiffies (32 bits) when the peer was last seen to have memory to spare */

	/* the second line. What it did as a member, and where that stood at the last review */
	__u64 hops, hop_bytes, stays, stay_bytes;
	__u64 review_at, review_bytes; /* messages, bytes */
	__u32 counted_at;	       /* jiffies (32 bits) of the last count_hops() */
	__u32 kin;		       /* both ends belong to one user and one cgroup: see hop_kin() */
	__u32 one_way;		       /* reviews in a row since the peer had one */
	__u32 last_stay;	       /* enum hop_stay of its latest stay */

	struct hop_key self, peer;
	__u64 cookie;
	__u64 counted_hops, counted_bytes; /* of hops and hop_bytes, what is in the counters */
	__u64 review_hops, review_ns;
	__u32 peer_reviews; /* reviews that the peer has had */
	__u32 few_hops;	    /* reviews in a row that found large messages, of which too few hopped */
	/* the traffic window that decides whether the connection is chatty (on_rtt() in sockops.bpf.c) */
	__u64 win_bytes, win_ns;
	__u32 win_segs, win_len;
	__u32 win_in, pad_win; /* of win_segs, those received */
	/* sequence numbers at registration: an end joins only when the connection has moved on since */
	__u32 reg_una, reg_rcv;
	__u32 tries;		  /* passes that could not let this candidate join for a temporary reason */
	__u32 why;		  /* enum hop_why: of the present */
	__u64 seen_msgs, seen_ns; /* messages as a member, and when a pass first saw that number */
	__u64 hold_ns;		  /* HELD: until then (CLOCK_MONOTONIC) */
	__u32 holds;		  /* how often it was held back: each time is twice as long */
	__u32 places;		  /* of config.members that it has taken: the first end of a pair takes two */
	__u32 relay;		  /* owner of the own record in `collapse` */
	__u32 relay_tag;	  /* of the record */
	/*
	 * enum hop_say: what the present visit found; nothing between visits. Here and not on the stack,
	 * where the verifier would follow each value (hop_visit on 6.1: 660 000 instructions, 410 000 like
	 * this).
	 */
	__u32 say;
	__u32 translated; /* the addresses of the two ends do not mirror: see cross_check() */
	/* the peer of the last membership before the socket connected again: see old_quiet() */
	__u64 old_sk, old_cookie;
	/* the receive guard (receive.h); the first two are written by it, too, without the lock */
	__u32 recv;	  /* enum hop_recv */
	__u32 recv_calls; /* that did not wait, since recv_ns */
	__u64 recv_ns;	  /* CLOCK_MONOTONIC */
	__u32 recv_gen;	  /* config.receives then */
	__u32 barrier;	  /* nothing: for an atomic operation */
	__u64 peer_recv;  /* address of the peer's `recv`, for probe reads; cached with peer_file */
};

_Static_assert(__builtin_offsetof(struct hop_sock, hops) == HOP_SOCK_LINE1, "first line of the verdict");
_Static_assert(__builtin_offsetof(struct hop_sock, self) == HOP_SOCK_LINE2, "second line of the verdict");

/*
 * Hop collapse. Client C talks to server S through `sockhop relay`: C -> R1 | relay | R2 -> S. With its two
 * sockets the relay vouches that C and S are the ends of one byte stream: it publishes, in map `collapse`,
 * what C's peer is (key: C's derived key) and what S's is.
 */
struct hop_via {		       /* the relay's socket that this end's TCP connection leads to */
	__u64 sk, cookie, net, userns; /* as in struct hop_end */
};
struct hop_collapse {
	struct hop_key peer; /* key of the end beyond the relay */
	__u32 first;	     /* sequence number of the first byte that this end sends */
	__u32 skip;	     /* bytes that the relay itself sends to the peer before it (a PROXY header) */
	struct hop_via via;
	__u32 owner; /* pid of the relay */
	__u32 tag;   /* its name for this end */
};

/*
 * A relay's socket: socket storage `relayed`. Made by the relay, before the socket carries anything: such a
 * socket never registers. Filled in by hop_relay_ends, under the socket's lock, once it is connected.
 */
struct hop_relayed {
	__u32 known, pad; /* 1: the rest is filled in */
	struct hop_key key;
	struct hop_via via;
};

/* Per-CPU counters, map `counters`. Stay reasons follow at HOP_CNT_STAY, refusals at HOP_CNT_WHY. */
enum hop_counter {
	HOP_CNT_REGISTERED,  /* ends that registered as candidates */
	HOP_CNT_PAIRED,	     /* times the second end of a pair was seen */
	HOP_CNT_JOINED,	     /* ends that became members, late */
	HOP_CNT_EARLY,	     /* ends that became members at ESTABLISHED */
	HOP_CNT_LEFT,	     /* ends that left while the connection lives on */
	HOP_CNT_CLOSED,	     /* members that closed */
	HOP_CNT_HOPS,	     /* messages redirected */
	HOP_CNT_HOP_BYTES,   /* bytes redirected */
	HOP_CNT_EVENTS_LOST, /* ring buffer was full */
	HOP_CNT_CLOSE_GUARD, /* peers told to give up after a close with unread data */
	HOP_CNT_COLLECTED,   /* ends registered by a collect pass */
	HOP_CNT_STAY_BYTES,  /* bytes of messages that stayed */
	HOP_CNT_SOUGHT,	     /* ends registered by a pass because their peer was looking for them */
	HOP_CNT_TRIMMED,     /* bytes of retransmitted segments that had been received before */
	HOP_CNT_BAD_MOVES,   /* moves of an end that end.h does not know: a defect */
	HOP_CNT_SPLICED,     /* sockets that the guard has marked: they were spliced from */
	HOP_CNT_REFUSED,     /* splices from members that the guard has refused */
	HOP_CNT_NOWAIT,	     /* ends with a blocking file that became members */
	HOP_CNT_WAITED,	     /* of these, those that made a receive call that may wait */
	HOP_CNT_STAY = 32,
	HOP_CNT_WHY = HOP_CNT_STAY + 32,
	HOP_CNT_COUNT = HOP_CNT_WHY + 64
};

/* Events to the agent, ring buffer `events`. */
enum hop_event_type {
	HOP_EV_PAIRED = 1, /* both ends registered: vet the programs, run a pass */
	HOP_EV_LEAVE = 2,  /* a member asks to leave: run a pass */
	HOP_EV_EXEC = 3, /* execve() in an attached cgroup with a TCP socket inherited: look at its program */
	HOP_EV_SEEK = 4, /* an end sends to one that never sends: only a pass can register that */
	HOP_EV_POKE = 5, /* config.pokes has changed: a command asks for a look at everything */
	HOP_EV_START = 6, /* a program has started (config.guard_seek), or the guard is lost: need for one? */
};

struct hop_event {
	__u32 type;
	__u32 why; /* LEAVE: enum hop_why */
	__u32 netns, peer_netns;
};

/* What the agent found out about the program(s) that hold a socket: map `vetted`, keyed by socket cookie. */
struct hop_vet {
	__u32 why; /* HOP_WHY_NONE: may join; else the veto */
	__u32 pid; /* one process that holds it */
	char comm[16];
	__u32 gen;     /* config.policy_gen that it was judged by: under another policy it says nothing */
	__u32 guarded; /* 1: the veto does not count for a socket that the splice guard has always seen */
	__u32 blocks;  /* 1: it makes receive calls that may wait: not with a blocking file */
	__u32 pad;
};

/*
 * A process whose program may not join: map `programs`, keyed by the address of its credentials, which each
 * socket that it makes refers to (struct file: f_cred). fork() and execve() make new credentials
 * (copy_creds(), prepare_exec_creds(), kernel/cred.c) and belong to one process as long as that lives and
 * uses them; `task` and `start` say whether it does. Written by the agent, read when an end registers.
 */
struct hop_program {
	__u64 task;	    /* struct task_struct * of its first thread, for probe reads; may be stale */
	__u64 start;	    /* its start_time, which tells it from a later one in the same memory */
	struct hop_vet vet; /* of any of its sockets: under another policy it says nothing */
	__u32 trust;	    /* 1: a trust rule could name it, so where the policy must ask it is asked */
	__u32 pad;
};

/* An attached cgroup: map `cgroups`, keyed by cgroup id (inode number). Written by user space. */
struct hop_cgroup {
	__u32 flags; /* HOP_CG_* */
	__u32 pad;
	char path[240]; /* absolute, NUL-terminated */
};
enum {
	HOP_CG_LEAVING = 1 << 0,
	HOP_CG_OWNED = 1 << 1,	  /* made by `sockhop run`: removed at detach */
	HOP_CG_SELECTED = 1 << 2, /* by the configuration: no path of its own is waited for */
};

/*
 * Run-time configuration and state: the one global of the programs, pinned as `config`, mapped by user space.
 */
struct hop_config {
	__u32 abi;	/* HOP_ABI */
	__u32 draining; /* 1: none registers or joins, members leave. Never back to 0 (design.md, I18) */
	__u32 verdict;	/* 1: hop_verdict is on the sockhash; 0: a member has two receive queues */
	__u32 hop_fionread_broken; /* 1: FIONREAD does not count all bytes of a member: veto its users */
	__u32 keep_rtt; /* 1: never clear RTT_CB: there are other sockops programs, or passes cannot set it */
	__u32 setsockopt_iter; /* 1: bpf_setsockopt works in iter/tcp: old connections may join */
	__u32 early;	       /* number of early rules: 0 spares the request-socket callback */
	__u32 policy_slot;     /* which of the two policies is live */
	__u32 policy_gen;      /* bumped by every policy change: members are looked at again */
	__u32 min_segs;	       /* data segments (both ways) before a connection is looked at */
	__u32 large;	       /* bytes per segment or message from which one-way traffic gains at any rate */
	__u32 min_rate;	       /* segments per second below which traffic is too slow to gain */
	__u32 max_burst;       /* bound of the peer's backlog in small messages (less than `large` bytes) */
	__u32 force;	       /* TEST ONLY: HOP_FORCE_* */
	__u32 members;	       /* members: a pair takes both places when its first end joins */
	__u32 max_members;
	__u32 leaving; /* number of cgroups that are being detached while others stay */
	__u32 agent_pid;
	__u64 attached_ns; /* CLOCK_MONOTONIC */
	__u64 idle_ns;	   /* a pair that was silent for so long leaves, 0: never */
	__u64 swept;	   /* places and records that the agent took back: whose socket was gone */
	/* CLOCK_MONOTONIC: all messages take TCP until then (bpf/pause.h), 0: they do not */
	__u64 pause_until_ns;
	__u32 heartbeat;   /* seconds after which one message of a direction takes TCP, 0: never */
	__u32 beat;	   /* the same in jiffies, what the verdict compares with */
	__u32 memory_room; /* HOP_MEMORY_ROOM in pages */
	__u32 pokes;	   /* counts the commands that asked the agent to look at everything */
	__u32 guard; /* generation of the splice guard that vouches for sockets: HOP_GUARD_FLAGS, 0 none */
	__u32 guard_kind;    /* enum hop_guard_kind: what is attached, or about to be */
	__u32 guard_last;    /* generations used so far */
	__u32 guard_seek;    /* 1: tell the agent of programs that start, since one may need a guard */
	__u32 receives;	     /* generation of the receive guard, while it sees all calls; 0: there is none */
	__u32 receives_kind; /* enum hop_guard_kind: what is attached, or about to be */
	__u32 receives_last; /* generations used so far */
	__u32 observe;	     /* 1: ends are judged, and none joins (design.md, I55). Never changes */
};

/*
 * The splice guard (guard.bpf.c). A socket that is established while one is attached gets its generation as
 * callback flags, which cost nothing: BPF_SOCK_OPS_RTO_CB_FLAG or BPF_SOCK_OPS_RETRANS_CB_FLAG, never both,
 * as others set them.
 */
#define HOP_GUARD_FLAGS 3
#define HOP_GUARD_LAST	2
enum hop_guard_kind { HOP_GUARD_NONE, HOP_GUARD_LSM, HOP_GUARD_FMOD_RET, HOP_GUARD_FENTRY };

/*
 * What is known of the receive calls on a socket with a blocking file: hop_sock.recv. The receive guard
 * (receive.bpf.c) and joins (receive.h) go by this one word.
 */
enum hop_recv {
	HOP_RECV_NONE,	  /* nobody watches them */
	HOP_RECV_WATCHED, /* none waited so far */
	HOP_RECV_WAITED,  /* one might have waited */
	HOP_RECV_MEMBER,  /* it is a member, or just about to be, and none has waited */
};

/*
 * What a splice and a join agree on: socket storage `spliced`. The first of the two sets it, by one atomic
 * operation, and the other obeys it.
 */
struct hop_spliced {
	__u32 state, pad; /* enum hop_splice_state */
};
enum hop_splice_state {
	HOP_SPLICE_NONE,
	HOP_SPLICE_SEEN,   /* a splice was let through: never joins */
	HOP_SPLICE_MEMBER, /* it is a member, or just about to be: splices are refused */
};

/*
 * What a pass (hop_visit), or a look at who holds the sockets (hop_holders), must do: map `modes`. A thread
 * sets it by hop_begin before it runs one, so it belongs to that thread's iterators alone.
 */
enum hop_mode {
	HOP_MODE_JOINS = 1 << 0, /* leave out members: it runs for those that want to join */
	HOP_MODE_SEEK = 1 << 1,	 /* register silent receivers whose sender has HOP_END_SEEK */
};
struct hop_begin {
	__u32 mode; /* enum hop_mode */
};

/*
 * What hop_visit writes with bpf_seq_write() for an end that wants another visit: an answer belongs to one
 * pass over one namespace, whatever other passes run at the same time.
 */
enum hop_say {
	HOP_SAY_JOIN = 1 << 0,	/* it could not join for a temporary reason */
	HOP_SAY_LEAVE = 1 << 1, /* it, or its peer, could not leave yet, or must be settled */
	HOP_SAY_HELD = 1 << 2,	/* it is held back until hold_ns */
	HOP_SAY_ASK = 1 << 3,	/* it has a question in map `translations` */
	HOP_SAY_GUARD = 1 << 4, /* the receive guard is for it */
};
struct hop_said {
	__u32 say, pad; /* enum hop_say */
	__u64 hold_ns;	/* CLOCK_MONOTONIC; with HOP_SAY_HELD */
};

/*
 * The agent's passes over a network namespace: map `passes`, keyed by the namespace's inode number. Written
 * by user space, for `status`.
 */
struct hop_pass {
	__u64 finished_ns; /* CLOCK_MONOTONIC: when the last one was finished, 0: none was */
	__u64 blocked_ns;  /* since when one has not come back, 0: none is under way */
};

/* Test-only switches (SOCKHOP_TEST_FORCE), each takes one rule away to show what it protects from. */
enum hop_force {
	HOP_FORCE_BLOCKING = 1 << 0, /* blocking files may be members */
	HOP_FORCE_PROGRAM = 1 << 1,  /* no program veto */
	HOP_FORCE_TRIM = 1 << 2,    /* segments are handed over whole, bytes that were read before included */
	HOP_FORCE_ORDER = 1 << 3,   /* no order rule */
	HOP_FORCE_BACKLOG = 1 << 4, /* no backlog rule */
	HOP_FORCE_LATCH = 1 << 5,   /* leave without waiting for quiet */
	HOP_FORCE_SHUTDOWN = 1 << 6, /* no shutdown rule, nor that on the peer's state */
	HOP_FORCE_OPTIONS = 1 << 7,  /* no socket option rules */
	HOP_FORCE_YOUNG = 1 << 8,    /* no proof that it is chatty: joins after some segments, at once */
	HOP_FORCE_HELD = 1 << 9,     /* hops wait for calls of the peer */
	HOP_FORCE_FLIPS = 1 << 10,   /* programs that turn members blocking are not remembered */
	HOP_FORCE_EDGE = 1 << 16,    /* edge-triggered readers may have two receive queues */
	HOP_FORCE_QUEUES = 1 << 17,  /* at attach: no stream verdict program, so members have two queues */
	HOP_FORCE_CUT = 1 << 18,     /* segments cannot be cut, as without memory for it */
	HOP_FORCE_MARK = 1 << 19,    /* a socket that was spliced from may join */
	HOP_FORCE_GUARD = 1 << 20,   /* as if the host refused the splice guard and the receive guard */
	HOP_FORCE_WAIT = 1 << 21,    /* receive calls of members that may wait do not count */
};

/*
 * The two ends of a pair lie in one network namespace and their addresses do not mirror: netfilter may have
 * translated the one's into the other's (REDIRECT, DNAT, SNAT). Map `translations`, keyed by the derived key
 * of the end that asks. That end writes the question under its own socket lock, the agent the same with the
 * answer of connection tracking. An answer counts for exactly this question, and once.
 *
 * A freed element may be used again while somebody reads it. So a good answer is the asker's own cookie,
 * which is in no other end's.
 */
struct hop_translation {
	__u64 answer; /* 0: none yet; `cookie`: it is so; HOP_TRANSLATION_NONE: it is not */
	__u64 cookie, peer_cookie;
	struct hop_key peer_key;
	struct hop_tuple tuple, peer; /* of the end that asks, and of the other one as that sees it */
	__u32 netns, pad;	      /* inode number of the namespace of both */
};
#define HOP_TRANSLATION_NONE (~0ull)

#include "listing.h"

#endif
