#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A process number means one process in one pid namespace and another one in the next: no command signals a number, and
# an agent does not run where it could not name processes.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

agent_pid() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -r '.agent.pid // empty'; }

# In a pid namespace of its own, with its own /proc.
elsewhere() { timeout 60 unshare --pid --fork --kill-child --mount-proc "$@" 3>&-; }

# beside_canary CMD...: in a pid namespace in which another process has the agent's number.
beside_canary() { elsewhere python3 "$lib_root/tests/prog/canary.py" "$(agent_pid)" "$@"; }

some_members() { ! members_are 0; }
agent_gone() { ! agent_pid | grep -q .; }

@test "commands from another pid namespace wake the agent and end it, and signal nobody" {
	local pid since
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/stream_check" -n 10 -s 8 -H 1
	wait_for 20 some_members
	pid=$(agent_pid)
	since=$(_lib_start_time "$pid")
	run -0 beside_canary "$SOCKHOP" policy add never --instance "$INSTANCE"
	echo "$output"
	# the agent has heard of it: nobody is a member any more
	wait_for 10 no_members
	run -0 beside_canary "$SOCKHOP" attach "$CG" --instance "$INSTANCE"
	[ "$(agent_pid)" = "$pid" ]
	run -0 beside_canary "$SOCKHOP" detach --all --instance "$INSTANCE"
	echo "$output"
	wait_for 1 _lib_ended "$pid" "$since"
	wait "$SPAWN_PID"
}

@test "in another pid namespace no agent runs: status 5, and it says where" {
	attached_cgroup --no-agent
	run -5 elsewhere "$SOCKHOP" agent --instance "$INSTANCE"
	echo "$output"
	[[ $output == *"initial pid namespace"* ]]
	run -5 elsewhere "$SOCKHOP" attach "$CG" --instance "$INSTANCE"
	[[ $output == *"initial pid namespace"* ]]
	run -5 elsewhere "$SOCKHOP" relay forward --collapse --instance "$INSTANCE" --listen 127.0.0.1:1 --to 127.0.0.1:2
	echo "$output"
	agent_gone
	# the /proc of another namespace would not do either
	run -5 timeout 60 unshare --pid --fork --kill-child "$SOCKHOP" agent --instance "$INSTANCE"
	elsewhere "$SOCKHOP" check --json >"$BATS_TEST_TMPDIR/check" || true
	jq -e '.checks[] | select(.check == "pid namespace") | .state == "failed" and (.fix | test("hostPID"))' \
		"$BATS_TEST_TMPDIR/check"
	"$SOCKHOP" check --json >"$BATS_TEST_TMPDIR/check" || true
	jq -e '.checks[] | select(.check == "pid namespace") | .state == "ok"' "$BATS_TEST_TMPDIR/check"
}
