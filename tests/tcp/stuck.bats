#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A pass takes the lock of every TCP socket of a network namespace. One that somebody holds, anywhere, stops what goes
# on in that namespace, and nothing else.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# A socket in this namespace (none: ours), of a program that is in no attached cgroup, is held for so many seconds.
hold() { # SECONDS [NETNS]
	spawn -o "$BATS_TEST_TMPDIR/held" ${2:+-n "$2"} "$K/held" -s "$1"
	HELD=$SPAWN_PID
	wait_for 10 has "$BATS_TEST_TMPDIR/held" 'held ready'
}
let_go() {
	kill -USR1 "$HELD"
	wait "$HELD"
}

# pair [NETNS]: two ends that talk for long
pair() { spawn -c "$CG" -o "$BATS_TEST_TMPDIR/rr$SPAWN_PID" ${1:+-n "$1"} "$K/rr" -w 0 -s 40; }

# cannot_leave [NETNS]: a member whose hop bytes nobody reads. A pair that talks may leave in a pass that comes by both
# ends before it comes by the socket that is held: in which order is up to the hash table.
cannot_leave() {
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/unread" ${1:+-n "$1"} "$K/unread" -s 60
	wait_for 30 has "$BATS_TEST_TMPDIR/unread" 'unread ready'
}
read_it() {
	kill -USR1 "$1"
	wait "$1"
}

# hopping N: so many pairs hop that are not in the namespace that is blocked
hopping() {
	[ "$("$SOCKHOP" list --json --instance "$INSTANCE" |
		jq "map(select(.state == \"hopping\" and .a.netns != $(inode "$NS"))) | length")" -eq "$1" ]
}

status_is() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -e "$1" >/dev/null; }
inode() { stat -Lc %i "/run/netns/$1"; }

# within SECONDS CMD...: CMD's status, 99 if it takes longer. Sockets are held for a minute: what waits for one takes that
# long. The limits are far below, and leave room for a busy machine.
within() {
	local begin=$EPOCHREALTIME status=0 secs=$1
	shift
	"$@" || status=$?
	awk -v a="$begin" -v b="$EPOCHREALTIME" -v s="$secs" 'BEGIN { print b - a " s"; exit b - a > s }' || return 99
	return "$status"
}

@test "a socket that is held stops its own namespace only, and status names it" {
	attached_cgroup
	new_netns
	hold 60 "$NS"
	pair "$NS"
	wait_for 10 status_is ".passes[] | select(.netns == $(inode "$NS")) | .blocked and .name == \"$NS\""
	status_is '.agent.alive and .agent.blocked == 1'
	pair
	wait_for 5 hopping 1
	pair
	wait_for 5 hopping 2
	"$SOCKHOP" status --instance "$INSTANCE" | grep -E "$NS .*blocked"
	let_go
	wait_for 10 members_are 6
	status_is '.agent.blocked == 0 and all(.passes[]; .blocked == false and .age < 30)'
}

@test "detach of an instance with a held socket ends in time, others have left, the lock is free" {
	local unread
	attached_cgroup
	new_netns
	cannot_leave "$NS"
	unread=$SPAWN_PID
	pair
	wait_for 10 hopping 1
	hold 60 "$NS"
	run within 15 "$SOCKHOP" detach --all --instance "$INSTANCE" --timeout 2
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"$NS is blocked"* ]]
	"$SOCKHOP" list --json --instance "$INSTANCE-draining-1" | jq -e "
		all(.[]; .state == \"candidate\" or .a.netns == $(inode "$NS"))"
	# another instance, and later commands, are not kept waiting by what is left of the pass
	within 15 "$SOCKHOP" list --all --json --instance "$INSTANCE-draining-1" >/dev/null || [ "$?" -eq 1 ]
	within 20 "$SOCKHOP" attach "$CG" --instance "$INSTANCE"
	let_go
	read_it "$unread"
	within 15 "$SOCKHOP" detach --all --instance "$INSTANCE"
}

@test "detach of one cgroup whose namespace is blocked says so, and can be repeated" {
	local one two
	attached_cgroup
	one=$CG
	new_cgroup
	two=$CG
	attach "$two"
	new_netns
	pair "$NS"
	wait_for 10 members_are 2
	hold 60 "$NS"
	run within 15 "$SOCKHOP" detach "$two" --instance "$INSTANCE" --timeout 2
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"$NS is blocked"* ]]
	let_go
	"$SOCKHOP" detach "$two" --instance "$INSTANCE"
	no_members
	status_is ".cgroups | length == 1 and .[0].path == \"$one\""
}

@test "a detach can be killed while a pass waits for a socket" {
	local pid unread
	attached_cgroup
	cannot_leave
	unread=$SPAWN_PID
	hold 60
	spawn "$SOCKHOP" detach --all --instance "$INSTANCE" --timeout 30
	pid=$SPAWN_PID
	draining() { status_is '.state == "draining"'; }
	wait_for 5 draining
	sleep 1
	kill -KILL "$pid"
	wait_for 3 eval "! [ -e /proc/$pid/stat ] || grep -q '^State:.Z' /proc/$pid/status"
	run within 15 "$SOCKHOP" detach --all --instance "$INSTANCE" --timeout 1
	echo "$output"
	[ "$status" -eq 1 ]
	let_go
	read_it "$unread"
}

@test "list --all and attach do not wait for a socket that is held" {
	new_cgroup
	# an attach tries the kernel out, which takes half a minute on a machine that is busy enough; that it did not wait for
	# the socket is seen by list, to which the namespace is blocked still
	hold 120
	spawn -c "$CG" sleep 120 # somebody in the namespace
	run within 100 attach "$CG"
	echo "$output"
	[ "$status" -eq 0 ]
	INSTANCE=$lib_id
	run within 15 "$SOCKHOP" list --all --instance "$INSTANCE"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"is blocked"* ]]
	let_go
	"$SOCKHOP" list --all --instance "$INSTANCE"
}

@test "a socket that is held again and again does not keep others waiting" {
	attached_cgroup
	new_netns
	spawn -n "$NS" "$K/held" -s 0.3 -n 200
	pair "$NS"
	sleep 1
	pair
	wait_for 3 hopping 1
}
