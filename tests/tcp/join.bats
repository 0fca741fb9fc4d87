#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Who joins and who does not, and that joining in mid-stream costs no byte.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

@test "streams, request-response and slow readers join in mid-stream without a fault" {
	attached_cgroup
	member "$K/stream_check" -n 60 -s 6 -H 2
}

@test "a thousand connections join in mid-stream" {
	attached_cgroup
	member "$K/stream_check" -n 1000 -s 10 -H 2
}

@test "one thread reads and another one writes the same members" {
	attached_cgroup
	member "$K/stream_check" -T -n 40 -s 5 -H 2
}

@test "IPv6 connections join" {
	attached_cgroup
	member "$K/stream_check" -6 -n 20 -s 4 -H 2
}

@test "IPv4 and v4-mapped clients of an IPv6 listener join" {
	attached_cgroup
	member "$K/stream_check" -m -n 20 -s 4 -H 2
}

@test "the checker fails when partly read segments are handed over whole" {
	export SOCKHOP_TEST_FORCE=4 # HOP_FORCE_TRIM
	attached_cgroup
	"$SOCKHOP" status --instance "$INSTANCE" | grep -q '^stream verdict program: yes' ||
		skip "the verdict program is not needed on this kernel"
	for _ in 1 2 3 4; do
		member "$K/stream_check" -n 200 -s 6 || return 0
	done
	echo "no fault was seen without it"
	return 1
}

@test "the checker fails when the order rule is taken away" {
	export SOCKHOP_TEST_FORCE=8 # HOP_FORCE_ORDER
	attached_cgroup
	for _ in 1 2 3 4; do
		member "$K/stream_check" -n 60 -s 4 || return 0
	done
	echo "no fault was seen without the order rule"
	return 1
}

@test "connections older than the attach join, and outlive the detach" {
	new_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/existing" -n 20 -s 60
	wait_for 5 has "$BATS_TEST_TMPDIR/log" ready
	attach "$CG"
	wait_for 30 has "$BATS_TEST_TMPDIR/log" 'hopping=20 '
	detach_all
	wait_for 10 eval 'tail -n1 "$BATS_TEST_TMPDIR/log" | grep -q hopping=0'
	run ! has "$BATS_TEST_TMPDIR/log" broken
}

@test "blocking readers never join and see what they see on plain TCP" {
	attached_cgroup
	member "$K/blocking_client" -s 1
}

@test "a member keeps its bytes through fork, SCM_RIGHTS, dup and two readers" {
	attached_cgroup
	member "$K/share"
}

@test "a member that turns blocking leaves after few spurious EAGAIN" {
	attached_cgroup
	member "$K/flip" blocking
}

# One option a test, so that a list of what differs stays exact.
option_as_plain() {
	local want got
	attached_cgroup
	want=$(plain "$K/flip" "$1")
	got=$(member "$K/flip" "$1")
	echo "plain:  $want"
	echo "member: $got"
	[ "$got" = "$want" ]
}

@test "SO_RCVLOWAT set on a member is honoured" { option_as_plain lowat; }
@test "SO_OOBINLINE set on a member is honoured" { option_as_plain oobinline; }
@test "SO_ZEROCOPY set on a member gets its completions" { option_as_plain zerocopy; }
@test "TCP_ULP set on a member does what it does on plain TCP" { option_as_plain ulp; }
@test "SO_MAX_PACING_RATE set on a member is honoured" { option_as_plain pacing; }

# Records of TLS that hopped would be read as they are. (Here the module may be missing: then it is ENOENT later.)
@test "TCP_ULP is refused while bytes that hopped wait to be read, and not afterwards" {
	attached_cgroup
	run -0 member "$K/flip" ulp-queued
	echo "$output"
	[ "$(field waiting "$output")" = EBUSY ]
	[ "$(field read "$output")" = ok:waiting ]
	[ "$(field later "$output")" != EBUSY ]
	[ "$(field after "$output")" = ok ]
}

@test "TCP_REPAIR on and off leaves a member working" {
	attached_cgroup
	run -0 member "$K/flip" repair
	echo "$output"
	[ "$(field off "$output")" = ok ]
	[ "$(field rr "$output")" = ok ]
	[ "$(field after "$output")" = ok ]
}

@test "a full table leaves connections on TCP, and nothing breaks" {
	attached_cgroup --max-connections 4
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/existing" -n 20 -s 6
	wait "$SPAWN_PID"
	cat "$BATS_TEST_TMPDIR/log"
	run ! has "$BATS_TEST_TMPDIR/log" broken
	has "$BATS_TEST_TMPDIR/log" 'hopping=[1-4] '
	run ! grep -qE 'hopping=([5-9]|1[0-9]|20) ' "$BATS_TEST_TMPDIR/log"
}

@test "a policy that says never takes members out, its end lets them in again, with no byte lost" {
	local log=$BATS_TEST_TMPDIR/log
	attached_cgroup
	spawn -c "$CG" -o "$log" "$K/existing" -n 10 -s 60
	wait_for 30 has "$log" 'hopping=10 '
	echo never >"$BATS_TEST_TMPDIR/never"
	: >"$BATS_TEST_TMPDIR/empty"
	"$SOCKHOP" policy set "$BATS_TEST_TMPDIR/never" --instance "$INSTANCE"
	wait_for 20 eval 'tail -n1 "$BATS_TEST_TMPDIR/log" | grep -q hopping=0'
	"$SOCKHOP" policy set "$BATS_TEST_TMPDIR/empty" --instance "$INSTANCE"
	wait_for 30 eval 'tail -n1 "$BATS_TEST_TMPDIR/log" | grep -q hopping=10'
	run ! has "$log" broken
}

