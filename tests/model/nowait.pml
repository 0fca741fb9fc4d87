/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nowait.pml: A sends, and B's file is blocking. B's program receives with MSG_DONTWAIT, or by a call that waits.
 * B is watched, joins, leaves and joins again meanwhile. spin checks that no message is lost or reordered, that
 * a call that waits never says EAGAIN, and that nobody sleeps for ever.
 *
 * Steps and names are those of sleeper.pml, and the word is hop_sock.recv (bpf/receive.h). The receive guard
 * sees a call before that chooses its function (psock or none), and that before it takes the lock.
 *
 * A rule of docs/design.md is taken away by -DNO_<RULE>; spin must then find a counterexample (model.bats).
 *
 *   NO_MARK    I53  a call that waits leaves its mark, and who is marked is no member
 *   NO_LATER   I53  join only when the thread has come again since calls are watched
 *   NO_AGAIN   I53  ... and be taken back if there is a mark after the insertion
 *   NO_ASLEEP  I53  leave only when nobody may sleep in a call
 *
 * What remains (docs/design.md, I53) is shown by
 *
 *   APART  a reader may mark and enter its call between the last look and the deletion
 */

#define MSGS 4
#define LEAVES 2
#define TCP 128 /* in the hop queue: a message that took the TCP path */

mtype = { CANDIDATE, MEMBER, LEAVING, LEFT };
mtype = { NONE, WATCHED, WAITED, VOUCHED }; /* enum hop_recv; VOUCHED: HOP_RECV_MEMBER */

mtype state = CANDIDATE; /* B's; A is a member */
mtype recv = NONE;
bit later;  /* a call was seen since they are watched */
bit locked; /* B's socket, by the sweep */
bit psock;  /* B has one: calls that begin are those of a member */
bit users;  /* the thread is inside such a call */
bit asleep; /* it sleeps in one, of whatever kind */
bit flight; /* a redirect to B is in flight */
byte sent, got;
byte write_seq;    /* A: messages given to TCP */
byte copied, cseq; /* B: messages read that came by TCP; that number when it joined */
bit want_leave;
byte leaves;

chan net = [MSGS] of { byte };
chan rq = [MSGS] of { byte }; /* B's sk_receive_queue */
chan hq = [MSGS] of { byte }; /* B's psock->ingress_msg */

#define IN (state == MEMBER || state == LEAVING)
#define WAITS(q) (len(q) > 0)

#ifdef NO_LATER
#define LATER_RULE true
#else
#define LATER_RULE (later)
#endif
#ifdef NO_AGAIN
#define AGAIN_RULE true
#else
#define AGAIN_RULE (recv == VOUCHED || users) /* users: it chose its function after the insertion */
#endif
#ifdef NO_ASLEEP
#define ASLEEP_RULE true
#else
#define ASLEEP_RULE (!asleep && (recv == VOUCHED || !users))
#endif

active proctype sender() {
	bit hop;

	do
	:: sent < MSGS ->
		atomic { /* hop_msg, under A's lock: I6, I7, I53 */
			if
			:: state == MEMBER && write_seq == copied && copied != cseq && recv == VOUCHED -> hop = 1; flight = 1
			:: net!sent; write_seq++; sent++ /* it stays, for any reason */
			fi
		};
		if
		:: hop -> atomic { !locked -> assert(psock); hq!sent; sent++; hop = 0; flight = 0 }
		:: else
		fi
	:: sent == MSGS -> break
	od
}

/* The stream verdict program gets what waits in the receive queue. */
inline hand_over(m) {
	do
	:: IN && WAITS(rq) -> rq?m; hq!(m | TCP)
	:: else -> break
	od
}

active proctype segments() {
	byte m;

end:
	do
	:: atomic { WAITS(net) && !locked -> net?m; rq!m; hand_over(m); m = 0 }
	od
}

inline take(m) {
	if
	:: m & TCP -> copied++
	:: else
	fi;
	assert((m & 127) == got);
	got++
}

inline take_tcp(m) {
	rq?m;
	m = m | TCP;
	take(m)
}

/* The receive guard, before the call goes on. */
inline guard(waits) {
	if
	:: waits ->
#ifndef NO_MARK
		if
		:: recv == WATCHED -> recv = WAITED
		:: recv == VOUCHED -> recv = WAITED; want_leave = 1
		:: else
		fi
#else
		skip
#endif
	:: else ->
		if
		:: recv == WATCHED -> later = 1
		:: else
		fi
	fi
}

active proctype reader() {
	bit call, waits, again = 1;
	byte m;

	do
	:: got == MSGS -> break
	:: got < MSGS -> waits = 1; goto receive
	:: got < MSGS && (again || WAITS(rq) || (psock && WAITS(hq))) -> /* poll() */
receive:
		atomic { guard(waits) };
		atomic { call = psock; users = call };
		atomic {
			!locked ->
			if
			:: call -> hand_over(m)
			:: else
			fi;
			if
			:: call && WAITS(hq) -> hq?m; take(m); waits = 0
			:: !call && WAITS(rq) -> take_tcp(m); waits = 0
			:: else -> asleep = waits; again = 0
			fi;
			m = 0
		};
		if
		:: waits ->
			atomic {
				!locked && (WAITS(rq) || (call && WAITS(hq))) ->
				asleep = 0;
				waits = 0;
				if
				:: call && WAITS(hq) -> hq?m; take(m)
				:: call && !WAITS(hq) -> assert(false) /* EAGAIN */
				:: !call -> take_tcp(m)
				fi;
				m = 0
			}
		:: else
		fi;
		atomic { /* the last reference to a psock that is in no map frees it */
			users = 0;
			if
			:: call && !IN -> psock = 0; assert(!WAITS(hq))
			:: else
			fi;
			call = 0
		}
	od
}

inline unlink() {
	psock = users;
	if
	:: recv == VOUCHED -> recv = NONE
	:: else
	fi;
	locked = 0
}

inline again_rule() {
	if
	:: AGAIN_RULE -> locked = 0
	:: !(AGAIN_RULE) -> state = LEFT; unlink()
	fi
}

#ifdef APART
#define THEN(step) }; atomic { step }
#else
#define THEN(step) ; step }
#endif

#define MAY_JOIN (state == CANDIDATE && !want_leave && !psock && !asleep && recv == WATCHED && LATER_RULE)
#define MAY_LEAVE (state == LEAVING && !flight && !WAITS(hq) && ASLEEP_RULE)

active proctype sweep() {
end:
	do
	:: atomic { state == CANDIDATE && recv == NONE -> recv = WATCHED; later = 0 }
	:: atomic { MAY_JOIN -> locked = 1; recv = VOUCHED }; /* and the guard may look in between */
	   atomic { state = MEMBER; psock = 1; cseq = copied };
	   atomic { again_rule() }
	:: atomic { state == MEMBER && want_leave -> state = LEAVING }
	:: atomic { MAY_LEAVE -> locked = 1 THEN(state = LEFT; unlink())
	:: atomic { state == LEFT && !psock && recv != WAITED -> state = CANDIDATE; want_leave = 0 }
	:: atomic { !want_leave && leaves < LEAVES && IN -> want_leave = 1; leaves++ }
	od
}

init {
	timeout -> /* nothing can happen any more */
	assert(got == MSGS);
	assert(!want_leave || !IN)
}
