#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Network namespaces: pairs are found across them, and never mixed up between them.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# between SERVER_NS SERVER_ADDR CLIENT_NS CLIENT_ADDR PORT [SERVER_PORT]: streams between two namespaces hop
between() {
	local log=$BATS_TEST_TMPDIR/server
	spawn -c "$CG" -n "$1" -o "$log" "$K/stream_check" server -a "$2" -p "${6:-$5}" -n 10 -s 4
	run -0 in_cgroup_netns "$CG" "$3" timeout 60 "$K/stream_check" client -a "$4" -p "$5" -n 10 -s 4
	echo "$output"
	wait "$SPAWN_PID"
	cat "$log"
	at_least "$(field hop_percent "$output")" 5
}

@test "two namespaces over veth" {
	new_netns_pair
	attached_cgroup
	between "$NS_A" "$ADDR_A" "$NS_B" "$ADDR_A" 7000
}

@test "two namespaces over veth, IPv6" {
	new_netns_pair
	attached_cgroup
	between "$NS_A" "$ADDR6_A" "$NS_B" "$ADDR6_A" 7000
}

@test "two namespaces over a bridge" {
	new_netns_bridge 2
	attached_cgroup
	between "${NS_N[0]}" "${ADDR_N[0]}" "${NS_N[1]}" "${ADDR_N[0]}" 7000
}

@test "through a DNAT of the port" {
	new_netns_pair
	in_netns "$NS_A" nft -f - <<-NFT
		table ip t {
			chain c {
				type nat hook prerouting priority dstnat;
				tcp dport 7777 redirect to :7000
			}
		}
	NFT
	attached_cgroup
	between "$NS_A" "$ADDR_A" "$NS_B" "$ADDR_A" 7777 7000
}

@test "two namespaces with the same loopback addresses and ports at the same time: no byte goes astray" {
	local i failed="" ns=() pids=()
	attached_cgroup
	for i in 0 1; do
		new_netns
		ns[i]=$NS
		# the same client ports in both: hundreds of 4-tuples collide
		in_netns "$NS" sysctl -qw net.ipv4.ip_local_port_range="40000 40063"
		spawn -c "$CG" -n "$NS" -o "$BATS_TEST_TMPDIR/server$i" "$K/stream_check" server -p 7000 -n 30 -s 6
	done
	for i in 0 1; do
		spawn -c "$CG" -n "${ns[i]}" -o "$BATS_TEST_TMPDIR/client$i" \
			"$K/stream_check" client -p 7000 -n 30 -s 6 -H 2
		pids[i]=$SPAWN_PID
	done
	for i in 0 1; do
		wait "${pids[i]}" || failed=1
	done
	cat "$BATS_TEST_TMPDIR"/client* "$BATS_TEST_TMPDIR"/server*
	[ ! "$failed" ] || {
		"$SOCKHOP" status --instance "$INSTANCE"
		return 1
	}
}

@test "a connection to a peer outside the cgroup never joins and leaves nothing behind" {
	local port
	attached_cgroup
	port=$(free_port)
	spawn -o "$BATS_TEST_TMPDIR/server" "$K/stream_check" server -p "$port" -n 20 -s 4
	run -0 member "$K/stream_check" client -p "$port" -n 20 -s 4
	echo "$output"
	wait "$SPAWN_PID"
	[ "$(field hop "$output")" -eq 0 ]
	run -0 "$SOCKHOP" status --json --instance "$INSTANCE"
	echo "$output"
	jq -e '[.. | objects | select(has("used") and .used != 0)] | length == 0' <<<"$output"
}

@test "a subscriber in another network namespace, which sends nothing, is found, and what is published hops" {
	new_netns_pair
	attached_cgroup
	for addr in "$ADDR_A" "$ADDR6_A"; do
		run -0 in_cgroup_netns "$CG" "$NS_A" timeout 60 "$K/publish" -s 4 -a "$addr" -n "/run/netns/$NS_B"
		echo "$output"
		at_least "$(field hop_percent "$output")" 20
	done
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -e '.counters.sought == 2'
}

# ---- user namespaces ----

# holder CMD...: a process that keeps the namespaces which CMD makes; sets HOLDER
holder() {
	spawn "$@" sleep 100
	wait_for 5 is_sleep "$SPAWN_PID"
	HOLDER=$SPAWN_PID
}
is_sleep() { [ "$(cat "/proc/$1/comm")" = sleep ]; }

# netns_of OWNER: makes a network namespace of the user namespace that this process is in; sets NS
netns_of() {
	holder nsenter -t "$1" -U --preserve-credentials unshare -n
	lib_count=$((lib_count + 1))
	NS=$lib_id-$lib_count
	ip netns attach "$NS" "$HOLDER" && _lib_note netns "$NS" && ip -n "$NS" link set lo up
}

# two_of_users OWNER_A OWNER_B: two namespaces joined by veth; each owner is a process in whose user namespace it is made
two_of_users() {
	netns_of "$1" && first_ns=$NS && netns_of "$2" && second_ns=$NS || return
	first_addr=10.98.76.1
	ip link add veth0 netns "$first_ns" type veth peer name veth0 netns "$second_ns" || return
	_lib_plug "$first_ns" veth0 "$first_addr/24" && _lib_plug "$second_ns" veth0 10.98.76.2/24
}

says_user_namespace() {
	"$SOCKHOP" list --all --json --instance "$INSTANCE" | jq -e '[.. | .why_not? // empty] | index("user-namespace")' >/dev/null
}

@test "two namespaces of different user namespaces never join, and the reason is said; of the same one they do" {
	local first second
	unshare -U true || skip "no user namespaces here"
	holder unshare -U -r
	first=$HOLDER
	holder unshare -U -r
	second=$HOLDER
	two_of_users "$first" "$second"
	attached_cgroup
	spawn -c "$CG" -n "$first_ns" -o "$BATS_TEST_TMPDIR/server" "$K/stream_check" server -a "$first_addr" -p 7000 -n 10 -s 6
	spawn -c "$CG" -n "$second_ns" -o "$BATS_TEST_TMPDIR/client" "$K/stream_check" client -a "$first_addr" -p 7000 -n 10 -s 6
	wait_for 6 says_user_namespace
	wait "$SPAWN_PID" || { cat "$BATS_TEST_TMPDIR"/{client,server}; return 1; }
	[ "$(field hop "$(cat "$BATS_TEST_TMPDIR/client")")" -eq 0 ]
	# nor by a rule that lets them in from the first byte
	"$SOCKHOP" policy add early port 7001 --instance "$INSTANCE"
	spawn -c "$CG" -n "$first_ns" -o "$BATS_TEST_TMPDIR/server" "$K/stream_check" server -a "$first_addr" -p 7001 -n 10 -s 2
	run -0 in_cgroup_netns "$CG" "$second_ns" timeout 60 "$K/stream_check" client -a "$first_addr" -p 7001 -n 10 -s 2
	[ "$(field hop "$output")" -eq 0 ]
	[ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .counters.joined_early)" -eq 0 ]
	two_of_users "$first" "$first"
	between "$first_ns" "$first_addr" "$second_ns" "$first_addr" 7000
	run ! says_user_namespace
}
