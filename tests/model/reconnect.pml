/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reconnect.pml: B is connected to A, disconnects, connect(AF_UNSPEC), connects to C with the same socket, and
 * joins again. A and C send, one thread of B reads, another one reconnects at any moment, and a sweep visits
 * all ends. spin checks that no call that begins after connect() reads a byte of A's, that A's bytes are not
 * read if they were sent after the disconnect, and that C's messages are read, each once and in order.
 *
 * Steps and names are those of pair.pml. A redirect has three here, since B's psock may go in between: the
 * verdict under A's lock, then sk_psock_get(B) without a lock, then the queueing under B's (net/ipv4/tcp_bpf.c,
 * tcp_bpf_sendmsg_redir() and bpf_tcp_ingress()). Sequence numbers of two connections never meet by chance.
 *
 * A rule of docs/design.md is taken away by -DNO_<RULE>; spin must then find a counterexample (model.bats).
 *
 *   NO_FORGET     I37  who connects again is taken out of the sockhash, with its hop queue
 *   NO_STATE      I37  hop only to a peer that is connected
 *   NO_OLD_QUIET  I37  join again only when no redirect of the old peer is in flight
 *
 * LINGERS shows what remains (docs/limits.md): a psock outlives its place in the sockhash while a call holds it,
 * and the socket reads from it for so long.
 */

#define MSGS 2
#define A 0
#define B 1
#define C 2
#define NONE 2  /* no psock */
#define LATE 64 /* sent after the disconnect */
#define SEQ(m) ((m) & 15)
#define FROM(m) (((m) & 63) >> 4)

mtype = { CANDIDATE, MEMBER, CLOSED };

/* B's connection */
#define TO_A 0
#define TO_NONE 1
#define TO_C 2
byte conn = TO_A;

mtype state[3];     /* A and B are members already, and A's hops may begin */
bit hashed = 1;     /* B is in the sockhash, by its cookie, which a socket keeps */
byte psock;         /* B's, which the next call or redirect gets: of its first or of its second membership */
byte refs[2];       /* to each of them, of threads inside calls and redirects */
bit inside[3];      /* a thread is in a call of this end's psock */
bit ready[3];       /* A, C: hops to B may begin */
byte written[4];    /* A, C: messages given to TCP */
byte copied, cseq;  /* B: messages read that came by TCP; that number when it joined */
byte got[3];        /* of each sender */
bit again = 1;      /* reads until EAGAIN */

chan net[3] = [2] of { byte }; /* from A, from C */
chan rq = [2] of { byte };     /* B's sk_receive_queue */
chan hq[2] = [2] of { byte };  /* psock->ingress_msg of each of B's psocks */

#ifdef NO_STATE
#define STATE_RULE(x) true
#else
#define STATE_RULE(x) (conn != TO_NONE)
#endif
#ifdef NO_OLD_QUIET
#define OLD_QUIET_RULE true
#else
#define OLD_QUIET_RULE (!inside[A])
#endif
#define WAITS(q) (len(q) > 0)
/* I6. tcp_disconnect() sets copied_seq to rcv_nxt, so A's number may be met until B connects again. */
#define ORDER_RULE(x) ((conn == x && written[x] == copied) || (x == A && conn == TO_NONE))
/* I7 */
#define READY_RULE (copied != cseq && !inside[B])

inline flush(q) {
	do
	:: WAITS(q) -> q?_
	:: else -> break
	od
}

/* The last reference to a psock that is not in the sockhash frees it, and what it queues. */
inline put(p) {
	refs[p]--;
	if
	:: refs[p] == 0 && !(hashed && psock == p) ->
		flush(hq[p]);
		if
		:: psock == p -> psock = NONE
		:: else
		fi
	:: else
	fi
}

