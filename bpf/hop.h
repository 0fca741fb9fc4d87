/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hop.h: what the kernel side and user space share: keys, records, reasons, counters, configuration.
 *
 * Included by BPF programs (after vmlinux.h) and by user space (after <linux/types.h>), and by unit tests on
 * the host, so it holds plain data and constants only.
 *
 * Vocabulary (docs/design.md has the long form):
 *   end        one of the two sockets of a TCP connection
 *   pair       both ends, both on this host, both in an attached cgroup
 *   candidate  an end that has proven chatty and is registered in the map `ends`
 *   member     an end that is in the sockhash `members`
 *   hop        one redirect by sk_msg; stay: a message that takes the TCP path, with a counted reason
 *   why-not    the reason why an end is no member
 */
#ifndef SOCKHOP_HOP_H
#define SOCKHOP_HOP_H

/* Version of everything that is pinned: records, maps, their names. Bumped when any of it changes. */
#define HOP_ABI 8

/* Largest number of rules in a policy; the kernel side walks them linearly when an end registers. */
#define HOP_RULES_MAX 64

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

/* hop_end.flags, written by the end's own programs, under its own socket lock. */
enum hop_end_flags {
	HOP_END_MEMBER = 1 << 0,    /* is in the sockhash */
	HOP_END_LEAVE = 1 << 1,	    /* asks both ends to leave; cleared when this end is out and settled */
	HOP_END_QUIET = 1 << 2,	    /* no redirect out of this end is in flight, none will start */
	HOP_END_EARLY = 1 << 3,	    /* was inserted at ESTABLISHED */
	HOP_END_CLOSED = 1 << 4,    /* was closed with unread hop bytes: the peer must fail promptly */
	HOP_END_DEAD = 1 << 5,	    /* refused: no join attempt until its traffic or the policy asks again */
	HOP_END_WANT = 1 << 6,	    /* chatty: joins as soon as its peer wants to as well */
	HOP_END_IDLE = 1 << 7,	    /* a member that has sent nothing for config.idle_ns */
	HOP_END_COLLAPSED = 1 << 8, /* a member whose peer is beyond a relay: see struct hop_collapse */
	HOP_END_SEEK = 1 << 9,	    /* looks for a peer that sends nothing and so cannot register itself */
	HOP_END_BROKEN = 1 << 10, /* a segment could not be handed over: it gets none after it, but a reset */
};

/*
 * The shared part of an end: map `ends`, keyed by its derived ISN key. Owner: the end itself; all fields are
 * written by programs that run under its socket lock (exceptions: dup, ask). Others only read, and compare
 * `cookie` after reading, since a freed element may be reused.
 */
struct hop_end {
	__u64 cookie;  /* socket cookie: never reused, the key of the sockhash */
	__u64 sk;      /* struct sock *, for CO-RE probe reads only; may be stale */
	__u64 st;      /* its struct hop_sock *, which goes with the socket: for probe reads, as sk */
	__u64 net;     /* struct net *, compared, never dereferenced */
	__u32 netns;   /* inode number of the network namespace, as in /proc/PID/ns/net */
	__u32 flags;   /* enum hop_end_flags */
	__u32 cseq;    /* copied_seq when it joined: it is ready for hops once copied_seq has moved on */
	__u32 why;     /* enum hop_why: why it is no member, or why it leaves */
	__u64 userns;  /* struct user_namespace * that owns its network namespace; compared only */
	__u32 gen;     /* config.policy_gen that it was last judged by */
	__u32 dup;     /* a second socket claimed this key: never pairs (written by the claimer) */
	__u32 ask;     /* enum hop_why: it must leave (written by hop_setsockopt and by the peer's hop_msg) */
	__u32 next;    /* stream verdict program: sequence number of the first byte not handed over yet */
	__u32 reviews; /* HOP_REVIEWs of its messages as a member */
	__u32 pad;
};

/* hop_sock.hopper: more than one thread. No thread has this number. */
#define HOP_THREADS ~0u

/*
 * The private part of an end: sk_storage map `socks`. Written under the socket lock only. Fields up to
 * `peer_file` are the fast path of the verdict.
 */
