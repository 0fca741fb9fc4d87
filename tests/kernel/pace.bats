#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What the agent looks at, and when: passes cost CPU time, so nobody gets one for nothing.

setup() {
	load ../lib
	load kernel
}
teardown() { lib_teardown; }

# attached, with an agent that says what it does
watched_agent() {
	LOG="$BATS_TEST_TMPDIR/agent"
	attached_cgroup --no-agent
	spawn -o "$LOG" "$SOCKHOP" agent -vv --instance "$INSTANCE"
}

# two ends that talk for longer than the test takes
pair() { spawn -c "$CG" -o "$BATS_TEST_TMPDIR/rr$1" "$K/rr" -w 0 -s 200; }

examined() { grep -oE 'examined [0-9]+' "$LOG" | tail -n1 | cut -d' ' -f2; }
# most_examined LINE: the largest number since that line of the log
most_examined() { tail -n "+$(($1 + 1))" "$LOG" | grep -oE 'examined [0-9]+' | cut -d' ' -f2 | sort -n | tail -n1; }
passes() { grep -c 'pass over' "$LOG"; }
more_than() { [ "$(passes)" -gt "$1" ]; }

@test "a pass for a new connection leaves out the members, one for everybody does not" {
	watched_agent
	local since
	pair 1
	wait_for "$JOIN_WAIT" members_are 2
	since=$(wc -l <"$LOG")
	pair 2
	wait_for "$JOIN_WAIT" members_are 4
	cat "$LOG"
	[ "$(most_examined "$since")" -eq 2 ]
	"$SOCKHOP" policy add never port 9 --instance "$INSTANCE"
	everybody() { [ "$(examined)" -eq 4 ]; }
	wait_for "$JOIN_WAIT" everybody
	members_are 4
}

# Passes have many reasons (a look at all members now and then, one that has to be tried again), and on a busy machine
# they come late. So a start that costs one would show each time, and one that costs none shows at last.
starts_cost_nothing() {
	local before
	before=$(passes)
	for _ in 1 2 3 4 5; do
		in_cgroup "$CG" true
	done
	sleep 1
	[ "$(passes)" -eq "$before" ]
}

@test "a program that starts costs a pass only if it inherits a connection" {
	local port before children
	watched_agent
	port=$(free_port)
	spawn python3 -m http.server "$port" --bind 127.0.0.1
	wait_listen "$port"
	pair 1
	wait_for "$JOIN_WAIT" members_are 2
	# it need not talk any more; what it says may cost passes
	read -r -a children <"/proc/$SPAWN_PID/task/$SPAWN_PID/children" || true
	kill -STOP "$SPAWN_PID" "${children[@]}"
	wait_for 30 starts_cost_nothing || {
		cat "$LOG"
		return 1
	}
	before=$(passes)
	in_cgroup "$CG" bash -c 'exec 5<>/dev/tcp/127.0.0.1/$0; /bin/true; true' "$port"
	wait_for "$JOIN_WAIT" more_than "$before"
	# in a table of descriptors that is larger than a program's first one
	before=$(passes)
	in_cgroup "$CG" bash -c 'exec 200<>/dev/tcp/127.0.0.1/$0; /bin/true; true' "$port"
	wait_for "$JOIN_WAIT" more_than "$before"
	kill -CONT "$SPAWN_PID" "${children[@]}"
}
