#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The transparency lab: what a program can observe of its connections is the same as on plain TCP, but for what
# differences.json lists (see compare); and random programs get every byte, whatever happens to the instance.
# timeout: 600

setup() {
	bats_require_minimum_version 1.5.0
	load ../lib
	export JOIN_WAIT=${JOIN_WAIT:-20}
	# seconds of each random run, half of those of a storm; `make soak` gives more
	LAB_SECONDS=${LAB_SECONDS:-6}
}
teardown() { lib_teardown; }

# One run, so that plain TCP is looked at once.
@test "no difference from plain TCP but those listed, and each rule that is taken away makes a case differ" {
	SOCKHOP=$SOCKHOP BUILD=$BUILD timeout -k 5 400 "$lib_root/tests/lab/compare"
}

@test "docs/limits.md says what the list of differences says" {
	run -0 "$lib_root/tests/lab/gen-limits"
	[ "${#lines[@]}" -gt 20 ]
	"$lib_root/tests/lab/gen-limits" --check
}

# ---- random programs ----

random() { timeout -k 5 $((LAB_SECONDS + 180)) "$BUILD/tests/lab/random" "$@"; }
# hopped FILE MINIMUM: bytes
hopped() {
	local n
	cat "$1"
	n=$(grep -o ' hop=[0-9]*' "$1" | cut -d= -f2)
	[ "$n" -ge "$2" ] || { echo "only $n bytes hopped"; return 1; }
}

@test "random programs: plain TCP, for comparison" {
	SOCKHOP_PLAIN=1 random -t "$((LAB_SECONDS / 2))"
}

@test "random programs: attached" {
	new_cgroup
	attach "$CG"
	in_cgroup "$CG" timeout $((LAB_SECONDS + 180)) "$BUILD/tests/lab/random" -t "$LAB_SECONDS" >"$BATS_TEST_TMPDIR/log" 2>&1 ||
		{ cat "$BATS_TEST_TMPDIR/log"; return 1; }
	hopped "$BATS_TEST_TMPDIR/log" 1000000
}

@test "random programs: members from the first byte" {
	new_cgroup
	echo "early port 1-65535" >"$BATS_TEST_TMPDIR/policy"
	# blocking readers are among them, and must be served as they are: without the rule they would be members
	attach "$CG" --policy "$BATS_TEST_TMPDIR/policy"
	in_cgroup "$CG" timeout $((LAB_SECONDS + 180)) "$BUILD/tests/lab/random" -t "$LAB_SECONDS" >"$BATS_TEST_TMPDIR/log" 2>&1 ||
		{ cat "$BATS_TEST_TMPDIR/log"; return 1; }
	hopped "$BATS_TEST_TMPDIR/log" 1000000
}

# ---- storms ----

# storm DOING [HOPPED [ROUNDS]]: runs random programs in $CG, and DOING in a loop beside them, for 2 * LAB_SECONDS; on a
# busy machine longer, until so many rounds have passed. At least so many bytes must hop. If DOING awaits hops
# (await_hops), they must have come in half of these rounds.
storm() {
	local log=$BATS_TEST_TMPDIR/log n=0 end=$((SECONDS + 2 * LAB_SECONDS))
	awaited=0 came=0
	# shellcheck disable=SC2086
	spawn -c "$CG" -o "$log" timeout --foreground $((12 * LAB_SECONDS + 180)) "$BUILD/tests/lab/random" ${RANDOM_ARGS:-} \
		-t $((10 * LAB_SECONDS))
	storm_pid=$SPAWN_PID storm_since=$(_lib_start_time "$SPAWN_PID")
	until storm_over || { [ $SECONDS -ge $end ] && [ $n -ge "${3:-3}" ]; }; do
		"$1" $((n++)) || { cat "$log"; return 1; }
	done
	kill "$storm_pid" 2>/dev/null || true # it finishes what it has begun
	echo "rounds: $n, with hops: $came of $awaited"
	wait "$storm_pid" || { cat "$log"; return 1; }
	hopped "$log" "${2:-1}"
	[ "$n" -ge "${3:-3}" ] && [ $((2 * came)) -ge "$awaited" ]
}
storm_over() { _lib_ended "$storm_pid" "$storm_since"; }