proctype sender(byte me) {
	byte sent, p = NONE, late;
	bit hop;

	do
	:: sent < MSGS && state[me] != CLOSED && (me == A || conn == TO_C) ->
		atomic { inside[me] = state[me] == MEMBER };
		atomic { /* hop_msg, under its lock */
			if
			:: inside[me] && state[me] == MEMBER && !ready[me] && state[B] == MEMBER && conn == me && READY_RULE ->
				ready[me] = 1
			:: else
			fi;
			if
			:: inside[me] && state[me] == MEMBER && ready[me] && hashed && STATE_RULE(me) && ORDER_RULE(me) ->
				hop = 1;
				late = (conn == me -> 0 : LATE)
			:: state[me] != CLOSED -> /* it stays, for any reason */
				net[me]!((me << 4) + sent);
				written[me]++;
				sent++
			:: state[me] == CLOSED -> sent = MSGS
			fi
		};
		if
		:: hop ->
			atomic {
				p = psock;
				if
				:: p == NONE -> assert(me == A && conn != TO_A) /* EPIPE */
				:: else -> refs[p]++
				fi
			};
			if
			:: p != NONE -> atomic { hq[p]!(late + (me << 4) + sent) }; atomic { put(p); p = NONE }
			:: else
			fi;
			atomic { hop = 0; late = 0; sent++ }
		:: else
		fi;
		inside[me] = 0
	:: sent == MSGS || state[me] == CLOSED -> break
	od
}

inline take(m, began) {
	assert(FROM(m) != A || (began != TO_C && m < LATE));
	assert(SEQ(m) >= got[FROM(m)]);
	assert(SEQ(m) == got[FROM(m)] || FROM(m) == A); /* what A sent may be lost with its connection */
	got[FROM(m)] = SEQ(m) + 1
}

/* recv() on a non-blocking socket */
active proctype reader() {
	byte m, p = NONE, began;

	do
	:: got[C] == MSGS -> break
	:: got[C] < MSGS && (again || WAITS(rq) || (psock != NONE && WAITS(hq[psock]))) ->
		atomic {
			began = conn;
			p = psock;
			inside[B] = 1;
			if
			:: p != NONE -> refs[p]++
			:: else
			fi
		};
		atomic {
			if
			:: p != NONE && WAITS(hq[p]) -> hq[p]?m; take(m, began)
			:: !(p != NONE && WAITS(hq[p])) && WAITS(rq) -> rq?m; copied++; take(m, began)
			:: else -> again = 0 /* EAGAIN, or ENOTCONN */
			fi;
			m = 0
		};
		atomic {
			inside[B] = 0;
			if
			:: p != NONE -> put(p); p = NONE
			:: else
			fi;
			began = 0
		}
	od
}

/* forget(), in BPF_SOCK_OPS_TCP_CONNECT_CB */
inline forget() {
#ifndef NO_FORGET
	if
	:: hashed ->
		hashed = 0;
		if
		:: refs[psock] == 0 -> flush(hq[psock]); psock = NONE
#ifdef LINGERS
		:: else
#else
		:: else -> psock = NONE
#endif
		fi
	:: else
	fi
#else
	skip
#endif
}

active proctype reconnect() {
	atomic { conn = TO_NONE; state[B] = CLOSED; flush(rq); again = 1 }; /* tcp_disconnect(), on_close() */
	atomic { forget(); conn = TO_C; state[B] = CANDIDATE; copied = 0; cseq = 0; again = 1 }
}

/* A segment arrives at B, or B's reset at A, if it is not lost. */
active proctype segments() {
	byte m;

end:
	do
	:: atomic { WAITS(net[A]) -> net[A]?m; if :: conn == TO_A -> rq!m :: else fi; m = 0 }
	:: atomic { WAITS(net[C]) -> net[C]?m; rq!m; m = 0 }
	:: atomic { conn != TO_A && state[A] != CLOSED -> state[A] = CLOSED }
	od
}

/* hop_visit: what it may do to an end. */
#define WANTS(x) (state[x] == CANDIDATE || state[x] == MEMBER)
#define MAY_JOIN_C (state[C] == CANDIDATE && conn == TO_C && WANTS(B))
#define MAY_JOIN_B (state[B] == CANDIDATE && WANTS(C) && !hashed && psock == NONE && OLD_QUIET_RULE)

active proctype sweep() {
end:
	do
	:: atomic { MAY_JOIN_C -> state[C] = MEMBER }
	:: atomic { MAY_JOIN_B -> state[B] = MEMBER; hashed = 1; cseq = copied; psock = 1 }
	od
}

init {
	atomic {
		state[A] = MEMBER;
		state[B] = MEMBER;
		state[C] = CANDIDATE;
		ready[A] = 1;
		run sender(A);
		run sender(C)
	};
	timeout -> /* nothing can happen any more */
	assert(got[C] == MSGS)
}
