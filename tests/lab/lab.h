/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lab.h: the behaviour catalogue. A case is a small function that does something to a connected pair a <-> b
 * (a connected, b was accepted) and notes what a program would have seen, as "key: value" lines: return
 * values, errno names, poll bits, bytes, times in classes. The same case on plain TCP must note the same.
 *
 * A case never decides what is right. It says only what it needs: how the pair is made, what is set before
 * the warm-up, and what sockhop should make of it in the default column (LAB_JOINS, or the reason why not).
 */
#ifndef SOCKHOP_TESTS_LAB_H
#define SOCKHOP_TESTS_LAB_H

#include "../prog/sock.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum lab_flags {
	LAB_QUIET = 1 << 0,	 /* sends nothing that could hop */
	LAB_NO_WARM_UP = 1 << 1, /* about a connection's first moments: it is too young to be a member */
	LAB_NEVER = 1 << 2,	 /* no member even in the forced column */
	LAB_ALONE = 1 << 3,	 /* disturbs others: runs when no other case does */
	LAB_CANCEL = 1 << 4,	 /* its first act makes it leave, or stay: nothing need hop during it */
	LAB_FIONREAD = 1 << 5,	 /* `fionread` where hop bytes are not counted */
};

struct lab {
	int a, b;
	uint64_t hopped, stayed; /* bytes that the case sent itself, by the path they took */
	char *text;		 /* the observations */
	size_t len;
	FILE *out;
};

struct lab_case {
	const char *name;
	void (*run)(struct lab *t);
	const char
		*why; /* reason why it must not join by default (enum hop_why's text); NULL: it must join */
	unsigned int flags;
	void (*prepare)(struct lab *t); /* on the pair, before the warm-up */
	void (*make)(struct lab *t);	/* instead of the usual pair over 127.0.0.1 */
};

#define LAB_JOINS NULL

/* Notes an observation. */
void note(struct lab *t, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Notes a return value, or the name of errno. */
void note_ret(struct lab *t, const char *key, ssize_t r);
/* Notes what a call that reads has given: an error, EOF, or how many bytes and which. */
void note_data(struct lab *t, const char *key, ssize_t r, const void *data);
/* Notes the poll bits of a socket, all that there are, once `events` (or a final state) is there or ms are
 * over. */
void note_poll(struct lab *t, const char *key, int fd, short events, int ms);
/* Notes a duration as a class: at once, or about (between half and three times) `expected` seconds. */
void note_time(struct lab *t, const char *key, double took, double expected);
/* recv() within a second, noted. */
ssize_t note_recv(struct lab *t, const char *key, int fd, size_t size, int flags);
/* Reads until EOF, an error, or nothing comes for 300 ms: the sum of the bytes and how it ended. */
void note_rest(struct lab *t, const char *key, int fd);
/* "POLLIN|POLLHUP"; valid until the next call. */
const char *poll_names(int revents);

/* Was it on the TCP path? Counts what a call that sends has sent. */
void lab_sent(struct lab *t, int fd, uint64_t before, ssize_t r);

#define SENT(t, fd, call)                         \
	({                                        \
		uint64_t before_ = path_sent(fd); \
		ssize_t sent_ = (call);           \
		int errno_ = errno;               \
		lab_sent(t, fd, before_, sent_);  \
		errno = errno_;                   \
		sent_;                            \
	})

/* Sends a text, all of it, or ends the case. */
void put(struct lab *t, int fd, const char *text);
/* Sends n bytes "abc...", all of them, or ends the case. */
void put_n(struct lab *t, int fd, size_t n);
/* Until the socket takes nothing for 100 ms: the number of bytes. */
size_t fill_up(struct lab *t, int fd);
/* A few round trips, noted: is the connection still good? */
void note_alive(struct lab *t);
/* Long enough for anything under way to arrive. */
void settle(void);

/* A second actor, for what needs one: fd and a delay. */
struct later {
	struct lab *t;
	int fd, ms, how;
	const char *text;
	pthread_t thread;
};
void send_later(struct later *l);     /* the text */
void shutdown_later(struct later *l); /* how */
void close_later(struct later *l);
void finish_later(struct later *l);

void lab_nonblock(struct lab *t, bool on);
/* Both ends blocking: a prepare function. */
void make_blocking(struct lab *t);
/* A pair over addr. */
void make_pair(struct lab *t, const char *listen_addr, const char *connect_addr);

/* A network namespace of its own with loopback up, and one of its net.ipv4 settings changed (key may be
 * NULL). */
void own_netns(const char *key, const char *value);

/* What `sockhop ARGUMENTS --json` says of the instance under test ($SOCKHOP, $SOCKHOP_INSTANCE); "" nothing.
 * Valid until the next call. */
const char *lab_ask(const char *arguments);
/* The reason that `sockhop list` gives for this end; "" none, "?" not known there. */
void lab_why(int fd, char *why, size_t size);

#endif
