#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Leaving: half-close, detach and attach again under load, a hop in flight. No byte is lost, none comes twice.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

@test "thousands of half-closes with both directions busy: no gap, no EPIPE" {
	attached_cgroup
	run -0 member "$K/half_close" -n 250 -c 3000
	echo "$output"
	at_least "$(field hop_percent "$output")" 20
}

@test "a reply to a half-close arrives, sent at once" {
	attached_cgroup
	run -0 member "$K/half_close" -m reply -n 250 -c 1000
	echo "$output"
	at_least "$(field hop_percent "$output")" 20
}

@test "a reply to a half-close arrives, sent late" {
	attached_cgroup
	member "$K/half_close" -m reply -d 20 -n 250 -c 1000
}

@test "blocking reads after a half-close keep waiting, as on plain TCP" {
	attached_cgroup
	run -0 member "$K/half_close" -f -n 250 -c 500
	echo "$output"
	[ "$(field spurious "$output")" -eq 0 ]
}

# Detaches and attaches the cgroup until the checker ends.
cycle() {
	local cycles=0
	while ! _lib_ended "$1" "$2"; do
		detach_all 10 || return
		attach "$CG" || return
		wait_for 1 list_is 'length > 0' "$INSTANCE" >/dev/null || true
		sleep 0.3 # let them join: every cycle shall have members to take out
		cycles=$((cycles + 1))
	done
	echo "cycles: $cycles"
	at_least "$cycles" 2
}

@test "detach and attach in a loop under load: nothing lost, doubled or reordered" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/stream_check" -n 200 -s 25
	cycle "$SPAWN_PID" "$(_lib_start_time "$SPAWN_PID")"
	cat "$BATS_TEST_TMPDIR/log"
	wait "$SPAWN_PID"
	at_least "$(field hop "$(grep role=client "$BATS_TEST_TMPDIR/log")")" 1000000
}

@test "the checker fails when members leave without waiting to be quiet" {
	export SOCKHOP_TEST_FORCE=32 # HOP_FORCE_LATCH
	local fault=
	attached_cgroup
	for _ in 1 2 3 4; do
		spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/stream_check" -n 60 -s 5
		wait_for 5 list_is 'map(select(.state == "hopping")) | length > 20' "$INSTANCE" || true
		detach_all 10
		attach "$CG"
		wait "$SPAWN_PID" || fault=1
		cat "$BATS_TEST_TMPDIR/log"
		[ -z "$fault" ] || return 0
	done
	echo "no fault was seen without the latch"
	return 1
}

@test "the same with two threads on every socket" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/stream_check" -T -n 60 -s 15
	cycle "$SPAWN_PID" "$(_lib_start_time "$SPAWN_PID")"
	cat "$BATS_TEST_TMPDIR/log"
	wait "$SPAWN_PID"
}

@test "the same with streams of large messages" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/stream_check" -L -n 2 -s 12
	cycle "$SPAWN_PID" "$(_lib_start_time "$SPAWN_PID")"
	cat "$BATS_TEST_TMPDIR/log"
	wait "$SPAWN_PID"
	at_least "$(field hop "$(grep role=client "$BATS_TEST_TMPDIR/log")")" 1000000
}

@test "a hop in flight while the instance is detached arrives" {
	export SOCKHOP_TEST_FORCE=512 # HOP_FORCE_HELD: else no hop would wait for a lock
	attached_cgroup
	for _ in 1 2 3; do
		run -0 member "$K/lock_inflight" -x "'$SOCKHOP' detach --all --instance '$INSTANCE' --timeout 10"
		echo "$output"
		[ "$(field hopped "$output")" -eq 1 ]
		attach "$CG"
	done
}

# Two threads: that one of them is back says nothing of the other's hop.
@test "a hop in flight while another thread sends and the instance is detached arrives" {
	[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
	export SOCKHOP_TEST_FORCE=512 # HOP_FORCE_HELD
	attached_cgroup
	for _ in 1 2; do
		run -0 member "$K/lock_inflight" -r -x "'$SOCKHOP' detach --all --instance '$INSTANCE' --timeout 10"
		echo "$output"
		[ "$(field stuck "$output")" -eq 1 ]
		[ "$(field hopped "$output")" -eq 1 ]
		attach "$CG"
	done
}

@test "a reader that never reads stays, correct, and a later detach finishes it" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/unread" -s 60
	wait_for 30 has "$BATS_TEST_TMPDIR/log" 'unread ready'
	run detach_all 1
	echo "status $status: $output"
	[ "$status" -ne 0 ]
	kill -USR1 "$SPAWN_PID" # read now
	wait "$SPAWN_PID"
	detach_all 10
}

# Its sockets are members of the old instance until they are read empty: the new one is to try again afterwards.
@test "a reader that never reads joins the next instance once it reads" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/unread" -s 60 -t
	wait_for 30 has "$BATS_TEST_TMPDIR/log" 'unread ready'
	run ! detach_all 1
	attach "$CG"
	refused() {
		"$SOCKHOP" list --all --json --instance "$INSTANCE" |
			jq -e 'any(.[]; .a.why_not == "other-sockmap" or .b.why_not == "other-sockmap")' >/dev/null
	}
	wait_for "$JOIN_WAIT" refused
	kill -USR1 "$SPAWN_PID" # read now
	wait_for 10 has "$BATS_TEST_TMPDIR/log" 'received=ok after=ok'
	for old in /sys/fs/bpf/sockhop/"$INSTANCE"-draining-*; do
		"$SOCKHOP" detach --all --instance "${old##*/}" 3>&-
	done
	wait "$SPAWN_PID"
}