@test "forged sequence numbers get no byte and give none" {
	attached_cgroup
	for how in "" "-o" "-k -1" "-o -k -1"; do
		# shellcheck disable=SC2086
		member "$K/forge" -r 6000 $how
	done
}

@test "forged sequence numbers of a connection whose peer is outside get no byte and give none" {
	local outside
	attached_cgroup
	outside=$CG
	new_cgroup
	for how in "" "-o" "-k -1" "-o -k -1"; do
		# shellcheck disable=SC2086
		in_cgroup "$outside" timeout 60 "$K/forge" -r 6000 -g "$CG/cgroup.procs" $how
	done
}

# Only those that are younger are known to have been made by repair.
@test "forged sockets that are older than the attach of their cgroup get no byte and give none" {
	local victims
	attached_cgroup
	victims=$CG
	for how in "" "-o" "-k -1" "-o -k -1"; do
		new_cgroup
		# shellcheck disable=SC2086
		run -0 in_cgroup "$victims" timeout 60 "$K/forge" -r 6000 -G "$CG/cgroup.procs" \
			-x "'$SOCKHOP' attach --instance '$INSTANCE' '$CG' 3>&-" $how
		echo "$how: $output"
		[[ $output == *"stolen=0 injected=0"* ]]
	done
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -c '[.counters, .why_not]'
}

@test "a retransmitted segment that overlaps what came before is not delivered twice" {
	echo "trust all" >"$BATS_TEST_TMPDIR/policy"
	SOCKHOP_PLAIN=1 timeout 20 "$lib_root/tests/prog/overlap.py"
	timeout 60 "$SOCKHOP" run --instance "overlap-$$" --policy "$BATS_TEST_TMPDIR/policy" -- \
		"$lib_root/tests/prog/overlap.py"
}

@test "a rule that names a program takes its members out, and its end lets them in again" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/rr" -c 4 -s 12
	wait_for 10 members_are 8
	"$SOCKHOP" policy add --instance "$INSTANCE" never program rr
	wait_for 5 members_are 0
	"$SOCKHOP" list --all --json --instance "$INSTANCE" | jq -e 'any(.[]; .why == "policy")' ||
		"$SOCKHOP" list --all --json --instance "$INSTANCE" | grep -q policy
	"$SOCKHOP" policy del --instance "$INSTANCE" 1
	wait_for 10 members_are 8
	wait "$SPAWN_PID"
}

# What was found out of a program under another policy must not count: it kept ends out for good.
@test "a rule that comes and goes while members leave keeps nobody out" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/rr" -c 4 -s 20
	wait_for 10 members_are 8
	for i in 7 4 1 8 5 2 9 6; do
		"$SOCKHOP" policy add --instance "$INSTANCE" never program rr
		sleep "0.0$i"
		"$SOCKHOP" policy del --instance "$INSTANCE" 1
		sleep "0.0$((10 - i))"
	done
	wait_for 10 members_are 8
	end_pid "$SPAWN_PID"
}

# ---- who only receives ----

@test "a subscriber, which sends nothing, is found by a pass, and what is published hops" {
	attached_cgroup
	run -0 member "$K/publish" -s 5
	echo "$output"
	at_least "$(field hop_percent "$output")" 30
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -e '.counters.sought == 1'
	run -0 "$SOCKHOP" status --json --instance "$INSTANCE" # its record goes with it
	jq -e '[.. | objects | select(has("used") and .used != 0)] | length == 0' <<<"$output"
}

@test "a subscriber that has left is found again" {
	attached_cgroup
	attach "$CG" # our own program is no other one, for which nobody would be sought
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/publish" -s 60
	wait_for "$JOIN_WAIT" members_are 2
	echo never >"$BATS_TEST_TMPDIR/policy"
	"$SOCKHOP" policy set "$BATS_TEST_TMPDIR/policy" --instance "$INSTANCE"
	wait_for 20 no_members
	: >"$BATS_TEST_TMPDIR/policy"
	"$SOCKHOP" policy set "$BATS_TEST_TMPDIR/policy" --instance "$INSTANCE"
	wait_for "$JOIN_WAIT" members_are 2
	end_pid "$SPAWN_PID"
}

@test "streams of large messages join in mid-stream without a fault" {
	attached_cgroup
	run -0 member "$K/stream_check" -L -n 2 -s 5
	echo "$output"
	at_least "$(field hop_percent "$(grep role=client <<<"$output")")" 20
}

@test "a stream of large messages joins, and hops" {
	attached_cgroup
	for _ in 1 2 3; do # on a busy machine its reader may be behind all the time
		run -0 member "$K/rr" stream -z 262144 -w 1 -s 1
		echo "$output"
		jq -e '.hop_share > 0.5' <<<"$output" && return 0
	done
	return 1
}

@test "one-way traffic in small messages that hardly pauses is told by its rate" {
	attached_cgroup
	for _ in 1 2 3 4 5; do # what the sender is not let run for a while may pass for a pause
		member "$K/rr" stream -z 4096 -w 0.1 -s 0.3
	done
	"$SOCKHOP" status --json --instance "$INSTANCE" | tee "$BATS_TEST_TMPDIR/status" | jq -c '[.counters.joined, .why_not]'
	jq -e '.why_not | map(select(.reason == "stream").count) | add > 0' "$BATS_TEST_TMPDIR/status"
}

@test "a silent receiver outside the cgroup, or kept out by the policy, is not registered" {
	echo "never all" >"$BATS_TEST_TMPDIR/policy"
	attached_cgroup --policy "$BATS_TEST_TMPDIR/policy"
	member "$K/publish" -s 2
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -e '.counters.sought == 0 and .hopped.messages == 0'
}
