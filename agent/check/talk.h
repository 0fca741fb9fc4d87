/* SPDX-License-Identifier: GPL-2.0-only */
/* talk.h: the talker of the self test (self.c) and what it says on its control socket. */
#ifndef SOCKHOP_CHECK_TALK_H
#define SOCKHOP_CHECK_TALK_H

#define TALK_WITHIN_MS 5000 /* a chatty connection hops by then; on an idle machine it takes 30 */

/* First when it hops, or does not in time; then, once it was told to go on, when it is back on TCP. */
struct talk_word {
	unsigned int hop_ms;   /* from the first message until hops were seen; 0: never */
	unsigned int segments; /* data segments of one end both ways until then: hops are none */
	unsigned int lives;    /* second word: the connection is back on TCP, every byte right */
};

/*
 * Enter the cgroup and a network namespace of its own, connect to itself, and exchange numbered messages.
 * `control` is a SOCK_SEQPACKET socket: says a word, waits for one byte (talking on), says the second word.
 * Returns an exit status.
 */
int talker(const char *cgroup, int control);

#endif
