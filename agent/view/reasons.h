/* SPDX-License-Identifier: GPL-2.0-only */
/* reasons.h: words for the reasons and states of bpf/. All functions take any number and never return NULL
 * fields. */
#ifndef SOCKHOP_VIEW_REASONS_H
#define SOCKHOP_VIEW_REASONS_H

struct reason {
	const char *name; /* as shown and as in JSON */
	const char *help; /* one line */
};

/* Why a message of a member took the TCP path: enum hop_stay. */
const struct reason *reason_stay(unsigned int stay);
/* Why an end is no member: enum hop_why. */
const struct reason *reason_why(unsigned int why);
/* What an end is: enum hop_state. */
const struct reason *reason_state(unsigned int state);

#endif