struct hop_sock {
	struct hop_key self, peer;
	__u64 cookie, peer_cookie;
	__u64 peer_sk;	  /* struct tcp_sock * of the peer, for probe reads; 0 until known */
	__u64 peer_file;  /* struct file * of the peer, cached when the peer was found ready; 0 until then */
	__u32 member;	  /* is in the sockhash */
	__u32 stop;	  /* no hop may start from this end any more: it or its peer leaves */
	__u32 burst;	  /* small messages hopped since the peer's queue was last seen empty */
	__u32 contention; /* leaky count of hops that found the peer's socket held: HOP_CONTENTION_* */
	__u32 registered; /* has a record in `ends` */
	/* 0 for the two ends of one TCP connection; else from the own record in `collapse` */
	__u32 delta;  /* added to the peer's copied_seq, makes it comparable with the own write_seq */
	__u32 relay;  /* owner of the record */
	__u32 hopper; /* thread that may have a hop in flight; 0: none, HOP_THREADS: several */
	/* what it did as a member, and where that stood at the last review (HOP_REVIEW messages ago) */
	__u64 hops, hop_bytes, stays, bytes;
	__u64 review_at, review_hops, review_bytes, review_ns;
	__u32 alone, peer_reviews; /* reviews in a row since the peer had one; how many it has had */
	__u32 poor, pad_review;	   /* reviews in a row that found large messages, of which too few hopped */
	/* the traffic window that decides whether the connection is chatty (on_rtt() in sockops.bpf.c) */
	__u64 win_bytes, win_ns;
	__u32 win_segs, win_len;
	__u32 win_in, pad_win; /* of win_segs, those received */
	/* sequence numbers at registration: an end joins only when the connection has moved on since */
	__u32 reg_una, reg_rcv;
	__u32 tries;		  /* passes that could not let it join for a passing reason */
	__u32 joins;		  /* how often it became a member: hysteresis */
	__u32 why;		  /* enum hop_why */
	__u32 last_stay;	  /* enum hop_stay of its latest stay */
	__u64 seen_msgs, seen_ns; /* messages as a member, and when a pass first saw that number */
	__u64 hold_ns;		  /* held back until then (CLOCK_MONOTONIC); 0: not, or for good */
	__u32 holds;
	__u32 places;	 /* of config.members that it has taken: the first end of a pair takes two */
	__u32 relay_tag; /* of the record */
	__u32 say;	 /* enum hop_say: what the present visit found; nothing between visits */
	/* of the verdict, too */
	__u32 gen;	/* config.policy_gen under which both ends may hop; under another one all stays */
	__u32 kin;	/* both ends belong to one user and one cgroup: see hop_kin() */
	__u32 roomy_at; /* jiffies (32 bits) when the peer was last seen to have memory to spare */
	__u32 sound;	/* own write_seq up to which the peer got every byte: see peer_sound() */
	/* the peer of the last membership before the socket was connected anew: see old_quiet() */
	__u64 old_sk, old_cookie;
};

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

/* Messages of a member between two reviews (only stays? a stream of small messages?). */
#define HOP_REVIEW 512
/* Or so many bytes, where that comes first: large messages take long to copy. */
#define HOP_REVIEW_BYTES (64u << 20)
/*
 * Of large messages 5 in 8 must hop, or the end leaves after HOP_POOR_REVIEWS that found less. One that stays
 * costs more than it would without membership: 8 streams of 256 KB over two CPUs, whose readers were behind
 * most of the time, made 0.83 of plain TCP while 0.38 of their messages hopped, of 128 KB 0.96 with 0.55; 3
 * streams of 256 KB 1.66 with 0.68.
 */
#define HOP_POOR_REVIEWS 4
/* Then it is held back as if that had been so often before: for 16 s. */
#define HOP_POOR_HOLDS 3
/*
 * One-way: less than 1/8 of the segments of a window go the other way; for a member, so many reviews without
 * one of the peer's.
 */
#define HOP_ONE_WAY	  8
#define HOP_ALONE_REVIEWS 4
/*
 * One-way traffic of more segments (a member's: messages) a second than this hardly ever pauses. In small
 * messages it gains nothing that could be relied on (64 B to 16 KB: 0.6 to 1.6 of plain TCP, since hops set
 * reader and sender free to stack on one CPU, and TCP coalesces what they do not). In large ones it does:
 * 1.3 to 1.9 with messages of 64 KB, 2 to 3.5 from 256 KB on (docs/benchmarks.md), whatever the rate.
 */