# left_for REASON: the pair is out again
# left_for REASON...: both ends of the only pair have left, for one of them
left_for() {
	"$SOCKHOP" list --all --json --instance "$INSTANCE" | jq -e --args \
		'map(select(.a.member != true and .b.member != true and IN(.a.why_not; $ARGS.positional[]))) | length == 1' "$@" >/dev/null
}

# A redirect waits where a call of the peer holds the socket; recv() in a loop holds it nearly always. Both ends
# must run at the same time for that, so they come before what else this machine does.
# spinning SIZE
spinning() {
	local p50
	attached_cgroup
	run -0 member nice -n -10 "$K/rr" rr -y -z "$1" -C 0 -S 1 -w 6 -s 1 # both must join first, and leave again
	echo "$output"
	p50=$(jq .p50_us <<<"$output")
	"$SOCKHOP" status --json --instance "$INSTANCE" | tee "$BATS_TEST_TMPDIR/status" | jq .hopped
	jq -e '.hopped.messages > 0' "$BATS_TEST_TMPDIR/status"
	jq -e '.why_not | map(select(.reason == "contended").count) | add > 0' "$BATS_TEST_TMPDIR/status"
	run -0 plain nice -n -10 "$K/rr" rr -y -z "$1" -C 0 -S 1 -w 0.2 -s 1
	echo "$output"
	# it was six times that of plain TCP; the rate would say what else the machine does
	jq -e "$p50 < 3 * .p50_us" <<<"$output"
}

@test "programs that never sleep leave as contended, and are not slowed down" {
	spinning 64
}

# Long messages are spared that rule, but only while none comes back.
@test "the same with messages of 32 and 64 KB" {
	spinning 32768
	detach_all 10
	spinning 65536
}

# Some joined, and of each pair one end at least has left.
half_left() {
	"$SOCKHOP" status --json --instance "$INSTANCE" |
		jq -e '.counters | .joined_early > 0 and .left * 2 >= .joined_early' >"$BATS_TEST_TMPDIR/half"
}

# A pass finds such a thread inside send(), nearly always.
@test "senders that never pause leave" {
	echo "early all" >"$BATS_TEST_TMPDIR/policy" # late, they would not join
	attached_cgroup --policy "$BATS_TEST_TMPDIR/policy"
	for _ in 1 2 3; do
		spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/rr" stream -z 64 -s 4
	done
	wait_for 4 half_left || {
		"$SOCKHOP" list --all --json --instance "$INSTANCE"
		return 1
	}
}

# Python could splice, but these ends do not
# pausing ARGUMENTS-OF-PAUSE.PY [OPTION-OF-ATTACH...]
pausing() {
	echo "trust all" >"$BATS_TEST_TMPDIR/policy"
	attached_cgroup --policy "$BATS_TEST_TMPDIR/policy" "${@:2}"
	# shellcheck disable=SC2086
	spawn -c "$CG" python3 "$lib_root/tests/prog/pause.py" $1
	wait_list 6 'map(select(.state == "hopping" and .a.messages_hopped > 10 and .b.messages_hopped > 10)) | length == 1' "$INSTANCE"
}

@test "a pair that falls silent leaves, and joins again when it talks" {
	pausing "4 12" --idle-timeout 1
	wait_for 15 left_for idle || {
		"$SOCKHOP" list --all --json --instance "$INSTANCE"
		return 1
	}
	no_members
	# held back for 2 s, then it proves itself again
	wait_list 14 'map(select(.state == "hopping")) | length == 1' "$INSTANCE"
	wait "$SPAWN_PID"
}

@test "an idle timeout of 0 keeps silent pairs" {
	pausing "4 3" --idle-timeout 0
	wait "$SPAWN_PID"
	[ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .counters.left)" -eq 0 ]
}

@test "a member whose traffic turns to a stream of small messages leaves" {
	pausing "3 30 stream"
	# where the reader does not keep up it may be the stays that are noticed first, or the wait for its calls
	wait_for 25 left_for stream only-stays contended || {
		"$SOCKHOP" list --all --json --instance "$INSTANCE"
		return 1
	}
	end_pid "$SPAWN_PID"
}

@test "a member whose large messages mostly stay leaves" {
	pausing "3 30 behind"
	wait_for 25 left_for only-stays || {
		"$SOCKHOP" list --all --json --instance "$INSTANCE"
		return 1
	}
	end_pid "$SPAWN_PID"
}

@test "a member whose messages only stay, since its peer does not catch up, leaves" {
	pausing "3 30 ahead"
	wait_for 25 left_for only-stays || {
		"$SOCKHOP" list --all --json --instance "$INSTANCE"
		return 1
	}
	end_pid "$SPAWN_PID"
}
