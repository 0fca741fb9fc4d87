/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * histogram.h: the latencies of a program's operations, kept as counts: 32 steps an octave, in nanoseconds.
 */
#ifndef SOCKHOP_TESTS_HISTOGRAM_H
#define SOCKHOP_TESTS_HISTOGRAM_H

#include <stdint.h>

/* 64 powers of two */
#define STEPS	32
#define BUCKETS (64 * STEPS)

static uint64_t histogram[BUCKETS];

/* One operation took s seconds. */
static inline void note_latency(double s)
{
	uint64_t ns = s > 0 ? s * 1e9 : 0;
	int log = ns >= STEPS ? 63 - __builtin_clzll(ns) - 5 : 0;

	histogram[log * STEPS + (ns >> log)]++; /* ns >> log < 2 * STEPS: the upper half of step log */
}

/* Microseconds that the share p of the operations did not take longer than. */
static inline double percentile(double p)
{
	uint64_t total = 0, seen = 0;
	int i;

	for (i = 0; i < BUCKETS; i++)
		total += histogram[i];
	for (i = 0; i < BUCKETS; i++) {
		seen += histogram[i];
		if (seen && seen >= total * p)
			break;
	}
	/* bucket i holds (log, m) with i = log * STEPS + m; m >= STEPS except in the first octave */
	if (i < 2 * STEPS)
		return i * 1e-3;
	return (double)((uint64_t)(i % STEPS + STEPS) << (i / STEPS - 1)) * 1e-3;
}

#endif
