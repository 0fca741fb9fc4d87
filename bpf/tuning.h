/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tuning.h: the constants that were chosen by measuring. docs/tuning.md has the measurements, under the name
 * of the constant.
 */
#ifndef SOCKHOP_TUNING_H
#define SOCKHOP_TUNING_H

/* ---- is a connection worth it? Defaults of struct hop_config ---- */

/* Data segments, both ways, before a connection is looked at. */
#define HOP_MIN_SEGS 64
/* Segments a second below which traffic is too slow to gain. */
#define HOP_MIN_RATE 30
/* Bytes a segment or message from which one-way traffic gains at any rate. */
#define HOP_LARGE 24576
/* Segments a traffic window; doubled at each look that finds no gain, up to << HOP_WINDOW_SHIFT. */
#define HOP_WINDOW	 64
#define HOP_WINDOW_SHIFT 8
/* One-way: less than 1/HOP_ONE_WAY of the segments of a window go the other way. */
#define HOP_ONE_WAY 8
/* One-way small segments (a member's: messages) a second above which traffic hardly ever pauses. */
#define HOP_STREAM_RATE 30000

/* ---- does it ever wait in a receive call? ---- */

/* A blocking file joins after so many receive calls, and so long, in which none might have waited. */
#define HOP_RECV_CALLS 256
#define HOP_RECV_NS    2000000000ull

/* ---- does membership pay? ---- */

/* Messages of a member between two reviews, or bytes where that comes first. */
#define HOP_REVIEW	 512
#define HOP_REVIEW_BYTES (64u << 20)
/* Reviews in a row without one of the peer's, after which a member's traffic is one-way. */
#define HOP_ONE_WAY_REVIEWS 4
/* Of small messages so many parts must hop ... */
#define HOP_FEW_NUM 1
#define HOP_FEW_DEN 8
/* ... of large ones so many, or the end leaves after HOP_MOST_REVIEWS that found less. */
#define HOP_MOST_NUM	 5
#define HOP_MOST_DEN	 8
#define HOP_MOST_REVIEWS 4

/* ---- is the peer's socket held too often? ---- */

/* Added for a look that finds it held; each other takes 1 off. HOP_CONTENTION_MAX is too much. */
#define HOP_CONTENTION_HELD 12
#define HOP_CONTENTION_MAX  8192
/* Messages of config.large and more count this many times. */
#define HOP_CONTENTION_LARGE 4
/* One-way messages of this many times config.large between two ends of one owner hop anyway. */
#define HOP_WAIT_LARGE 2

/* ---- room at the peer ---- */

/* Small messages (less than config.large bytes) that may wait there: default of config.max_burst. */
#define HOP_MAX_BURST 512
/* Bytes that must be free below a limit of the peer's memory. */
#define HOP_MEMORY_ROOM (2u << 20)
/* While at most this many bytes are queued at the peer, a look at its memory counts for a jiffy. */
#define HOP_MEMORY_BLIND (32u << 10)
/* Bytes, in whole pages, that a CPU's messages to receivers of one cgroup may charge after a look at it. */
#define HOP_MEMORY_SHARED (64u << 10)
/* Cgroups whose looks a CPU remembers. */
#define HOP_MEMORY_SLOTS 8
/* Ancestors of a cgroup that are looked at. */
#define HOP_MEMORY_DEPTH 16

/* ---- how long is an end held back? ---- */

/* Passes in which a temporary reason may put an end off before it is held back. */
#define HOP_TRIES 50
/* An end that was refused or has left: 2 s, and twice as long each time, up to << HOP_HOLD_SHIFT. */
#define HOP_HOLD_NS    2000000000ull
#define HOP_HOLD_SHIFT 9
/*
 * Contention is a habit of programs: the end is held back for 64 s, as if this had happened so often before.
 */
#define HOP_CONTENTION_HOLDS 5
/* The same for large messages that mostly stay, 16 s. */
#define HOP_MOST_HOLDS 3

#endif
