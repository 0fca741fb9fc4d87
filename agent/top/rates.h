/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rates.h: what happened between two samples of an instance, each second: by connection, program or service,
 * and by reason. Nothing here reads from the kernel (sample.c does) or draws (text.c, screen.c).
 */
#ifndef SOCKHOP_TOP_RATES_H
#define SOCKHOP_TOP_RATES_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "bpf/hop.h"
#include "agent/view/who.h"

/*
 * CPU time that a hop saves both programs and the kernel, in nanoseconds: for each message, and for each KiB
 * of it. The least that `make bench` found where hops gain (docs/benchmarks.md, CPU for each operation):
 * request-response of 64 B to 16 KiB saves 2.4 to 4.4 us a message, of 64 KiB 11.5 us, streams of 256 KiB 19
 * to 56 us. An estimate: a faster CPU saves less, a bridge with a firewall in between more (6.5 us a
 * message).
 */
#define RATES_SAVED_MESSAGE_NS 2500.0
#define RATES_SAVED_KIB_NS     150.0

#define RATES_NAME 192

/* One end of a connection, as it is shown. */
struct rates_end {
	char label[80];		 /* "NAME/PID:PORT", or an address */
	char program[17];	 /* "" if it is not known */
	char service[WHO_LABEL]; /* likewise */
};

/* A connection at the time of a sample. Counts are since its ends registered. */
struct rates_pair {
	__u64 id; /* of this connection alone: the smaller cookie */
	struct rates_end a, b;
	unsigned long long hops, stays, hop_bytes;
	unsigned long long tcp_bytes,
		segs;	 /* of the connection's whole life, both ways: bytes and segments on TCP */
	bool member;	 /* both ends */
	const char *why; /* NULL: it hops */
};

/* Starts zeroed. */
struct sample {
	unsigned long long at_ns; /* now_ns(); 0: none was taken */
	struct rates_pair *pair;
	size_t n, room;
	/* counters of the instance, which know of closed connections as well */
	unsigned long long hops, hop_bytes, stay_bytes, stays[HOP_STAY_COUNT], whys[HOP_WHY_COUNT];
	unsigned int out[HOP_WHY_COUNT]; /* candidates by the reason why they are out */
	unsigned int members;		 /* ends */
	bool attached;
};

/* A copy of *p; 0 or -ENOMEM. sample_sort() comes before the sample is used. */
int sample_add(struct sample *s, const struct rates_pair *p);
void sample_sort(struct sample *s);
void sample_free(struct sample *s);

enum rates_by { RATES_PAIRS, RATES_PROGRAMS, RATES_SERVICES };

struct rate {
	char name[RATES_NAME];
	/*
	 * Each second: messages that members sent, and data segments of connections that are none; of them
	 * those that hopped; bytes, however they went.
	 */
	double messages, hops, bytes;
	double share;		     /* of messages that hopped, 0 to 1; negative: there were none */
	double saved;		     /* CPUs, an estimate */
	unsigned int pairs, members; /* connections; those that are members */
	const char *why;	     /* RATES_PAIRS: as in struct rates_pair */
};

/* Starts zeroed. */
struct rates {
	struct rate *row;
	size_t n, room;
};

/*
 * A row for each connection, program or service of `now`, whose name contains `filter` ("": all), whatever
 * the case. A connection counts for both of its programs and services, so rows overlap. What is new since
 * `before` counts as a whole, but for what it did on TCP before it registered. 0 or -ENOMEM.
 */
int rates_make(const struct sample *before, const struct sample *now, enum rates_by by, const char *filter,
	       struct rates *out);
void rates_free(struct rates *r);

/* The instance as a whole, by its counters: `name` is empty. */
void rates_total(const struct sample *before, const struct sample *now, struct rate *out);

enum rates_key {
	RATES_BY_MESSAGES,
	RATES_BY_BYTES,
	RATES_BY_SHARE,
	RATES_BY_SAVED,
	RATES_BY_CONNECTIONS,
	RATES_BY_NAME,
	RATES_KEYS
};

/* Largest first, names from A on; the other way round if `reverse`. Rows that are equal are in order of
 * names. */
void rates_sort(struct rates *r, enum rates_key key, bool reverse);

/* Why messages stayed, or ends are out. */
struct rate_why {
	const char *name, *help;
	bool message;		  /* of messages of members, not of ends */
	double rate;		  /* each second */
	unsigned int ends;	  /* that are out for it now */
	unsigned long long count; /* since the attach */
};
#define RATES_WHYS (HOP_STAY_COUNT + HOP_WHY_COUNT)

/* Those that ever happened, the most frequent first; returns how many. */
size_t rates_whys(const struct sample *before, const struct sample *now, struct rate_why out[RATES_WHYS]);

#endif