#define HOP_STREAM_RATE 30000
/*
 * A message that finds the peer's socket held stays (HOP_STAY_HELD), and costs more than without membership.
 * A program that polls its socket without ever sleeping holds it nearly always: request-response of 64 B
 * between two such programs fell to 0.12 of plain TCP, when such messages hopped and waited. So an end leaves
 * when more than one look in thirteen finds the peer's socket held: each adds HOP_CONTENTION_HELD, each other
 * hop takes one off, HOP_CONTENTION_MAX is too much. (Shares measured: 0.3-0.4 between two spinning programs,
 * 0.13 with 16 small messages outstanding between two CPUs that never sleep, where a hop gains nothing; up to
 * 0.05 where it gains.) Eight such connections pass through phases of contention and gain all the same, 1.3
 * to 2.5 times: a limit of 1 024 put them out (1.2 to 1.4), with 8 192 they stayed in 12 of 12 runs. Spinning
 * programs reach that in some 4 200 hops, 0.3 s.
 */
#define HOP_CONTENTION_HELD 12
#define HOP_CONTENTION_MAX  8192
/*
 * One-way messages so many times config.large and longer, 48 KiB, between two ends of one owner
 * (hop_sock.kin) hop all the same and are not counted: they gain more than the wait costs (streams of 64
 * KB: 1.5 to 2.2 while a third of their hops find the socket held, of 256 KB 2.3, nearly all). Shorter ones
 * do not: nginx with answers of 1 MB in messages of 32 KB, 8 connections, made 0.85. Nor do those that are
 * answered: two programs that never sleep made 0.35 with 32 KB, 0.56 with 64 KB; and two that do sleep never
 * find the socket held.
 */
#define HOP_PATIENT 2
/* Those from config.large up to that count so many times, either way: a second of waiting is fewer of them.
 */
#define HOP_CONTENTION_LARGE 4
/* Contention is a habit of programs: such an end is held back as if it had been so often before. */
#define HOP_CONTENTION_HOLDS 5
/*
 * What must be free below a limit of the peer's memory for a message to hop, in bytes: the largest struct
 * sk_msg (some 500 KB) on each of a few CPUs at once, or HOP_MEMORY_BLIND on each of 60 connections.
 */
#define HOP_MEMORY_ROOM (2u << 20)
/*
 * Up to so many bytes queued at the peer a look at its memory counts for all messages of the same jiffy (at
 * most 10 ms): what hops unseen meanwhile is bounded by this. Beyond that each message looks.
 */
#define HOP_MEMORY_BLIND (32u << 10)
/* Ancestors of a cgroup that are looked at. */
#define HOP_MEMORY_DEPTH 16
/* Segments per traffic window; doubled at each look that finds no gain, up to << HOP_WINDOW_SHIFT. */
#define HOP_WINDOW	 64
#define HOP_WINDOW_SHIFT 8
/* Passes that an end may be put off for a passing reason before it is held back. */
#define HOP_TRIES 50
/* An end that was refused or has left is held back for 2 s, and twice as long each time, up to 17 minutes. */
#define HOP_HOLD_NS    2000000000ull
#define HOP_HOLD_SHIFT 9

/*
 * Why a message of a member took the TCP path. X(NAME, shown as, explanation). Order is ABI.
 */
