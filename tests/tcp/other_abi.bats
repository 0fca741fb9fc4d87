#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# An instance that a version of another ABI made: every command says so, and detach takes it down under load.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

as_other_abi() { "$K/set_abi" "/sys/fs/bpf/sockhop/$INSTANCE/config" 9999; }
some_members() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -e '.connections.members > 0' >/dev/null; }
gone() { [ ! -e "$1" ]; }
agent_pid() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq .agent.pid; }

@test "an instance of another ABI is taken down under load: every byte arrives, nothing is left" {
	local agent port checked
	attached_cgroup
	agent=$(agent_pid)
	port=$(free_port)
	spawn -c "$CG" "$K/stream_check" -p "$port" -s 8
	checked=$SPAWN_PID
	wait_for "$JOIN_WAIT" some_members
	as_other_abi
	for command in status list "policy show" "attach $CG"; do
		# shellcheck disable=SC2086
		run -1 "$SOCKHOP" $command --instance "$INSTANCE"
		[[ $output == *"made by another version"*"detach --all --instance $INSTANCE"* ]]
	done
	run -0 "$SOCKHOP" detach --all --instance "$INSTANCE" --timeout 10
	[ ! -e "/sys/fs/bpf/sockhop/$INSTANCE" ]
	wait_for 5 gone "/proc/$agent"
	wait "$checked"
}

@test "what has unread bytes stays in it, is counted, and a later detach finishes it" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/unread" -s 60
	wait_for 30 has "$BATS_TEST_TMPDIR/log" 'unread ready'
	as_other_abi
	run -1 detach_all 1
	echo "$output"
	[[ $output =~ [1-9][0-9]*" members of '$INSTANCE', which another version of sockhop made" ]]
	kill -USR1 "$SPAWN_PID" # read now
	wait "$SPAWN_PID"
	run -0 detach_all 10
	[ -z "$(find /sys/fs/bpf -path "*/$INSTANCE*")" ]
}
