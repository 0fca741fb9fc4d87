#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Early joins: services that the operator vouches for, inserted at ESTABLISHED, both ends or none.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# early RULES...: an attached cgroup with this policy
early() {
	printf '%s\n' "$@" >"$BATS_TEST_TMPDIR/policy"
	attached_cgroup --policy "$BATS_TEST_TMPDIR/policy"
	"$SOCKHOP" check --json | jq -e '.checks[] | select(.check == "early joins") | .state == "ok"' >/dev/null ||
		skip "this kernel has no bpf_cast_to_kern_ctx()"
}

counted() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq ".counters.$1"; }

@test "an early rule joins every connection, and no byte is lost" {
	early "early all"
	member "$K/stream_check" -n 60 -s 5 -H 2
	[ "$(counted joined_early)" -ge 120 ]
}

@test "thousands of short connections join early, both ends of each" {
	early "early all"
	member "$K/rr" crc -s 2 -w 0
	local n
	n=$(counted joined_early)
	[ "$n" -ge 1000 ]
	[ $((n % 2)) -eq 0 ]
	wait_for 5 no_members
}

@test "half-closes of early members: no gap, no EPIPE" {
	early "early all"
	member "$K/half_close" -n 500
}

@test "an early rule for a local port joins that service only" {
	local port other
	port=$(free_port)
	other=$(free_port)
	early "early local port $port"
	member "$K/rr" -s 0.5 -w 0 -p "$port"
	[ "$(counted joined_early)" -ge 2 ]
	[ "$(counted joined_early)" -le 4 ]
	local before
	before=$(counted joined_early)
	member "$K/rr" -s 0.5 -w 0 -p "$other"
	[ "$(counted joined_early)" -eq "$before" ]
}

@test "never at one end beats early at the other" {
	local port
	port=$(free_port)
	early "never peer port $port" "early local port $port"
	member "$K/rr" -s 0.5 -w 0 -p "$port"
	[ "$(counted joined_early)" -eq 0 ]
	[ "$(counted joined)" -eq 0 ]
}

@test "an early rule does not let in a client that connects with a blocking socket" {
	early "early all"
	member "$K/rr" -b -s 1 -w 0
	"$SOCKHOP" status --json --instance "$INSTANCE" |
		jq -e '.hopped.messages == 0 and .counters.joined_early == 0 and (.why_not | any(.reason == "blocking"))'
}

@test "an early member whose accepted socket blocks takes the TCP path and leaves" {
	local port
	port=$(free_port)
	early "early all"
	spawn -c "$CG" "$K/rr" rr server -b -p "$port"
	run -0 member "$K/rr" rr client -s 1 -w 0 -p "$port"
	jq -e '.hop_share == 0' <<<"$output" # the answers may hop at first: their reader does not block
	"$SOCKHOP" status --json --instance "$INSTANCE" |
		jq -e '.counters.joined_early >= 2 and .counters.left > 0'
}

# Both cgroups have the programs, so each callback of a socket in the inner one runs twice.
@test "early members below two attached cgroups leave, and join again" {
	local outer policy=$BATS_TEST_TMPDIR/policy
	new_cgroup
	outer=$CG
	new_cgroup "$outer"
	echo "early all" >"$policy"
	attach "$CG" --policy "$policy"
	"$SOCKHOP" check --json | jq -e '.checks[] | select(.check == "early joins") | .state == "ok"' >/dev/null ||
		skip "this kernel has no bpf_cast_to_kern_ctx()"
	attach "$outer"
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/rr" -w 0 -s 40
	wait_for 10 members_are 2
	[ "$(counted joined_early)" -eq 2 ]
	echo never >"$policy"
	"$SOCKHOP" policy set "$policy" --instance "$INSTANCE"
	wait_for 20 no_members
	: >"$policy"
	"$SOCKHOP" policy set "$policy" --instance "$INSTANCE"
	wait_for "$JOIN_WAIT" members_are 2
	end_pid "$SPAWN_PID"
}
