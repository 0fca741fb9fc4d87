#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Without a permission: which one, what to do, exit status 4, and what runs goes on.

bats_require_minimum_version 1.5.0

setup() {
	load ../lib
	[ "$(id -u)" -eq 0 ] || skip "needs root, to give it up"
}
teardown() { lib_teardown; }

runs() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -e '.state == "attached" and .agent.alive' >/dev/null; }

@test "attach without a capability that loading takes says which it takes" {
	local cap
	new_cgroup
	INSTANCE=$lib_id
	_lib_note instance "$INSTANCE"
	for cap in net_admin sys_admin; do
		run -4 setpriv --bounding-set "-$cap" --inh-caps "-$cap" "$SOCKHOP" attach --instance "$INSTANCE" "$CG" 3>&-
		echo "$output"
		[[ $output == "sockhop: no permission to load BPF programs: run as root, or with "*CAP_NET_ADMIN*CAP_SYS_ADMIN ]]
		run -3 "$SOCKHOP" status --instance "$INSTANCE"
	done
}

@test "attach where the bpffs cannot be written to says so" {
	new_cgroup
	# an empty one, in a mount namespace of its own, whose top belongs to root
	run -4 unshare -m bash -c 'mount -t bpf -o mode=0755 bpf /sys/fs/bpf &&
		exec setpriv --reuid 65534 --clear-groups --inh-caps=-all "$1" attach --instance "$2" "$3"' _ "$SOCKHOP" "$lib_id" "$CG"
	echo "$output"
	[[ $output == "sockhop: no permission to write to the bpffs at /sys/fs/bpf: run as root, or with "* ]]
}

@test "who may not detach or attach changes nothing of what runs" {
	new_cgroup
	attach "$CG"
	run -4 setpriv --reuid 65534 --clear-groups --inh-caps=-all "$SOCKHOP" attach --instance "$INSTANCE" "$CG"
	echo "$output"
	[[ $output == *"no permission"*"run as root"* ]]
	run -4 setpriv --reuid 65534 --clear-groups --inh-caps=-all "$SOCKHOP" detach --instance "$INSTANCE"
	echo "$output"
	[[ $output == *"no permission"*"run as root"* ]]
	runs
}
