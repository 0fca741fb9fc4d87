/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pair.pml: one direction of a pair, A sends and B reads, while both ends join, leave and join again.
 *
 * Two threads send, two read, and a sweep (the agent's passes) visits both ends. spin checks that each message
 * is read exactly once, in the order of its sender, by the connection it was sent on; that nobody waits for
 * ever for a message that was sent; and that an end that is asked to leave gets out.
 *
 * What runs under a socket's lock is one atomic step here, so locks do not appear. What the kernel does without
 * the lock is a step of its own: which function a call takes is chosen before the lock (inet_recvmsg()), and a
 * redirect drops the sender's lock before it takes the receiver's (tcp_bpf_sendmsg_redir(), net/ipv4/tcp_bpf.c).
 *
 * A rule of docs/design.md is taken away by -DNO_<RULE>; spin must then find a counterexample (model.bats).
 *
 *   NO_ORDER     I6   hop only when the reader has consumed all that took the TCP path
 *   NO_READ      I7   nothing hops to an end that has not read since it joined (seen with one reading thread)
 *   NO_SHARED    I7   ... nor while another thread is inside a call
 *   NO_SHUTDOWN  I9   nothing hops after the own SHUT_WR
 *   NO_QUIET     I17  leave only when no redirect out of this end is in flight
 *   NO_PEER      I17  leave only when the peer can have none in flight to this end
 *   NO_EMPTY     I17  leave only with an empty hop queue
 *
 * Variants: VERDICT, the stream verdict program moves TCP bytes to the hop queue; ONE_READER, whose calls take
 * no reference to the file; RELAY, hop collapse: TCP bytes pass through a relay; SHUT, A half-closes at the end.
 *
 * OVERTAKEN (with SHUT) shows what remains (docs/limits.md): one thread shuts down while a redirect of another one
 * is in flight, and the FIN arrives before it.
 */

/* How many messages each sender has. */
#define MSGS(me) (2 - me)
/* How often the pair is asked to leave; it joins once more afterwards. */
#define LEAVES 1

#define A 0
#define B 1
#define TCP 128 /* in the hop queue: a message that took the TCP path */
#define FIN 127
#define SEQ(m) ((m) & 15)
#define FROM(m) (((m) & 127) >> 4)

/* As in bpf/end.h. REFUSED and WATCHED are CANDIDATE here: when an end asks again is not of interest. */
mtype = { CANDIDATE, MEMBER, LEAVING, LEFT, HELD };

mtype state[2] = CANDIDATE;
bit psock[2];         /* the socket has a psock: its calls are those of a member */
byte users[2];        /* threads inside such calls: references to the psock */
bit quiet[2];         /* latched: no redirect out of this end is in flight, and none will start */
byte hopper;          /* A: 0 nothing hopped, 255 several threads did, else the thread + 1 */
bit ready;            /* A: hops to B may begin */
byte inside;          /* references to B's file beyond the first: threads inside a call of B's */
byte write_seq;       /* A: messages given to TCP */
byte copied, cseq;    /* B: messages read that came by TCP; that number when it joined */
byte sent[2], got[2]; /* of each sender */
byte accepted;        /* messages that send() took */
bit shut, eof, want_leave;
byte leaves;

chan net = [4] of { byte }; /* on the TCP path, between the sockets */
#ifdef RELAY
chan net2 = [4] of { byte }; /* between the relay and B */
#else
#define net2 net
#endif
chan rq = [4] of { byte };   /* B's sk_receive_queue */
chan skbs = [4] of { byte }; /* B's psock->ingress_skb */
chan hq = [4] of { byte };   /* B's psock->ingress_msg */

#define IN(x) (state[x] == MEMBER || state[x] == LEAVING)
#define OUT(x) (state[x] == CANDIDATE || state[x] == HELD)
#define WAITS(q) (len(q) > 0)
#define QUEUES_EMPTY (len(hq) == 0 && len(skbs) == 0)

#ifdef NO_ORDER
#define ORDER_RULE true
#else
#define ORDER_RULE (write_seq == copied)
#endif
#ifdef NO_READ
#define READ_RULE true
#else
#define READ_RULE (copied != cseq)
#endif
#ifdef NO_SHARED
#define SHARED_RULE true
#else
#define SHARED_RULE (inside == 0)
#endif
#ifdef NO_SHUTDOWN
#define SHUTDOWN_RULE true
#else
#define SHUTDOWN_RULE (!shut)
#endif
#ifdef OVERTAKEN
#define NO_RACE true
#else
#define NO_RACE (users[A] == 0)
#endif
#ifdef NO_QUIET
#define QUIET_RULE(x) true
#else
#define QUIET_RULE(x) (quiet[x])
#endif
#ifdef NO_PEER
#define PEER_RULE(x) true
#else
#define PEER_RULE(x) (!IN(1 - x) || quiet[1 - x])
#endif
#ifdef NO_EMPTY
#define EMPTY_RULE(x) true
#else
#define EMPTY_RULE(x) (x == A || QUEUES_EMPTY)
#endif
/* The one thread that hopped is back in the verdict: its redirect is over. */
#define HOPPER_BACK(x) (x == A && hopper == 0)

/* A thread leaves a call. The last reference to a psock that is in no map frees it and what it queues. */
inline put(x) {
	users[x]--;
	if
	:: users[x] == 0 && !IN(x) ->
		psock[x] = 0;
		assert(x == A || QUEUES_EMPTY)
	:: else
	fi
}

/* hop_msg, under A's lock. `hop`: this message is redirected. */
inline verdict(me, hop) {
	if
	:: state[A] == MEMBER ->
		if
		:: !ready && IN(B) && READ_RULE && SHARED_RULE -> ready = 1
		:: else
		fi;
		if
		:: ready && ORDER_RULE && SHUTDOWN_RULE ->
			hop = 1;
			hopper = (hopper == 0 || hopper == me + 1 -> me + 1 : 255)
		:: true /* it stays: the backlog, a held lock, or any other reason */
		fi
	:: state[A] == LEAVING && hopper == me + 1 -> hopper = 0 /* thread_stays() */
	:: else
	fi
}

proctype sender(byte me) {
	bit call, hop;

	do
	:: sent[me] < MSGS(me) ->
		atomic { call = psock[A]; users[A] = users[A] + call };
		atomic {
			if
			:: call -> verdict(me, hop)
			:: else
			fi;
			if
			:: hop -> assert(!shut); accepted++
			:: !hop && !shut ->
				net!((me << 4) + sent[me]);
				write_seq++;
				accepted++;
				sent[me]++
			:: !hop && shut -> sent[me] = MSGS(me) /* EPIPE */
			fi
		};
		if
		:: hop ->
			atomic { /* under B's lock, no longer under A's */
				assert(psock[B]); /* else: EPIPE, and the message is lost */
				hq!((me << 4) + sent[me]);
				sent[me]++;
				hop = 0
			}
		:: else
		fi;
		atomic {
			if
			:: call -> put(A); call = 0
			:: else
			fi
		}
#ifdef SHUT
	:: atomic { me == 0 && !shut && sent[0] == MSGS(0) && NO_RACE -> shut = 1; net!FIN }
	:: sent[me] == MSGS(me) && (me == 1 || shut) -> break
#else
	:: sent[me] == MSGS(me) -> break
#endif
	od
}

/* The stream verdict program gets what waits in the receive queue, in order; end of file stays there. */
inline hand_over(m) {
	do
	:: rq ? [FIN] -> break
	:: WAITS(rq) && !(rq ? [FIN]) -> rq?m; skbs!m
	:: !WAITS(rq) -> break
	od
}

inline take(m) {
	if
	:: m == FIN ->
		eof = 1;
		assert(got[0] + got[1] == accepted)
	:: else ->
		assert(SEQ(m) == got[FROM(m)]);
		got[FROM(m)]++
	fi
}

#ifdef SHUT
#define READ_ALL eof
#else
#define READ_ALL (got[0] == MSGS(0) && got[1] == MSGS(1))
#endif
#define READABLE (WAITS(rq) || (psock[B] && WAITS(hq)))

/*
 * recv() on a non-blocking socket, when poll() says that it is readable, and once more when it is not: programs
 * read until EAGAIN.
 */
proctype reader(bit again) {
	bit call;
	byte m;

	do
	:: READ_ALL -> break
	:: !READ_ALL && (READABLE || again) ->
		atomic {
			call = psock[B];
			users[B] = users[B] + call;
#ifndef ONE_READER
			inside++
#endif
		};
		atomic {
#ifdef VERDICT
			if /* tcp_bpf_recvmsg_parser() hands over what waits in the receive queue */
			:: call && IN(B) -> hand_over(m)
			:: else
			fi;
#endif
			if
			:: call && WAITS(hq) ->
				hq?m;
				if
				:: m & TCP -> copied++
				:: else
				fi;
				m = m & 127;
				take(m)
			:: !(call && WAITS(hq)) && WAITS(rq) ->
				rq?m;
				if
				:: m == FIN
				:: else -> copied++
				fi;
				take(m)
			:: else -> again = 0 /* EAGAIN */
			fi;
			m = 0
		};
		atomic {
#ifndef ONE_READER
			inside--;
#endif
			if
			:: call -> put(B); call = 0
			:: else
			fi
		}
	od
}

/* A segment arrives at B. */
active proctype segments() {
	byte m;

end:
	do
	:: atomic {
		WAITS(net2) -> net2?m;
		rq!m;
#ifdef VERDICT
		if /* sk_psock_verdict_data_ready() */
		:: IN(B) -> hand_over(m)
		:: else
		fi;
#endif
		m = 0
	}
	od
}

#ifdef VERDICT
/* sk_psock_backlog(): needs no lock. */
active proctype worker() {
	byte m;

end:
	do
	:: atomic { WAITS(skbs) -> skbs?m; hq!(m | TCP); m = 0 }
	od
}
#endif

#ifdef RELAY
active proctype relay() {
	byte m;

end:
	do
	:: atomic { net?m -> net2!m; m = 0 }
	od
}
#endif

/* hop_visit: what it may do to end x. */
#define MAY_JOIN(x) (state[x] == CANDIDATE && !want_leave && !psock[x] && \
		     (state[1 - x] == CANDIDATE || state[1 - x] == MEMBER))
