/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pattern.h: position-coded bytes. Each 8-byte word of a stream says, scrambled, which connection, direction
 * and position it belongs to; so loss, duplication, reordering and delivery to a stranger are all seen, and a
 * wrong word can be named.
 */
#ifndef SOCKHOP_TESTS_PATTERN_H
#define SOCKHOP_TESTS_PATTERN_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

/* 8 bits of tag, 15 of connection, 1 of direction, 40 of word index */
#define PATTERN_TAG 0xA5ull
/* An odd constant (of splitmix64) and its inverse modulo 2^64: multiplication is a bijection. */
#define PATTERN_MUL 0xBF58476D1CE4E5B9ull
#define PATTERN_INV 0x96DE1B173F119089ull

static inline uint64_t pattern_word(uint32_t id, int dir, uint64_t index)
{
	uint64_t v = PATTERN_TAG << 56 | (uint64_t)(id & 0x7fff) << 41 | (uint64_t)(dir & 1) << 40 |
		     (index & 0xffffffffffull);

	v *= PATTERN_MUL;
	return v ^ v >> 32;
}

static inline uint64_t pattern_decode(uint64_t v)
{
	v ^= v >> 32;
	return v * PATTERN_INV;
}

static inline void pattern_fill(uint32_t id, int dir, uint64_t off, void *data, size_t n)
{
	unsigned char *b = data;
	size_t k, m;
	uint64_t w;

	for (k = 0; k < n; k += m) {
		int o = (off + k) & 7;

		w = pattern_word(id, dir, (off + k) >> 3);
		m = 8 - o < (int)(n - k) ? 8 - (size_t)o : n - k;
		memcpy(b + k, (char *)&w + o, m);
	}
}

/* Index of the first wrong byte, -1 if all are right. */
static inline ssize_t pattern_check(uint32_t id, int dir, uint64_t off, const void *data, size_t n)
{
	const unsigned char *b = data;
	size_t k, m;
	uint64_t w;

	for (k = 0; k < n; k += m) {
		int o = (off + k) & 7;

		w = pattern_word(id, dir, (off + k) >> 3);
		m = 8 - o < (int)(n - k) ? 8 - (size_t)o : n - k;
		if (memcmp(b + k, (char *)&w + o, m))
			return k;
	}
	return -1;
}

/* Says on stderr what the bytes at a fault really are: where in which stream, if that can be told. */
static inline void pattern_blame(uint32_t id, int dir, uint64_t off, const void *data, size_t n)
{
	const unsigned char *b = data;
	uint64_t w, v;
	size_t k;

	fprintf(stderr, "FAULT connection %u direction %d offset %llu: ", id, dir, (unsigned long long)off);
	for (k = 0; k < 64 && k + 8 <= n; k++) {
		memcpy(&w, b + k, 8);
		v = pattern_decode(w);
		if (v >> 56 != PATTERN_TAG)
			continue;
		uint32_t got_id = v >> 41 & 0x7fff;
		int got_dir = v >> 40 & 1;
		uint64_t got = (v & 0xffffffffffull) * 8 - k;

		if (got_id != (id & 0x7fff) || got_dir != dir)
			fprintf(stderr, "bytes of connection %u direction %d offset %llu\n", got_id, got_dir,
				(unsigned long long)got);
		else
			fprintf(stderr, "%s: bytes of offset %llu (%+lld)\n",
				got > off ? "lost or early" : "duplicated or late", (unsigned long long)got,
				(long long)(got - off));
		return;
	}
	fprintf(stderr, "unknown bytes, %zu of them here\n", n);
}

#endif
