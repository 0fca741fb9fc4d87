#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The agent, and attach and detach, when others misbehave: floods of events, failures that pass, records that leak,
# cgroups that go and come back.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

agent_pid() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -r '.agent.pid'; }
status_is() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -e "$1" >/dev/null; }
pair() { spawn -c "$CG" -o "$BATS_TEST_TMPDIR/rr$1" "$K/rr" -w 0 -s 40; }
hopping() {
	[ "$("$SOCKHOP" list --json --instance "$INSTANCE" | jq 'map(select(.state == "hopping")) | length')" -eq "$1" ]
}

# CPU time of the agent and of the children that it has waited for, in clock ticks
agent_ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 + $14 + $15 }'; }

# cheap SECONDS: what the agent uses in that time is less than 5 % of a CPU
cheap() {
	local pid before
	pid=$(agent_pid)
	before=$(agent_ticks "$pid")
	sleep "$1"
	before=$(($(agent_ticks "$pid") - before))
	echo "agent: $before ticks in $1 s"
	[ "$before" -lt $(($1 * $(getconf CLK_TCK) / 20)) ]
}

# One more pair joins within three seconds: it must show 64 segments first, and this machine may be busy.
another_joins() {
	pair another
	wait_for 3 hopping "$1"
}

@test "ps and top show the agent as sockhop" {
	attached_cgroup
	[ "$(cat "/proc/$(agent_pid)/comm")" = sockhop ]
}

# capabilities KIND: numbers of those that the agent has, in order
capabilities() {
	local mask bit
	mask=$(sed -n "s/^Cap$1:\t//p" "/proc/$(agent_pid)/status")
	for bit in {0..63}; do
		[ $((0x$mask >> bit & 1)) -eq 0 ] || echo "$bit"
	done
}

@test "the agent keeps the capabilities that check and the man page explain, and takes a seccomp filter" {
	local kind want
	attached_cgroup
	want=$("$SOCKHOP" check --json | jq -r '.checks[].check | select(startswith("CAP_"))')
	for name in $want; do
		grep -q "$name" "$lib_root/docs/man/sockhop-agent.8.scd"
		sed -n "s/^#define ${name}[[:space:]]*\([0-9]*\)$/\1/p" /usr/include/linux/capability.h
	done | sort -n >"$BATS_TEST_TMPDIR/want"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/want")" -eq "$(wc -w <<<"$want")" ]
	for kind in Eff Prm Bnd; do
		diff <(capabilities $kind) "$BATS_TEST_TMPDIR/want"
	done
	[ -z "$(capabilities Inh)$(capabilities Amb)" ]
	grep -qx $'Seccomp:\t2' "/proc/$(agent_pid)/status"
	grep -qx $'NoNewPrivs:\t1' "/proc/$(agent_pid)/status"
	# it can do its work
	pair 1
	wait_for 20 hopping 1
}

@test "setsockopt() in a loop on a member that cannot leave costs little, and others join" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/flood" "$K/flood" setsockopt -s 20
	wait_for 20 has "$BATS_TEST_TMPDIR/flood" 'flood ready'
	sleep 1
	cheap 4
	another_joins 1
}

@test "values of socket options that are harmless do not make a member leave" {
	attached_cgroup
	run -0 member "$K/flood" harmless -s 2
	echo "$output"
	[ "$(field stayed "$output")" -eq 0 ]
	status_is '.counters.left == 0 and .counters.joined >= 2'
}

@test "programs that start in a loop with a connection cost little, and others join" {
	attached_cgroup
	pair 1
	wait_for 20 hopping 1
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/flood" "$K/flood" exec -s 20
	wait_for 20 has "$BATS_TEST_TMPDIR/flood" 'flood ready'
	sleep 1
	cheap 4
	another_joins 2
}

@test "an agent without descriptors goes on, and works again when there are some" {
	local pid
	attached_cgroup --no-agent
	spawn -o "$BATS_TEST_TMPDIR/agent" "$SOCKHOP" agent --instance "$INSTANCE"
	pid=$SPAWN_PID
	alive() { status_is '.agent.alive'; }
	wait_for 5 alive
	prlimit --pid "$pid" --nofile=1:4096
	pair 1
	wait_for 10 has "$BATS_TEST_TMPDIR/agent" 'tries again'
	alive
	sleep 2
	[ "$(grep -c 'tries again' "$BATS_TEST_TMPDIR/agent")" -eq 1 ]
	prlimit --pid "$pid" --nofile=1024:4096
	wait_for 20 hopping 1
	kill "$pid"
	wait "$pid"
}

@test "a probe says by its exit status whether an agent works" {
	probe() { "$SOCKHOP" status --probe --instance "$INSTANCE"; }
	attached_cgroup --no-agent
	run -1 probe
	[[ $output == *"has no agent"* ]]
	spawn -o "$BATS_TEST_TMPDIR/agent" "$SOCKHOP" agent --instance "$INSTANCE"
	wait_for 5 probe
	# a stopped agent has its lock, and reads nothing
	kill -STOP "$SPAWN_PID"
	"$SOCKHOP" policy add never port 1 --instance "$INSTANCE"
	run -1 probe
	[[ $output == *"does not read its events"* ]]
	kill -CONT "$SPAWN_PID"
	wait_for 5 probe
	[ -z "$(probe)" ]
	detach_all
	run -3 probe
}

