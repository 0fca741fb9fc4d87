#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Death of the agent or of `sockhop run` at any moment harms no connection.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

agent_pid() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -r '.agent.pid // .agent_pid // empty'; }

# Kills it at random moments and starts a new one, until the checker ends.
kill_agents() {
	local pid kills=0
	while ! _lib_ended "$1" "$2"; do
		sleep "0.$((RANDOM % 9))"
		pid=$(agent_pid)
		if [ "${pid:-0}" -le 1 ]; then
			attach "$CG"
			continue
		fi
		kill -KILL "$pid"
		kills=$((kills + 1))
		sleep "0.$((RANDOM % 5))"
		attach "$CG" # idempotent; starts a new agent
	done
	echo "agents killed: $kills"
	at_least "$kills" 5
}

@test "kill -9 of the agent at random moments under load: nothing is lost" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/stream_check" -n 100 -s 15 -H 2
	kill_agents "$SPAWN_PID" "$(_lib_start_time "$SPAWN_PID")"
	cat "$BATS_TEST_TMPDIR/log"
	wait "$SPAWN_PID"
}

@test "without an agent nobody joins and nothing breaks" {
	attached_cgroup --no-agent
	run -0 member "$K/stream_check" -n 20 -s 2
	echo "$output"
	[ "$(field hop "$output")" -eq 0 ]
}

@test "kill -9 of sockhop run under load: its program ends well, and detach cleans up" {
	local run cgs n=0
	for delay in 0.1 0.8 1.7; do
		n=$((n + 1))
		INSTANCE=$lib_id-run$n
		_lib_note instance "$INSTANCE"
		spawn -o "$BATS_TEST_TMPDIR/log$delay" "$SOCKHOP" run --instance "$INSTANCE" -- \
			sh -c 'echo begun; exec "$0" "$@"' "$K/stream_check" -n 30 -s 4
		run=$SPAWN_PID
		wait_for 30 has "$BATS_TEST_TMPDIR/log$delay" begun
		sleep "$delay"
		cgs=$("$SOCKHOP" status --json --instance "$INSTANCE" | jq -r '.cgroups[]?.path // empty')
		kill -KILL "$run"
		wait_for 20 eval "[ \$(grep -c ^stream_check '$BATS_TEST_TMPDIR/log$delay') = 2 ]"
		cat "$BATS_TEST_TMPDIR/log$delay"
		[ "$(grep -c 'faults=0 .* epipe=0 errors=0 hangs=0' "$BATS_TEST_TMPDIR/log$delay")" -eq 2 ]
		detach_all 10
		for cg in $cgs; do [ ! -d "$cg" ]; done
	done
}

@test "sockhop run gives back the exit status and ends attached connections losslessly" {
	INSTANCE=$lib_id-run
	_lib_note instance "$INSTANCE"
	run -0 timeout 60 "$SOCKHOP" run --instance "$INSTANCE" -- "$K/stream_check" -n 30 -s 4 -H 2
	echo "$output"
}

# Connections wait for it to join, and a pass holds their locks. A nice value counts within a session only.
@test "the agent and its session have a nice value of -10" {
	local pid
	attached_cgroup
	pid=$(agent_pid)
	[ "$(ps -o ni= -p "$pid" | tr -d ' ')" -eq -10 ]
	[ -e "/proc/$pid/autogroup" ] || skip "no autogroup on this kernel"
	cat "/proc/$pid/autogroup"
	grep -q 'nice -10' "/proc/$pid/autogroup"
}
