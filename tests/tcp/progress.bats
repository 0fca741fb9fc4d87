#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A command that takes long says on a terminal what it does, and nothing where nobody reads.

setup() {
	load ../lib
	load tcp
	export TERM=xterm
}
teardown() { lib_teardown; }

on_terminal() { "$lib_root/tests/prog/progress.py" "$@" 3>&-; }
# drawn FILE: how often the line was drawn
drawn() { grep -c '^[0-9]' "$1"; }

# Blocked namespaces hold it up: it waits 100 ms for each.
@test "attach says on a terminal where it looks for older connections, and clears the line" {
	local log=$BATS_TEST_TMPDIR/terminal i
	new_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/old" "$K/existing" -n 3000 -s 60
	wait_for 20 has "$BATS_TEST_TMPDIR/old" ready
	for i in {1..7}; do
		new_netns
		spawn -c "$CG" -n "$NS" -o "$BATS_TEST_TMPDIR/held$i" "$K/held" -s 60
		wait_for 10 has "$BATS_TEST_TMPDIR/held$i" 'held ready'
	done
	INSTANCE=$lib_id
	_lib_note instance "$INSTANCE"
	on_terminal "$SOCKHOP" attach --instance "$INSTANCE" "$CG" >"$log"
	cat "$log"
	grep -q 'sockhop: [0-9]* s: older connections, [0-9]* network namespaces done: /' "$log"
	run ! grep -q '^left:.*namespaces done' "$log"
}

@test "detach says on a terminal who is left, and nothing elsewhere" {
	local log=$BATS_TEST_TMPDIR/terminal rest
	attached_cgroup
	rest=$INSTANCE-draining-1
	# a member that cannot leave, as nobody reads what hopped to it
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/unread" "$K/unread" -s 60
	wait_for 30 has "$BATS_TEST_TMPDIR/unread" 'unread ready'
	run -1 on_terminal "$SOCKHOP" detach --all --instance "$INSTANCE" --timeout 3
	echo "$output" | tee "$log"
	grep -q 'sockhop: [0-9] s: [12] members* .* left to leave, until their programs have read$' "$log"
	# from half a second on, four times a second at most: 3 s, and what a busy machine adds
	at_least "$(grep -m1 -oE '^[0-9]+' "$log")" 500
	at_least "$(drawn "$log")" 3
	[ "$(drawn "$log")" -le 20 ]
	grep -q '^left: .sockhop: .*not read' "$log"
	run ! grep -q '^left:.*left to leave' "$log"

	# the line fits the terminal
	run -1 on_terminal --size 30 "$SOCKHOP" detach --all --instance "$rest" --timeout 1
	echo "$output" | tee "$log"
	grep '^[0-9]' "$log" | awk '{ n++; sub(/^[0-9]+ /, ""); if (length > 29) exit 2 } END { exit !n }'

	# a terminal that cannot erase, and a pipe
	TERM=dumb run -1 on_terminal "$SOCKHOP" detach --all --instance "$rest" --timeout 1
	echo "$output" | tee "$log"
	run ! drawn "$log"
	run -1 "$SOCKHOP" detach --all --instance "$rest" --timeout 1 3>&-
	echo "$output" | tee "$log"
	run ! grep -q $'\r\\|left to leave' "$log"

	kill -USR1 "$SPAWN_PID" # read now
	wait "$SPAWN_PID"
	"$SOCKHOP" detach --all --instance "$rest" 3>&-
}
