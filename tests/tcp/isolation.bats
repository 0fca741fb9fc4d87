#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What goes on at the receiver is nothing that the sender notices: its calls, its memory.

setup() {
	load ../lib
	load tcp
}
teardown() {
	lib_teardown
	[ -z "${LIMITED_V1:-}" ] || wait_for 5 rmdir "$LIMITED_V1"
}

@test "a receiver that holds its socket in the middle of a call stops nobody" {
	attached_cgroup
	member "$K/lock_inflight" -n
}

@test "the answers to nine clients do not wait for the calls of a tenth" {
	plain "$K/stall"
	attached_cgroup
	member "$K/stall"
}

# A cgroup of the hierarchy that has memory limits; sets LIMITED, and LIMITED_V2 if that is cgroup v2.
limited() {
	local v1
	new_cgroup
	if grep -qw memory "$(cgroup2_mount)/cgroup.controllers"; then
		echo +memory >"$(cgroup2_mount)/cgroup.subtree_control" || skip "no memory limits for a cgroup here"
		LIMITED=$CG LIMITED_V2=$CG CONNECTIONS=4
		echo 48M >"$LIMITED/memory.max"
	else
		v1=$(awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "cgroup" && $NF ~ /(^|,)memory/) { print $5; exit } }' /proc/self/mountinfo)
		[ -n "$v1" ] || skip "no memory controller here"
		LIMITED=$v1/${CG##*/} LIMITED_V2='' CONNECTIONS=64
		mkdir "$LIMITED"
		LIMITED_V1=$LIMITED
		echo 4M >"$LIMITED/memory.kmem.tcp.limit_in_bytes" || skip "no limit of socket memory here"
	fi
}

@test "a receiver out of memory: its sender sees counts and EAGAIN only, and every byte arrives" {
	limited
	run -0 plain "$K/starved" -g "$LIMITED" -n "$CONNECTIONS"
	echo "$output"
	attached_cgroup ${LIMITED_V2:+"$LIMITED_V2"}
	run -0 member "$K/starved" -g "$LIMITED" -n "$CONNECTIONS"
	echo "$output"
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -c .stay_reasons
	run -0 member "$K/starved" -g "$LIMITED" -n "$CONNECTIONS" -z 65536
	echo "$output"
	"$SOCKHOP" status --json --instance "$INSTANCE" |
		jq -e '.stay_reasons[] | select(.reason == "peer-memory").count > 0'
}
