#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A policy is in force when `sockhop policy` returns, whether or not an agent runs.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# talk PORT SECONDS: request-response
talk() { spawn -c "$CG" "$K/rr" rr -p "$1" -w 0.1 -s "$2"; }

hopping() { wait_list "$JOIN_WAIT" "map(select(.state == \"hopping\")) | length == $1" "$INSTANCE"; }

hopped() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.messages; }

# hops of the connection to PORT so far, both ways
hopped_by() {
	"$SOCKHOP" list --json --instance "$INSTANCE" |
		jq --argjson p "$1" '[.[] | select(.a.local.port == $p or .b.local.port == $p) | .a.messages_hopped + .b.messages_hopped] | add // 0'
}

kill_agent() {
	kill -KILL "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .agent.pid)"
	wait_for 5 no_agent
}
no_agent() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -e '.agent.alive | not' >/dev/null; }

moves() { [ "$(hopped_by "$1")" -gt "$2" ]; }

@test "without an agent a never rule ends all hops at once, and says so" {
	local before port
	port=$(free_port)
	attached_cgroup
	talk "$port" 30
	hopping 1
	kill_agent
	run --separate-stderr -0 "$SOCKHOP" policy add never port "$port" --instance "$INSTANCE"
	before=$(hopped)
	echo "$stderr"
	[[ $stderr == *"no agent runs"*"sockhop agent --instance $INSTANCE"* ]]
	sleep 0.5 # it goes on talking
	[ "$(hopped)" -eq "$before" ]
	"$SOCKHOP" status --json --instance "$INSTANCE" |
		jq -e '.stay_reasons[] | select(.reason == "policy").count > 0'
	# the next agent takes it out
	attach "$CG"
	wait_for 10 no_members
	end_pid "$SPAWN_PID"
}

@test "with an agent hops go on where the rule does not apply" {
	local mine other seen before
	mine=$(free_port)
	attached_cgroup
	talk "$mine" 40
	hopping 1
	other=$(free_port)
	talk "$other" 40
	hopping 2
	run --separate-stderr -0 "$SOCKHOP" policy add never port "$mine" --instance "$INSTANCE"
	before=$(hopped_by "$mine")
	[ -z "$stderr" ]
	seen=$(hopped_by "$other")
	wait_for 10 moves "$other" "$((seen + 100))"
	[ "$(hopped_by "$mine")" -le "$before" ] # its end of the count goes with its membership
	wait_for 10 members_are 2
	# both of the other one stayed what they were
	[ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .counters.left)" -eq 2 ]
}

@test "the same where a rule names a program" {
	local before
	cp "$K/rr" "$BATS_TEST_TMPDIR/walled"
	attached_cgroup
	spawn -c "$CG" "$BATS_TEST_TMPDIR/walled" rr -w 0.1 -s 40
	hopping 1
	talk "$(free_port)" 40
	hopping 2
	kill_agent
	"$SOCKHOP" policy add never program "$BATS_TEST_TMPDIR/walled" --instance "$INSTANCE"
	before=$(hopped)
	sleep 0.5
	[ "$(hopped)" -eq "$before" ]
	attach "$CG"
	wait_for 10 members_are 2
	before=$(hopped)
	sleep 0.5
	at_least "$(hopped)" "$((before + 100))"
}

@test "an early member that a rule does not concern hops on" {
	local port
	port=$(free_port)
	echo "early all" >"$BATS_TEST_TMPDIR/policy"
	attached_cgroup --policy "$BATS_TEST_TMPDIR/policy"
	talk "$port" 30
	hopping 1
	"$SOCKHOP" policy add never port 9 --at 1 --instance "$INSTANCE"
	wait_for 10 moves "$port" "$(($(hopped_by "$port") + 100))"
	members_are 2
}

# Nobody registers there, so the namespace is not known for its ends.
@test "connections made while a rule said never join when it is gone" {
	echo never >"$BATS_TEST_TMPDIR/policy"
	attached_cgroup --policy "$BATS_TEST_TMPDIR/policy"
	talk "$(free_port)" 60
	refused() {
		"$SOCKHOP" status --json --instance "$INSTANCE" |
			jq -e '.why_not | any(.reason == "policy" and .count >= 2)' >/dev/null
	}
	wait_for 10 refused
	"$SOCKHOP" policy del 1 --instance "$INSTANCE"
	hopping 1
	end_pid "$SPAWN_PID"
}

# As systemd runs it: what is in ExecStartPre=, with names of our own in the environment.
before_start() {
	export SOCKHOP_ATTACH=$CG SOCKHOP_POLICY=$BATS_TEST_TMPDIR/policy
	eval "$(sed -n 's/^ExecStartPre=//p' "$BATS_TEST_DIRNAME/../../docs/examples/sockhop-agent.service" |
		sed "s,\\\$\\\$,\$,g; s,/usr/local/sbin/sockhop,$BATS_TEST_TMPDIR/sockhop,")"
}

@test "a restart of the example unit takes back no rule that was added live" {
	new_cgroup
	# shellcheck disable=SC2154 # of lib.bash
	INSTANCE=$lib_id
	_lib_note instance "$INSTANCE"
	printf '#!/bin/sh\nexec "%s" "$@" --instance "%s"\n' "$SOCKHOP" "$INSTANCE" >"$BATS_TEST_TMPDIR/sockhop"
	chmod +x "$BATS_TEST_TMPDIR/sockhop"
	echo "never port 22" >"$BATS_TEST_TMPDIR/policy"
	before_start
	"$SOCKHOP" policy add never port 23 --instance "$INSTANCE"
	before_start
	run -0 "$SOCKHOP" policy show --instance "$INSTANCE"
	echo "$output"
	[[ $output == *"port 22"*"port 23"* ]]
}
