#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The relay carries every byte, exactly once, in order, to its end, whatever path it takes.

setup() {
	load_lib
}
load_lib() {
	# bats' own `load` is hidden by ours below
	source "$BATS_TEST_DIRNAME/../lib.bash"
	source "$BATS_TEST_DIRNAME/relay.bash"
}
teardown() { lib_teardown; }

all_paths() { # SCENARIO N
	local path
	for path in auto kernel splice copy; do
		forward "$path"
		load "$1" "$2" || {
			echo "path $path"
			return 1
		}
		state_is .connections 0 || wait_for 5 state_is .connections 0
		end_pid "$RELAY_PID"
	done
}

@test "messages of random sizes and their answers" { all_paths sizes 500; }
@test "half-close on either side, of 0 to 5 MB, FIN in the segment of the last bytes" { all_paths half 84; }
@test "a reset on either side arrives as a reset" { all_paths rst 40; }
# The kernel reports a socket's error once. strace holds the relay after each bpf(2): the source is in the kernel
# path by then, all of a connection's bytes pass, and the reset comes before the relay looks at the socket again.
@test "a reset that comes while a direction enters the kernel path is not swallowed" {
	# shellcheck disable=SC2034 # start_relay uses it
	relay_under=(strace -D -o /dev/null -e trace=bpf -e inject=bpf:delay_exit=20000)
	forward kernel
	load rst 8
}

@test "bytes and a FIN that come before the target is connected" { all_paths early 40; }
@test "traffic that changes between chatty and bulk, both ways, with slow readers" { all_paths mixed 6; }
@test "100 connections at a time" { all_paths many 100; }

@test "1 GB each way, with the path chosen by traffic" {
	forward auto
	load bulk 1024
	[ "$(state .bytes.splice)" -gt 1900000000 ]
}

@test "1 GB each way in the kernel path" {
	local try
	forward kernel
	# how many depends on the backlog limit: under load few, and at times none
	for try in 1 2 3; do
		load bulk 1024
		[ "$(state .bytes.kernel)" -eq 0 ] || return 0
		echo "none in run $try"
	done
	return 1
}

@test "a segment that repeats bytes: only the new ones go on" {
	local path
	for path in auto kernel splice copy; do
		forward "$path"
		timeout 20 "$BATS_TEST_DIRNAME/overlap.py" "$RELAY_PORT" "$TARGET_PORT"
		[ "$path" != kernel ] || [ "$(state .trimmed)" -eq 9005 ]
		end_pid "$RELAY_PID"
	done
}

spin() { while :; do :; done; }

# Retransmissions of other segment boundaries than the first time: their overlap must not be forwarded twice.
@test "300 MB each way in the kernel path on a host so busy that TCP retransmits" {
	forward kernel
	for _ in 1 2 3 4; do spawn spin; done
	load bulk 300
}

@test "chatty traffic is carried by the kernel" {
	forward auto
	load sequence 16
	# the first turns of each connection are not
	[ "$(state .bytes.kernel)" -gt 1000 ]
}

@test "500 connections at a time" {
	forward auto
	load many 500
	wait_for 5 state_is .connections 0
}

@test "a sleeping reader blocks the sender, within a bound of memory, and then gets everything" {
	for path in auto kernel splice; do
		forward "$path"
		load sleeper 48
		end_pid "$RELAY_PID"
	done
}

# what the relay holds: its descriptors, without those of epoll's own making
descriptors() { find "/proc/$RELAY_PID/fd" -mindepth 1 | wc -l; }
resident_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$RELAY_PID/status"; }
few_descriptors() { [ "$(descriptors)" -le "$1" ]; }

@test "10 000 connections one after the other leave nothing behind" {
	forward auto
	load sequence 500
	local fds kb
	wait_for 5 state_is .connections 0
	fds=$(descriptors) kb=$(resident_kb)
	load sequence 9500
	wait_for 5 state_is .connections 0
	[ "$(state .connections_total)" -eq 10000 ]
	wait_for 5 few_descriptors "$fds"
	[ "$(resident_kb)" -lt $((kb + 2048)) ]
}

@test "a rendezvous joins each two clients: data and FIN before the join, half-close, reset" {
	TARGET_PORT=
	start_relay pair --listen 127.0.0.1:0
	load early 40
	load half 40
	load rst 20
	load mixed 4
	load many 100
}

@test "IPv6, forward and pair" {
	export RELAY_HOST=::1
	[ -e /proc/net/if_inet6 ] || skip "no IPv6 on this host"
	TARGET_PORT=$(free_port)
	start_relay forward --listen '[::1]:0' --to "[::1]:$TARGET_PORT"
	load sizes 200
	load half 40
	load mixed 3
	end_pid "$RELAY_PID"
	TARGET_PORT=
	start_relay pair --listen '[::1]:0'
	load half 40
}

@test "between network namespaces, over veth" {
	new_netns_pair
	TARGET_PORT=$(free_port)
	spawn -n "$NS_A" "$SOCKHOP" relay forward --listen "$ADDR_A:0" --to "$ADDR_B:$TARGET_PORT" --path kernel
	RELAY_PID=$SPAWN_PID RELAY_LOG=$SPAWN_LOG
	wait_for 10 _printed_port "$RELAY_LOG"
	RELAY_PORT=$(grep -oE ':[0-9]+$' "$RELAY_LOG" | head -1 | tr -d :)
	# both ends in B: the relay's two connections cross the veth
	for s in "sizes 300" "half 40" "rst 12" "mixed 3" "bulk 64"; do
		# shellcheck disable=SC2086
		RELAY_HOST=$ADDR_A RELAY_TARGET_HOST=$ADDR_B in_netns "$NS_B" timeout 100 "$load_program" ${s% *} "$RELAY_PORT" "$TARGET_PORT" ${s#* }
	done
}
