/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * state.h: running relays, for `sockhop status` and `sockhop list`.
 *
 * Each relay process answers at a Unix socket, /run/sockhop/relay-PID.sock (mode 0600): a client that
 * connects gets one message with a memfd that holds the state as JSON. So the answer is never stale, and a
 * slow reader cannot hold up the relay.
 */
#ifndef SOCKHOP_RELAY_STATE_H
#define SOCKHOP_RELAY_STATE_H

#include <stdint.h>
#include <json-c/json.h>

#define RELAY_RUN_DIR "/run/sockhop"

/*
 * All running relays of this host: an array, empty when there are none; the caller puts it. Each is
 *   {"program", "pid", "worker", "mode": "forward", "listen": "127.0.0.1:80", "targets": [...], "kernel":
 * true, "draining": false, "connections": n, "connections_total": n, "failed": n, "bytes": {"kernel",
 * "splice", "copy"}, "trimmed": n, "collapse": true, "collapsed": n, "hopped": n,
 * "pairs": [{"a": ADDR, "b": ADDR, "ends": [{"local", "peer"}, ...], "collapsed": false, "state": "joined",
 * "seconds": n, "a_to_b": {"path", "kernel", "splice", "copy", "hopped", "messages_hopped"}, "b_to_a":
 * {...}}]} Counts are bytes, but for connections and messages. Sockets of processes that are gone are
 * removed. 0 or -errno (-EACCES: not ours to read).
 */
int relay_list(json_object **out);

/*
 * Add all pairs of all running relays to an array, as `sockhop list` shows them beside the hops: each is
 *   {"state": "relayed" (or "collapsed", "waiting", "connecting", "closed"), "reason": null, "meaning": null,
 *    "a": {"local": ADDRESS, "peer": ADDRESS}, "b": {...}, "a_to_b": {"path", "bytes", "kernel", "splice",
 *    "copy", "hopped"}, "b_to_a": {...}, "seconds": n, "relay": {"program", "pid", "mode"}}
 * with addresses as of output_address(), null where there is none (yet); a Unix socket has a null port. a is
 * the client, or the first of two. 0 or -errno as relay_list().
 */
int relay_list_pairs(json_object *out);

struct relay_worker;
struct relay_event;

/* The worker's side. open: 0 or -errno. */
int relay_state_open(struct relay_worker *w);
void relay_state_ready(struct relay_worker *w, struct relay_event *ev, uint32_t events);
void relay_state_close(struct relay_worker *w);

#endif