# await_hops: until members have hopped 64 KB to 1 MB since now, so that the next act of the storm meets some; 10 s at
# most. A storm that is over meanwhile has no such round.
await_hops() {
	local want=$(($(hopped_bytes) + (65536 << RANDOM % 5)))
	awaited=$((awaited + 1))
	wait_for 10 hopped_or_over $want || return 0
	if ! storm_over; then came=$((came + 1)); else awaited=$((awaited - 1)); fi
}
hopped_bytes() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.bytes; }
hopped_or_over() { storm_over || [ "$(hopped_bytes)" -ge "$1" ]; }

flip_attach() {
	"$SOCKHOP" detach --all --instance "$INSTANCE" --timeout 10 3>&- || return
	sleep "0.$((RANDOM % 3))"
	# an attach is CPU time (the verifier's), of which the programs leave it little
	nice -n -15 "$SOCKHOP" attach --instance "$INSTANCE" "$CG" 3>&- || return
	await_hops
}
@test "storm: attach and detach" {
	new_cgroup
	attach "$CG"
	# programs that talk for seconds, so that connections live through several rounds
	# and wait for edges: an end that joins or leaves may not keep bytes from a reader that waits for the next one
	RANDOM_ARGS="-c -e -j 4" storm flip_attach 1000000 3
	[ "$came" -ge 2 ]
}

flip_policy() {
	local kind=("never port 1-65535" "" "early port 1-65535" "trust port 1-65535")
	echo "${kind[$1 % 4]}" >"$BATS_TEST_TMPDIR/policy"
	"$SOCKHOP" policy set "$BATS_TEST_TMPDIR/policy" --instance "$INSTANCE" || return
	sleep "0.$((2 + RANDOM % 6))"
}
@test "storm: policies" {
	new_cgroup
	attach "$CG"
	RANDOM_ARGS=-e storm flip_policy 100000
}

kill_agent() {
	local pid
	# in turn at any moment, and when there are members
	if [ $(($1 % 2)) -eq 1 ]; then await_hops; else sleep "0.$((RANDOM % 9))"; fi
	pid=$("$SOCKHOP" status --json --instance "$INSTANCE" | jq -r '.agent.pid // .agent_pid // empty')
	[ -z "$pid" ] || [ "$pid" -le 1 ] || kill -KILL "$pid"
	sleep "0.$((RANDOM % 3))"
	attach "$CG" # idempotent; starts a new agent
}
@test "storm: kill -9 of the agent" {
	new_cgroup
	attach "$CG"
	RANDOM_ARGS="-c -j 4" storm kill_agent 100000
}

flip_other() {
	"$SOCKHOP" detach "$OTHER" --instance "$INSTANCE" --timeout 10 3>&- || return
	sleep "0.$((RANDOM % 3))"
	attach "$OTHER" || return
	await_hops
}
@test "storm: one of two cgroups is detached and attached, the other one goes on" {
	new_cgroup
	OTHER=$CG
	new_cgroup
	attach "$CG" "$OTHER"
	spawn -c "$OTHER" -o "$BATS_TEST_TMPDIR/other" timeout --foreground $((12 * LAB_SECONDS + 180)) \
		"$BUILD/tests/lab/random" -j 4 -t $((10 * LAB_SECONDS))
	local other=$SPAWN_PID
	storm flip_other 100000
	kill "$other" 2>/dev/null || true
	wait "$other" || { cat "$BATS_TEST_TMPDIR/other"; return 1; }
	hopped "$BATS_TEST_TMPDIR/other" 100000
}
