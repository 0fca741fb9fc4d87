#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The relay's passes take the lock of every TCP socket of its network namespace. One that somebody holds keeps directions
# where they are, and stops nothing else.

bats_require_minimum_version 1.5.0

setup() {
	source "$BATS_TEST_DIRNAME/../lib.bash"
	source "$BATS_TEST_DIRNAME/relay.bash"
	export JOIN_WAIT=${JOIN_WAIT:-40}
}
teardown() { lib_teardown; }

K=$BUILD/tests/prog
HOLD=100

# A socket that is none of the relay's is held, longer than anything here may take.
hold() {
	HELD_LOG=$BATS_TEST_TMPDIR/held
	spawn -o "$HELD_LOG" "$K/held" -s $HOLD
	HELD=$SPAWN_PID
	wait_for 10 grep -q 'held ready' "$HELD_LOG"
}
let_go() {
	kill -USR1 "$HELD"
	wait "$HELD"
}
# in_time SCENARIO [COUNT]: done long before the socket is let go of
in_time() { timeout $((HOLD / 2)) "$load_program" "$1" "$RELAY_PORT" "${TARGET_PORT:-0}" ${2:+"$2"}; }
# Its passes wait: the process that runs them sleeps where no signal reaches it.
passes_wait() { grep -q '^State:.D' "/proc/$(pgrep -P "$RELAY_PID")/status"; }
passes_come_back() { ! passes_wait; }

@test "while a socket is held the relay serves on: traffic that changes between chatty and bulk" {
	forward auto
	hold
	in_time mixed 6
	passes_wait
	# new connections, too; those that turn to bulk in the kernel path stay there
	in_time many 50
	in_time sizes 100
	in_time mixed 6
	passes_wait
	let_go
	wait_for 10 passes_come_back
	load mixed 6
	[ "$(state '.bytes.splice + .bytes.copy > 0')" = true ]
}

@test "while a socket is held the relay serves on: connections that could collapse" {
	new_cgroup
	attach "$CG"
	forward auto --collapse --instance "$INSTANCE"
	hold
	in_time sizes 200
	passes_wait
	in_time sizes 200
	let_go
	wait_for 10 passes_come_back
	in_cgroup "$CG" timeout 100 "$K/collapse" hop "$RELAY_PORT" "$TARGET_PORT" 1
}

@test "a relay that is told to stop while a pass waits ends at once" {
	forward auto
	hold
	in_time mixed 6
	passes_wait
	kill "$RELAY_PID"
	wait_exit 10 "$RELAY_PID" 0
	let_go
}

@test "a relay that starts while a socket is held carries all bytes in user space, and says why" {
	hold
	forward auto
	wait_for 20 grep -q 'no kernel path (a call holds a socket' "$RELAY_LOG"
	in_time sizes 100
	[ "$(state .kernel)" = false ]
	let_go
}

@test "a killed process that runs the passes is replaced" {
	forward auto
	load mixed 2
	kill -KILL "$(pgrep -P "$RELAY_PID")"
	load mixed 6
	pgrep -P "$RELAY_PID"
}