@test "an agent that is told to detaches the instance when it is stopped, and no byte is lost" {
	local pid
	attached_cgroup --no-agent
	spawn -o "$BATS_TEST_TMPDIR/agent" "$SOCKHOP" agent --instance "$INSTANCE" --detach 10s
	pid=$SPAWN_PID
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/stream_check" -n 10 -s 8
	joined() { status_is '.connections.members > 0'; }
	wait_for "$JOIN_WAIT" joined
	kill "$pid"
	wait "$pid" || { cat "$BATS_TEST_TMPDIR/agent"; return 1; }
	run -3 "$SOCKHOP" status --instance "$INSTANCE"
	[ ! -e "/sys/fs/bpf/sockhop/$INSTANCE" ]
	wait "$SPAWN_PID"
}

@test "an agent that shall detach says what is left, as detach does, when a program does not read" {
	local pid
	attached_cgroup --no-agent
	spawn -o "$BATS_TEST_TMPDIR/agent" "$SOCKHOP" agent --instance "$INSTANCE" --detach 1s
	pid=$SPAWN_PID
	works() { "$SOCKHOP" status --probe --instance "$INSTANCE"; }
	wait_for 5 works
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/unread" -s 60
	wait_for 30 has "$BATS_TEST_TMPDIR/log" 'unread ready'
	kill "$pid"
	wait "$pid" || status=$?
	cat "$BATS_TEST_TMPDIR/agent"
	[ "$status" -eq 1 ]
	has "$BATS_TEST_TMPDIR/agent" 'have not read'
	kill -USR1 "$SPAWN_PID"
	wait "$SPAWN_PID"
}

# One more cgroup, $one, whose detach is given up: a program in it, $SPAWN_PID, does not read until SIGUSR1.
given_up() {
	new_cgroup
	one=$CG
	attach "$one"
	spawn -c "$one" -o "$BATS_TEST_TMPDIR/log" "$K/unread" -s 60
	wait_for 30 has "$BATS_TEST_TMPDIR/log" 'unread ready'
	run "$SOCKHOP" detach "$one" --instance "$INSTANCE" --timeout 1
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "attach takes a detach back that was given up" {
	local one
	attached_cgroup --no-agent # another one stays attached
	given_up
	status_is "any(.cgroups[]; .path == \"$one\" and .state == \"draining\")"
	attach "$one"
	status_is 'all(.cgroups[]; .state == "attached")'
	kill -USR1 "$SPAWN_PID"
	wait "$SPAWN_PID"
	all_zero() { status_is '[.maps[].used] | add == 0'; }
	wait_for 10 all_zero
	CG=$one
	pair 1
	wait_for 20 hopping 1
}

@test "no early joins in a cgroup whose detach was given up" {
	local one
	echo early all >"$BATS_TEST_TMPDIR/policy"
	attached_cgroup --policy "$BATS_TEST_TMPDIR/policy"
	"$SOCKHOP" check --json | jq -e '.checks[] | select(.check == "early joins") | .state == "ok"' >/dev/null ||
		skip "this kernel has no bpf_cast_to_kern_ctx()"
	given_up
	local before
	before=$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .counters.joined_early)
	in_cgroup "$one" "$K/rr" crc -s 0.5 -w 0
	status_is ".counters.joined_early == $before"
	kill -USR1 "$SPAWN_PID"
	wait "$SPAWN_PID"
}

@test "records and places that leak are swept" {
	attached_cgroup --idle-timeout 1
	spawn -o "$BATS_TEST_TMPDIR/flags" "${PYTHON:-python3}" "$lib_root/tests/prog/flags.py" "$CG"
	wait_for 10 has "$BATS_TEST_TMPDIR/flags" attached
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/rr" "$K/rr" -w 0 -s 3
	wait_for 3 hopping 1
	wait "$SPAWN_PID"
	# both ends are gone, and nobody was told
	status_is '.maps[] | select(.map == "ends") | .used > 0'
	all_zero() { status_is '[.maps[].used] | add == 0'; }
	wait_for 15 all_zero
	status_is '.counters.swept > 0'
}

# Registered ends have no use for the round-trip callback; who came after us and wants it is found by another attach.
@test "a sockops program that came later keeps its round-trip callbacks after another attach" {
	local log=$BATS_TEST_TMPDIR/flags n
	calls() { tail -n1 "$log" | cut -d' ' -f2; }
	refused() { status_is '.why_not | any(.reason == "blocking" and .count >= 1)'; }
	attached_cgroup
	spawn -o "$log" "${PYTHON:-python3}" "$lib_root/tests/prog/flags.py" "$CG" rtt
	wait_for 10 has "$log" attached
	attach "$CG"
	spawn -c "$CG" "$K/rr" -b -w 0 -s 30 # never joins
	wait_for "$JOIN_WAIT" refused
	n=$(calls)
	more() { [ "$(calls)" -gt $((n + 1000)) ]; }
	wait_for 5 more
	end_pid "$SPAWN_PID"
}

@test "all cgroups of sockhop run go with a detach, also more than eight" {
	local cgs
	INSTANCE=$lib_id
	_lib_note instance "$INSTANCE"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		spawn "$SOCKHOP" run --instance "$INSTANCE" -- sleep 60
		eval "running() { status_is '.cgroups | length == $i'; }"
		wait_for 20 running
	done
	cgs=$("$SOCKHOP" status --json --instance "$INSTANCE" | jq -r '.cgroups[].path')
	# kill -9: nobody takes them out but the detach
	while read -r kind pid _; do
		[ "$kind" != pid ] || kill -KILL "$pid"
	done <"$lib_journal"
	detach_all 10
	for cg in $cgs; do
		[ ! -d "$cg" ] || { echo "left: $cg"; return 1; }
	done
}
