/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sleeper.pml: A sends, and B's program waits non-blocking and reads blocking: before each recv() it may set or
 * clear O_NONBLOCK. B joins, is asked to leave and joins again meanwhile. spin checks that no message is lost
 * or reordered, that a blocking recv() never says EAGAIN, and that nobody sleeps for ever.
 *
 * Steps and names are those of pair.pml. fcntl() takes no lock, and recv() chooses its function before it takes
 * the lock; so B's lock appears here, where a visit of the sweep has two steps. What the kernel's two receive
 * functions sleep on is all that tells them apart: tcp_recvmsg() on the receive queue,
 * tcp_bpf_recvmsg_parser() on either, and then it looks into the hop queue only (net/ipv4/tcp_bpf.c).
 *
 * A rule of docs/design.md is taken away by -DNO_<RULE>; spin must then find a counterexample (model.bats).
 *
 *   NO_NONBLOCK  I12  join only with O_NONBLOCK
 *   NO_RECHECK   I38  ... and be taken back if the file is blocking after the insertion
 *   NO_ASLEEP    I38  leave only when nobody sleeps in a receive call, or will
 *
 * What remains (docs/design.md, I38) is shown by
 *
 *   APART  a reader may turn blocking and enter recv() between the last look and the deletion
 *   TWO    a psock outlives the membership while another thread is in a call (here: with MSG_DONTWAIT), and a
 *          blocking call that begins meanwhile is still that of a member
 */

#define MSGS 4
#define LEAVES 2
#define TCP 128 /* in the hop queue: a message that took the TCP path */

mtype = { CANDIDATE, MEMBER, LEAVING, LEFT, HELD };

mtype state = CANDIDATE; /* B's; A is a member */
bit locked;              /* B's socket, by the sweep */
bit nonblock = 1;        /* B's file */
bit psock;               /* B has one: calls that begin are those of a member */
byte users;              /* threads inside such calls */
byte inside;             /* references to B's file beyond the first: threads inside a call of B's */
bit asleep;              /* a reader, in a receive call */
bit flight;              /* a redirect to B is in flight */
byte sent, got;
byte write_seq;    /* A: messages given to TCP */
byte copied, cseq; /* B: messages read that came by TCP; that number when it joined */
bit want_leave;
byte leaves;

chan net = [MSGS] of { byte };
chan rq = [MSGS] of { byte }; /* B's sk_receive_queue */
chan hq = [MSGS] of { byte }; /* B's psock->ingress_msg */

#ifdef TWO
#define ENTER inside++
#define LEAVE inside--
#else
#define ENTER skip /* fdget() takes no reference for the only thread */
#define LEAVE skip
#endif
#define IN (state == MEMBER || state == LEAVING)
#define WAITS(q) (len(q) > 0)

#ifdef NO_NONBLOCK
#define NONBLOCK_RULE true
#else
#define NONBLOCK_RULE (nonblock)
#endif
#if defined NO_RECHECK || defined NO_NONBLOCK
#define RECHECK_RULE true
#else
#define RECHECK_RULE (nonblock)
#endif
#ifdef NO_ASLEEP
#define ASLEEP_RULE true
#else
#define ASLEEP_RULE (!asleep && (nonblock || !users))
#endif

/* The last reference to a psock that is in no map frees it. */
inline put() {
	users--;
	if
	:: !users && !IN -> psock = 0; assert(!WAITS(hq))
	:: else
	fi
}

active proctype sender() {
	bit hop;

	do
	:: sent < MSGS ->
		atomic { /* hop_msg, under A's lock: I6, I7, and I14, the peer's file is looked at */
			if
			:: state == MEMBER && write_seq == copied && copied != cseq && !inside && nonblock -> hop = 1; flight = 1
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

/* A blocking call that was woken for nothing says EAGAIN, which no program expects. */
proctype reader(bit dontwait) {
	bit call, blocks, again = 1;
	byte m;

	do
	:: got == MSGS -> break
	:: !dontwait && got < MSGS -> nonblock = 0; blocks = 1; goto receive
	:: got < MSGS && (again || WAITS(rq) || (psock && WAITS(hq))) -> /* poll() */
		if
		:: !dontwait -> nonblock = 1
		:: else
		fi;
receive:
		atomic { call = psock; users = users + call; ENTER };
		atomic {
			!locked ->
			if
			:: call -> hand_over(m)
			:: else
			fi;
			if
			:: call && WAITS(hq) -> hq?m; take(m); blocks = 0
			:: !call && WAITS(rq) -> take_tcp(m); blocks = 0
			:: else -> asleep = asleep || blocks; again = 0
			fi;
			m = 0
		};
		if
		:: blocks ->
			atomic {
				!locked && (WAITS(rq) || (call && WAITS(hq)) || got == MSGS) ->
				asleep = 0;
				blocks = 0;
				if
				:: got == MSGS /* the other thread had it all: only a signal ends this call */
				:: got < MSGS && call && WAITS(hq) -> hq?m; take(m)
				:: got < MSGS && call && !WAITS(hq) -> assert(false) /* EAGAIN */
				:: got < MSGS && !call -> take_tcp(m)
				fi;
				m = 0
			}
		:: else
		fi;
		atomic {
			LEAVE;
			if
			:: call -> put(); call = 0
			:: else
			fi
		}
	od
}

inline unlink() {
	psock = (users > 0);
}

/* join(): the last look is after the insertion. */
inline insert() {
	state = MEMBER;
	psock = 1;
	cseq = copied
}

inline recheck() {
	if
	:: RECHECK_RULE
	:: !(RECHECK_RULE) -> state = HELD; unlink()
	fi;
	locked = 0
}

#ifdef APART
#define THEN(step) }; atomic { step }
#else
#define THEN(step) ; step }
#endif

#define MAY_JOIN (state == CANDIDATE && !want_leave && !psock && !asleep && NONBLOCK_RULE)
#define MAY_STOP (state == MEMBER && want_leave)
#define MAY_LEAVE (state == LEAVING && !flight && !WAITS(hq) && ASLEEP_RULE)

active proctype sweep() {
end:
	do
	:: atomic { MAY_JOIN -> locked = 1 }; atomic { insert() THEN(recheck())
	:: atomic { MAY_STOP -> state = LEAVING }
	:: atomic { MAY_LEAVE -> locked = 1 THEN(state = LEFT; unlink(); locked = 0)
	:: atomic { state == LEFT -> state = HELD }
	:: atomic { state == HELD && !want_leave -> state = CANDIDATE }
	:: atomic { !want_leave && leaves < LEAVES && IN -> want_leave = 1; leaves++ }
	:: atomic { want_leave && state == HELD -> want_leave = 0 }
	od
}

init {
	atomic {
#ifdef TWO
		run reader(1);
#endif
		run reader(0)
	};
	timeout -> /* nothing can happen any more */
	assert(got == MSGS);
	assert(!want_leave || !IN)
}