#define MAY_STOP(x) (state[x] == MEMBER && want_leave)
#define IS_QUIET(x) (users[x] == 0 || HOPPER_BACK(x))
#define MAY_LATCH(x) (state[x] == LEAVING && !quiet[x] && IS_QUIET(x))
#define MAY_LEAVE(x) (state[x] == LEAVING && QUIET_RULE(x) && PEER_RULE(x) && EMPTY_RULE(x))
#define MAY_SETTLE(x) (state[x] == LEFT && !IN(1 - x))
#define MAY_TRY_AGAIN(x) (state[x] == HELD && !want_leave)
#define MAY_ANY(x) (MAY_JOIN(x) || MAY_STOP(x) || MAY_LATCH(x) || MAY_LEAVE(x) || MAY_SETTLE(x) || MAY_TRY_AGAIN(x))

inline visit(x) {
	if
	:: MAY_JOIN(x) ->
		state[x] = MEMBER;
		psock[x] = 1;
		quiet[x] = 0;
		if
		:: x == A -> ready = 0; hopper = 0
		:: else -> cseq = copied
		fi
	:: MAY_STOP(x) -> state[x] = LEAVING
	:: MAY_LATCH(x) -> quiet[x] = 1
	:: MAY_LEAVE(x) ->
		state[x] = LEFT;
		users[x]++;
		put(x)
	:: MAY_SETTLE(x) -> state[x] = HELD
	:: MAY_TRY_AGAIN(x) -> state[x] = CANDIDATE /* its time is over, it is watched, and chatty */
	fi
}

active proctype sweep() {
end:
	do
	:: atomic { MAY_ANY(A) -> visit(A) }
	:: atomic { MAY_ANY(B) -> visit(B) }
	:: atomic { !want_leave && leaves < LEAVES && (IN(A) || IN(B)) -> want_leave = 1; leaves++ }
	:: atomic { want_leave && OUT(A) && OUT(B) -> want_leave = 0 }
	od
}

init {
	atomic {
		run sender(0);
		run sender(1);
		run reader(1);
#ifndef ONE_READER
		run reader(0) /* one call in vain is enough to see what such do */
#endif
	};
	timeout -> /* nothing can happen any more */
	assert(READ_ALL);
	assert(!want_leave || !(IN(A) || IN(B)))
}