#define HOP_STAYS(X)                                                                                         \
	X(NONE, "none", "no reason")                                                                         \
	X(DRAINING, "draining", "the instance is being detached")                                            \
	X(STOPPED, "leaving", "this end or its peer is leaving")                                             \
	X(PEER_OUT, "peer-not-member", "the peer has not joined yet, or has left")                           \
	X(NOT_READ, "peer-not-read", "the peer has not read since it joined")                                \
	X(SHARED, "peer-file-shared", "several references to the peer's file: another call may be running")  \
	X(ORDER, "order", "bytes of this direction are still on the TCP path")                               \
	X(BACKLOG, "backlog-bytes", "the peer's queue is full in bytes")                                     \
	X(MESSAGES, "backlog-messages", "the peer's queue is full in messages")                              \
	X(SHUTDOWN, "shutdown", "one end has shut down")                                                     \
	X(BLOCKING, "peer-blocking", "the peer's file lost O_NONBLOCK")                                      \
	X(LOWAT, "peer-rcvlowat", "the peer set SO_RCVLOWAT above 1")                                        \
	X(ULP, "ulp", "one end has an upper layer protocol such as kTLS")                                    \
	X(ZEROCOPY, "zerocopy", "one end set SO_ZEROCOPY")                                                   \
	X(OOB, "oob", "one end uses urgent data or SO_OOBINLINE")                                            \
	X(NO_FILE, "peer-not-accepted", "the peer has no open file: not accepted yet, or closing")           \
	X(REFUSED, "refused", "the kernel did not find the peer in the sockhash")                            \
	X(REPAIR, "repair", "one end is in TCP_REPAIR mode")                                                 \
	X(OPTION, "socket-option", "one end asked for time stamps, TCP_INQ, SO_PEEK_OFF or a socket filter") \
	X(CONTENDED, "contended",                                                                            \
	  "the peer's own calls hold its socket too often: see the reason of that name")                     \
	X(HELD, "peer-held", "a call of the peer holds its socket: a hop would wait for it")                 \
	X(MEMORY, "peer-memory", "the peer, or its cgroup, is short of memory for sockets")                  \
	X(HEARTBEAT, "heartbeat", "one message of each direction takes TCP every --heartbeat seconds")       \
	X(POLICY, "policy", "the policy has changed and this end has not been judged by it yet")             \
	X(STATE, "peer-state", "the peer is not ESTABLISHED any more")                                       \
	X(EDGE, "peer-edge-triggered",                                                                       \
	  "the peer's program waits with EPOLLET: see the reason edge-triggered")                            \
	X(PAUSED, "paused", "`sockhop pause` has taken all messages to TCP for a while")

enum hop_stay {
#define X(name, text, help) HOP_STAY_##name,
	HOP_STAYS(X)
#undef X
		HOP_STAY_COUNT
};

/*
 * Why an end is no member. X(NAME, shown as, explanation). Order is ABI.
 */
