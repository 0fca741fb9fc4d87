/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * advice.h: what `sockhop advise` makes of the connections that `sockhop list --all` shows: for each service
 * what joins, or would, and for those that stay out the one change that would let them in.
 */
#ifndef SOCKHOP_VIEW_ADVICE_H
#define SOCKHOP_VIEW_ADVICE_H

#include <json-c/json.h>

/*
 * What would let an end with this reason (enum hop_why) join, in a line. It begins with "nothing: " where
 * there is nothing to be done about it. Takes any number.
 */
const char *advice_change(unsigned int why);

/*
 * pairs: the array of `sockhop list --all --json`. The result is the caller's; NULL without memory. Its keys:
 *
 * - "connections", "would_join": how many there are, and how many of them join, have joined or would;
 * - "messages": data segments on TCP and hops that they carried so far, and "would_hop", the share of them in
 *   per cent that connections which would join had; null if nothing was carried;
 * - "services": an array of the same counts for each service. A connection counts for the services of both
 *   its ends;
 * - "stay_out": an array, most messages first: "service", "program" (of the end that has the reason; null
 * where nobody knows), "connections", "messages", "share" (in per cent), "reason", "meaning", "change".
 */
json_object *advice_of(json_object *pairs);

#endif
