#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# `list` names the unit, container or pod of each end; its columns can be chosen; --watch shows it again.

bats_require_minimum_version 1.5.0

setup() {
	load ../lib
	K=$BUILD/tests/prog
}
teardown() { lib_teardown; }

id=3f4e5d6c7b8a90123f4e5d6c7b8a90123f4e5d6c7b8a90123f4e5d6c7b8a9012
uid=0d7c3f0e_51a8_4d0c_9d5c_6f1f8a3e2b11

# traffic: a server in the cgroup of a unit, its client in that of a pod's container, both below $CG, hop
traffic() {
	local pod=kubepods.slice/kubepods-pod$uid.slice/cri-containerd-$id.scope
	new_cgroup
	mkdir -p "$CG/redis.service" "$CG/$pod"
	attach "$CG"
	port=$(free_port)
	spawn -c "$CG/redis.service" "$K/rr" rr server -p "$port" -s 60
	server=$SPAWN_PID
	wait_listen "$port"
	spawn -c "$CG/$pod" "$K/rr" rr client -p "$port" -s 60
	wait_list 20 'length == 1 and .[0].state == "hopping"' "$INSTANCE"
}

list() { "$SOCKHOP" list --instance "$INSTANCE" "$@"; }

@test "list has the service of each end, beside its program" {
	traffic
	run -0 list --json
	jq -e --argjson pid "$server" --arg id "$id" --arg uid "${uid//_/-}" '.[0] |
		.a.service == "pod:\($uid)" and .a.pod == $uid and .a.container == $id and .a.runtime == "containerd" and
		.a.pod_name == null and (.a.cgroup_path | endswith("/cri-containerd-\($id).scope")) and
		.b.service == "redis.service" and .b.unit == "redis.service" and .b.container == null and
		.b.pid == $pid' <<<"$output"
	run -0 list
	[[ ${lines[0]} =~ PROGRAM\ B.*SERVICE\ A.*SERVICE\ B ]]
	[[ ${lines[1]} =~ rr/$server.*pod:${uid//_/-}.*redis\.service ]]
}

@test "list --columns shows these, in this order" {
	traffic
	run -0 list --columns service-b,state,cgroup-b
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} =~ ^SERVICE\ B\ +STATE\ +CGROUP\ B$ ]]
	[[ ${lines[1]} =~ ^redis\.service\ +hopping\ +/.*/redis\.service$ ]]
}

@test "every column of the help can be shown, and no other one" {
	local names name
	names=$("$SOCKHOP" help list | tr '\n' ' ' | sed 's/.*Columns: //;s/\. *$//')
	[ "$(tr ',' '\n' <<<"$names" | wc -l)" -ge 20 ]
	# before anything is opened: a wrong name is wrong usage, whatever is attached
	for name in ${names//,/}; do
		run "$SOCKHOP" list --columns "state,$name" --instance none-such
		[ "$status" -eq 3 ]
	done
	run -2 "$SOCKHOP" list --columns state,sate
	[[ $output == *"unknown column 'sate', did you mean 'state'?"* ]]
	run -2 "$SOCKHOP" list --columns ""
	[[ $output == *"unknown column ''"* ]]
}

seen_twice() { [ "$(grep -c '^STATE' "$SPAWN_LOG")" -ge 2 ]; }

@test "list --watch shows the list again until the instance is detached" {
	new_cgroup
	attach "$CG"
	spawn "$SOCKHOP" list --watch 1 --instance "$INSTANCE"
	wait_for 10 seen_twice
	# no terminal, so nothing for one
	[ "$(tr -d '\t\n -~' <"$SPAWN_LOG" | wc -c)" -eq 0 ]
	"$SOCKHOP" detach --all --instance "$INSTANCE" 3>&-
	local status=0
	wait "$SPAWN_PID" || status=$?
	[ "$status" -eq 3 ]
	grep -q 'is not attached' "$SPAWN_LOG"
}

@test "--watch without a number is every two seconds, and wants one from 1 on" {
	run -2 "$SOCKHOP" list --watch 0
	[[ $output == *"at least 1 second"* ]]
	run -2 "$SOCKHOP" list --watch 1x
	run -3 "$SOCKHOP" list --watch --instance none-such
	run -3 "$SOCKHOP" list --watch=5 --instance none-such
}