#define HOP_WHYS(X)                                                                                         \
	X(NONE, "none", "no reason")                                                                        \
	X(YOUNG, "young", "too few segments so far")                                                        \
	X(SLOW, "slow", "too few messages per second")                                                      \
	X(PEER_OUTSIDE, "peer-outside", "the peer is on another host, in no attached cgroup, or silent")    \
	X(WAITING, "waiting", "the pair is complete; it joins in the next pass")                            \
	X(BLOCKING, "blocking", "its file is not O_NONBLOCK")                                               \
	X(LOWAT, "rcvlowat", "SO_RCVLOWAT is above 1")                                                      \
	X(ULP, "ulp", "it has an upper layer protocol such as kTLS")                                        \
	X(ZEROCOPY, "zerocopy", "SO_ZEROCOPY is set")                                                       \
	X(OOB, "oob", "it uses urgent data or SO_OOBINLINE")                                                \
	X(STATE, "state", "it is not ESTABLISHED or has shut down")                                         \
	X(NO_FILE, "not-accepted", "it has no open file: not accepted yet, or closing")                     \
	X(OTHER_USER, "other-sockmap", "another program uses this socket (sk_user_data is taken)")          \
	X(SLEEPER, "sleeper", "a thread sleeps in a call on it; it is tried again")                         \
	X(REPAIR, "repair", "it is in TCP_REPAIR mode")                                                     \
	X(MPTCP, "mptcp", "it is an MPTCP subflow")                                                         \
	X(DUPLICATE, "duplicate-key", "a second socket claims the same sequence numbers")                   \
	X(SEQUENCE, "sequence", "the sequence numbers of the two ends do not agree")                        \
	X(ADDRESS, "address", "the addresses of the two ends do not mirror within one network namespace")   \
	X(IDLE, "idle", "no traffic for a while")                                                           \
	X(POLICY, "policy", "a policy rule says never")                                                     \
	X(SPLICE, "splice-capable", "its program can splice(2): see `sockhop status`")                      \
	X(GO, "go-program", "its program is written in Go, which splices between sockets")                  \
	X(FIONREAD, "fionread", "its program may use FIONREAD, which this kernel answers wrongly")          \
	X(UNKNOWN, "program-unknown", "the program that holds it could not be examined")                    \
	X(UNVETTED, "unvetted", "the agent has not examined its program yet")                               \
	X(FULL, "full", "the connection limit is reached (--max-connections)")                              \
	X(DRAINING, "draining", "the instance is being detached")                                           \
	X(CGROUP, "cgroup", "its cgroup is no longer attached")                                             \
	X(ONLY_STAYS, "only-stays", "as a member its messages nearly always took the TCP path")             \
	X(PEER, "peer", "the other end cannot join, see there")                                             \
	X(SHARED, "shared-file", "its file is shared by several processes or descriptors")                  \
	X(ERROR, "error", "the kernel refused the insertion")                                               \
	X(USERNS, "user-namespace", "the other end's network namespace belongs to another user namespace")  \
	X(OPTION, "socket-option",                                                                          \
	  "it asked for time stamps, TCP_INQ, SO_PEEK_OFF, a socket filter or a pacing rate")               \
	X(CONTENDED, "contended", "as a member it waited for its peer's calls: a reader that never sleeps") \
	X(RELAY, "relay",                                                                                   \
	  "it is a socket of `sockhop relay --collapse`: the ends beyond it join each other")               \
	X(STREAM, "stream", "one-way traffic in small messages that hardly pauses: hopping gains nothing")  \
	X(EDGE, "edge-triggered",                                                                           \
	  "its program waits for it with EPOLLET, and a member has two receive queues on this kernel")      \
	X(FLIPS, "flips", "its program has turned a member blocking before")                                \
	X(BROKEN, "broken", "a segment could not be handed over: the connection is reset")                  \
	X(IN_FLIGHT, "in-flight", "a hop of its socket's last connection is in flight; it is tried again")

enum hop_why {
#define X(name, text, help) HOP_WHY_##name,
	HOP_WHYS(X)
#undef X
		HOP_WHY_COUNT
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
	HOP_CNT_STAY = 16,
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
};

struct hop_event {
	__u32 type, why;
	__u64 cookie, peer_cookie;
	__u32 netns, peer_netns;
	__u32 pid, pad;
};

/* What the agent found out about the program(s) that hold a socket: map `vetted`, keyed by socket cookie. */
struct hop_vet {
	__u32 why; /* HOP_WHY_NONE: may join; else the veto */
	__u32 pid; /* one process that holds it */
	char comm[16];
	__u32 gen; /* config.policy_gen that it was judged by: under another policy it says nothing */
	__u32 pad;
};

/*
 * A process whose program may not join: map `programs`, keyed by the address of its credentials, which each
 * socket that it makes refers to (struct file: f_cred). Credentials are made anew by fork() and execve()
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
enum { HOP_CG_LEAVING = 1 << 0, HOP_CG_OWNED = 1 << 1 /* made by `sockhop run`: removed at detach */ };

/* Run-time configuration and state: the one global of the programs, pinned as `config`, mapped by user space.
 */
struct hop_config {
	__u32 abi;	/* HOP_ABI */
	__u32 draining; /* 1: nothing new registers or joins, members leave. Never goes back to 0 */
	/* 1: the stream_verdict program is on the sockhash; 0: TCP bytes of a member have a queue of their
	 * own
	 */
	__u32 verdict;
	__u32 hop_fionread_broken; /* 1: FIONREAD does not count all bytes of a member: veto its users */
	__u32 keep_rtt; /* 1: never clear RTT_CB: other sockops programs are about, or passes cannot set it */
	__u32 setsockopt_iter; /* 1: bpf_setsockopt works in iter/tcp: old connections may join */
	__u32 early;	       /* number of early rules: 0 spares the request-socket callback */
	__u32 policy_slot;     /* which of the two policies is live */
	__u32 policy_gen;      /* bumped by every policy change: members are looked at again */
	__u32 min_segs;	       /* data segments (both ways) before a connection is looked at */
	__u32 large;	       /* bytes per segment or message from which one-way traffic gains at any rate */
	__u32 min_rate;	       /* segments per second below which traffic is too slow to gain */
	__u32 max_burst;       /* bound of the peer's backlog in small messages (less than `large` bytes) */
	__u32 force;	       /* TEST ONLY: HOP_FORCE_* */
	__u32 seek;  /* 1: passes register silent receivers whose sender has HOP_END_SEEK. Set by the agent */
	__u32 fresh; /* 1: passes and hop_holders leave out members, others want to join. Set by the agent */
	__u32 members; /* members: a pair takes both places when its first end joins */
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
};

