#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A segment that the verdict program cannot hand over: a reset, never a hole.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

broken_ends() {
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq '[.why_not[] | select(.reason == "broken").count] | add // 0'
}

agent_pid() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq .agent.pid; }

cannot_cut() {
	export SOCKHOP_TEST_FORCE=cut
	attached_cgroup
	"$SOCKHOP" status --instance "$INSTANCE" | grep -q '^stream verdict program: yes' ||
		skip "members have two receive queues on this kernel"
}

@test "a segment that cannot be cut resets the connection, and no byte after it is read" {
	local round
	cannot_cut
	for round in 1 2 3; do
		run -0 member "$K/hole"
		echo "$output"
		[ "$(broken_ends)" -ge "$round" ]
	done
	wait_for 5 no_members
}

@test "the same while the agent is stopped and the sender goes on" {
	local round
	cannot_cut
	for round in 1 2 3; do
		run -0 member "$K/hole" -p "$(agent_pid)"
		echo "$output"
	done
	wait_for 5 no_members
}

@test "the same connection joins and goes on where segments can be cut" {
	attached_cgroup
	run -77 member "$K/hole" -s 3
	echo "$output"
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -e '.counters.joined == 2 and .hopped.messages > 0'
}
