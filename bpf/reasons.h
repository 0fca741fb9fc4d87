/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reasons.h: why a message stays, and why an end is not a member: name, name as shown, one line that explains
 * it. Every stay and every refusal has a counted reason (design.md, I11): counters, `list`, `status`, JSON
 * and docs/reasons.md (`make docs`) are made from these two tables.
 *
 * Append only: the order is ABI.
 */
#ifndef SOCKHOP_BPF_REASONS_H
#define SOCKHOP_BPF_REASONS_H

/*
 * Why a message of a member took the TCP path. X(NAME, shown as, explanation).
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
	X(BLOCKING, "peer-blocking",                                                                         \
	  "the peer's file lost O_NONBLOCK, or is blocking and a receive call may wait")                     \
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

/* Why an end is not a member. X(NAME, shown as, explanation). */
#define HOP_WHYS(X)                                                                                         \
	X(NONE, "none", "no reason")                                                                        \
	X(YOUNG, "young", "too few segments so far")                                                        \
	X(SLOW, "slow", "too few messages per second")                                                      \
	X(PEER_OUTSIDE, "peer-outside", "the peer is on another host, in no attached cgroup, or silent")    \
	X(WAITING, "waiting", "the pair is complete; it joins in the next pass")                            \
	X(BLOCKING, "blocking",                                                                             \
	  "its file is not O_NONBLOCK, and no guard has seen that its receive calls do not wait")           \
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
	X(ADDRESS, "address",                                                                               \
	  "the addresses of the two ends do not mirror, and connection tracking knows no translation")      \
	X(IDLE, "idle", "no traffic for a while")                                                           \
	X(POLICY, "policy", "a policy rule says never")                                                     \
	X(SPLICE, "splice-capable",                                                                         \
	  "its program can splice(2), and no guard has seen all that it did with this socket")              \
	X(GO, "go-program",                                                                                 \
	  "its program is written in Go, which splices, and no guard has seen all that it did with it")     \
	X(FIONREAD, "fionread", "its program may use FIONREAD, which this kernel answers wrongly")          \
	X(UNKNOWN, "program-unknown", "the program that holds it could not be examined")                    \
	X(UNVETTED, "unvetted", "the agent has not examined its program yet")                               \
	X(FULL, "full", "the connection limit is reached (--max-connections)")                              \
	X(DRAINING, "draining", "the instance is being detached")                                           \
	X(CGROUP, "cgroup", "its cgroup is no longer attached")                                             \
	X(ONLY_STAYS, "only-stays", "as a member its messages nearly always took the TCP path")             \
	X(PEER, "peer", "the other end cannot join: see its reason")                                        \
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
	X(IN_FLIGHT, "in-flight", "a hop of its socket's last connection is in flight; it is tried again")  \
	X(SPLICES, "splices", "its program has spliced from it: a later refusal would be an error")         \
	X(OBSERVED, "observed", "it would join, but the instance only observes (attach --observe)")         \
	X(UNCONFIRMED, "unconfirmed",                                                                       \
	  "its addresses are translated, and connection tracking has not been asked about it yet")          \
	X(BLOCKS, "blocks", "its file is blocking, and its program makes receive calls that may wait")

enum hop_why {
#define X(name, text, help) HOP_WHY_##name,
	HOP_WHYS(X)
#undef X
		HOP_WHY_COUNT
};

#endif