/*
 * What hop_visit writes with bpf_seq_write() for an end that wants another visit: so it belongs to one pass
 * over one namespace, whatever other passes run at the same time.
 */
enum hop_say {
	HOP_SAY_JOIN = 1 << 0,	/* it could not join for a passing reason */
	HOP_SAY_LEAVE = 1 << 1, /* it, or its peer, could not leave yet, or is to be settled */
	HOP_SAY_HELD = 1 << 2,	/* it is held back until hold_ns */
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
};

/*
 * A policy rule. Addresses are 16 bytes in network order, IPv4 as v4-mapped (::ffff:a.b.c.d, prefix + 96).
 * Ports are in host order, ranges inclusive; 0..65535 matches all. A rule matches when all its parts match.
 */
enum hop_action {
	HOP_ACTION_LATE,  /* join when the facts allow: the default */
	HOP_ACTION_EARLY, /* insert at ESTABLISHED */
	HOP_ACTION_NEVER,
	HOP_ACTION_TRUST, /* late, and a vetoed program may join */
	HOP_ACTION_COUNT,
	HOP_ACTION_ASK = 255 /* kernel side only: a program decides, user space must */
};

struct hop_prefix {
	__u8 addr[16];
	__u32 len; /* in bits, 0 matches everything */
};

struct hop_rule {
	__u32 action;			    /* enum hop_action */
	__u16 port_lo, port_hi;		    /* local or peer port */
	__u16 local_lo, local_hi;	    /* local port */
	__u16 peer_lo, peer_hi;		    /* peer port */
	struct hop_prefix any, local, peer; /* local or peer address; local; peer */
	char program[128]; /* "" any; with a '/': path of the executable; else its name (comm) */
};

struct hop_policy {
	__u32 count, pad;
	struct hop_rule rule[HOP_RULES_MAX];
};

/* A connection as one end sees it, for policy and display. Same conventions as struct hop_rule. */
struct hop_tuple {
	__u8 local[16], peer[16];
	__u16 lport, rport;
};

/* One line of `list`, a record per socket: what hop_show_tcp writes with bpf_seq_write() and hop_show_end
 * answers. */
struct hop_show {
	__u64 cookie, peer_cookie;
	struct hop_tuple tuple;
	__u32 family, netns, state, flags; /* flags: enum hop_show_flags */
	__u32 why, last_stay, end_flags, segs;
	__u64 bytes; /* TCP-path bytes both ways */
	__u64 hops, hop_bytes, stays;
	__u64 cgroup;
	__u32 relay, relay_tag; /* of struct hop_sock */
	__u32 places, pad;	/* of struct hop_sock */
};
enum hop_show_flags {
	HOP_SHOW_REGISTERED = 1 << 0,
	HOP_SHOW_MEMBER = 1 << 1,
	HOP_SHOW_READY = 1 << 2,
	HOP_SHOW_STOP = 1 << 3,
	HOP_SHOW_NONBLOCK = 1 << 4,
};

/* The context of hop_show_end: which end, and what was found. */
struct hop_show_call {
	struct hop_key key;   /* in: of the end, as in map `ends` */
	struct hop_show show; /* out, if the program returned 0 */
};

/* What the holders iterator writes: a process that holds a registered socket. */
struct hop_holder {
	__u64 cookie;
	__u32 pid;
	__u32 why; /* from the kernel FLIPS or 0; user space keeps its judgement here (enum hop_why) */
	struct hop_tuple tuple;
	char comm[16];
	__u64 cred, task,
		start; /* key and identity for map `programs`; cred 0: another process made the socket */
};

#endif
