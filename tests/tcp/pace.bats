#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What the agent looks at, and when: passes cost CPU time, so nobody gets one for nothing.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# attached, with an agent that says what it does
watched_agent() {
	LOG="$BATS_TEST_TMPDIR/agent"
	attached_cgroup --no-agent
	spawn -o "$LOG" "$SOCKHOP" agent -vv --instance "$INSTANCE"
}

# two ends that talk for long
pair() { spawn -c "$CG" -o "$BATS_TEST_TMPDIR/rr$1" "$K/rr" -w 0 -s 25; }

examined() { grep -oE 'examined [0-9]+' "$LOG" | tail -n1 | cut -d' ' -f2; }
passes() { grep -c 'pass over' "$LOG"; }
more_than() { [ "$(passes)" -gt "$1" ]; }

@test "a pass for a new connection leaves out the members, one for everybody does not" {
	watched_agent
	pair 1
	wait_for 10 members_are 2
	pair 2
	wait_for 10 members_are 4
	cat "$LOG"
	[ "$(examined)" -eq 2 ]
	"$SOCKHOP" policy add never port 9 --instance "$INSTANCE"
	everybody() { [ "$(examined)" -eq 4 ]; }
	wait_for 5 everybody
	members_are 4
}

@test "a program that starts costs a pass only if it inherits a connection" {
	local port before
	veto_stands # else the agent looks for programs that the guard is for
	watched_agent
	port=$(free_port)
	spawn python3 -m http.server "$port" --bind 127.0.0.1
	wait_listen "$port"
	pair 1
	wait_for 10 members_are 2
	sleep 1
	before=$(passes)
	for _ in 1 2 3 4 5; do
		in_cgroup "$CG" true
	done
	sleep 1
	cat "$LOG"
	[ "$(passes)" -eq "$before" ]
	in_cgroup "$CG" bash -c 'exec 5<>/dev/tcp/127.0.0.1/$0; /bin/true; true' "$port"
	wait_for 5 more_than "$before"
	# in a table of descriptors that is larger than a program's first one
	before=$(passes)
	in_cgroup "$CG" bash -c 'exec 200<>/dev/tcp/127.0.0.1/$0; /bin/true; true' "$port"
	wait_for 5 more_than "$before"
}

counter() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq ".counters.$1"; }

# vetoed CMD...: short.py has been found to be vetoed, and has had 100 short connections; ARGS: what it starts then
vetoed() {
	veto_stands
	watched_agent
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/short" "$lib_root/tests/prog/short.py" 100 "$@"
	wait_list "$JOIN_WAIT" 'length == 1 and .[0].reason == "splice-capable"' "$INSTANCE"
	BEFORE=$(passes) PAIRED=$(counter paired)
	kill -USR1 "$SPAWN_PID"
	wait_for 20 has "$BATS_TEST_TMPDIR/short" 'done'
}

@test "the connections of a vetoed program cost no pass, until the policy changes" {
	vetoed
	cat "$LOG"
	[ "$(counter registered)" -ge 200 ]
	[ "$(counter paired)" -eq "$PAIRED" ]
	[ "$(passes)" -eq "$BEFORE" ]
	wait_list 5 'length == 1 and .[0].reason == "splice-capable"' "$INSTANCE"
	"$SOCKHOP" policy add trust all --instance "$INSTANCE"
	wait_for "$JOIN_WAIT" members_are 2
}

@test "a vetoed program that starts another one is no longer vetoed" {
	vetoed "$K/rr" -w 0 -s 20
	wait_for "$JOIN_WAIT" members_are 2
}

@test "a connection of a vetoed program joins once another program has it" {
	# it sends to one end what it reads from the other, and so gets it again
	vetoed socat FD:{} FD:{}
	sleep 1
	members_are 0
	pair 1
	wait_for "$JOIN_WAIT" members_are 4
}
