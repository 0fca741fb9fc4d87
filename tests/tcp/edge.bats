#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Edge-triggered readers: a short read means "drained" to them, so bytes may never wait without an event.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# SOCKHOP_TEST_FORCE: two receive queues, as on kernels where the verdict program cannot be used
two_queues=$((1 << 17))
no_edge_rule=$((1 << 16))

# longest_on_plain ARGUMENT...: milliseconds that bytes wait for their event on plain TCP, 80 at least
longest_on_plain() {
	local out
	out=$(plain "$K/edge" -W 100000 "$@")
	awk -v p="$(field longest_ms "$out")" 'BEGIN { print int(p < 80 ? 80 : p) }'
}

@test "an edge-triggered reader that was busy gets all bytes, and none waits for an event" {
	local limit
	limit=$(longest_on_plain -n 4)
	attached_cgroup
	run -0 member "$K/edge" -n 8 -W "$limit"
	echo "$output"
	at_least "$(field hop_percent "$output")" 1
	# all of it fits into the buffers: no further segment would bring an event
	run -0 member "$K/edge" -n 8 -b 120000 -W "$limit"
	echo "$output"
	at_least "$(field hop_percent "$output")" 20
}

@test "the checker fails with two receive queues and without the edge rule" {
	export SOCKHOP_TEST_FORCE=$((two_queues | no_edge_rule))
	attached_cgroup
	# whether a message stays while others are unread depends on timing
	for bytes in 120000 2000000 120000 2000000 120000 2000000; do
		run member "$K/edge" -n 12 -b $bytes
		echo "$output"
		[ "$status" -eq 0 ] || break
	done
	[ "$status" -eq 1 ]
	[[ $output == *STALLED*readable* || $(field longest_ms "$output") != 0.* ]]
}

@test "two receive queues: an edge-triggered reader stays on TCP, with its reason" {
	export SOCKHOP_TEST_FORCE=$two_queues
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" env JOIN_WAIT=8 "$K/edge" -n 1
	wait_list 20 'any(.[]; .reason == "edge-triggered")' "$INSTANCE"
	code=0
	wait "$SPAWN_PID" || code=$?
	cat "$BATS_TEST_TMPDIR/log"
	[ "$code" -eq 77 ]
}

@test "two receive queues: when a member begins to wait with EPOLLET, no byte goes to TCP behind hop bytes" {
	export SOCKHOP_TEST_FORCE=$two_queues
	attached_cgroup
	run -0 member "$K/edge" -l -n 4 -b 120000
	echo "$output"
	at_least "$(field hop_percent "$output")" 99
}
