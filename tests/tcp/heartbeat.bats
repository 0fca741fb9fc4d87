#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The heartbeat: what stands on the way sees a connection that hops, and can end it.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# A pair that hops between NS_A (server, port 7000) and NS_B for so many seconds; sets CLIENT.
# between SECONDS PORT
between() {
	spawn -c "$CG" -n "$NS_A" -o "$BATS_TEST_TMPDIR/server" "$K/rr" server -a "$ADDR_A" -p 7000
	spawn -c "$CG" -n "$NS_B" -o "$BATS_TEST_TMPDIR/client" "$K/rr" client -a "$ADDR_A" -p "$2" -w 0.1 -s "$1"
	CLIENT=$SPAWN_PID
	wait_list "$JOIN_WAIT" 'map(select(.state == "hopping")) | length == 1' "$INSTANCE"
}

hopped() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.messages; }

# No message hops for half a second.
hops_stand() {
	local before
	before=$(hopped)
	sleep 0.5 # a span of time is what is looked at
	[ "$(hopped)" -eq "$before" ]
}

# cut NAMESPACE MATCH: that namespace drops what comes in and matches, from now on
cut_off() {
	in_netns "$1" nft -f - <<-NFT
		table inet t {
			chain c {
				type filter hook input priority 0;
				$2 drop
			}
		}
	NFT
}

# A beat of 2 s, and what the machine takes.
is_cut() {
	new_netns_pair
	attached_cgroup --heartbeat 2
	between 60 7000
	run ! hops_stand
	cut_off "${!1}" "$2"
	wait_for 5 hops_stand
	end_pid "$CLIENT"
}

@test "a firewall rule that drops the requests ends their hops within the heartbeat" { is_cut NS_A "tcp dport 7000"; }
@test "a firewall rule that drops the answers ends their hops within the heartbeat" { is_cut NS_B "tcp sport 7000"; }

@test "a translated connection outlives the timeout of its tracking" {
	new_netns_pair
	in_netns "$NS_A" sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_established=3 ||
		skip "no connection tracking here"
	in_netns "$NS_A" nft -f - <<-NFT
		table ip t {
			chain c {
				type nat hook prerouting priority dstnat;
				tcp dport 7777 redirect to :7000
			}
		}
	NFT
	attached_cgroup --heartbeat 1
	between 10 7777
	# from here on a packet that belongs to no connection is sent elsewhere
	in_netns "$NS_A" nft -f - <<-NFT
		flush chain ip t c
		add rule ip t c tcp dport 7777 redirect to :7001
	NFT
	wait "$CLIENT"
	cat "$BATS_TEST_TMPDIR/client"
	jq -e '.hop_share > 0.5' "$BATS_TEST_TMPDIR/client"
	# three of its timeouts went by, and its last packets found their way
	wait_list 5 'length == 0' "$INSTANCE"
}

stays_for() {
	"$SOCKHOP" status --json --instance "$INSTANCE" |
		jq --arg r "$1" '[.stay_reasons[] | select(.reason == $r).count] | add // 0'
}

@test "one message of each direction takes TCP in each heartbeat, and members stay" {
	attached_cgroup --heartbeat 1
	[ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .heartbeat)" -eq 1 ]
	run -0 member "$K/rr" rr -s 6 -w 0.1
	echo "$output"
	"$SOCKHOP" status --instance "$INSTANCE"
	at_least "$(stays_for heartbeat)" 6 # 2 * 6, less the time that it takes to join
	at_least 14 "$(stays_for heartbeat)"
	[ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .counters.left)" -eq 0 ]
}

@test "a heartbeat of 0 sends nothing over TCP" {
	attached_cgroup --heartbeat 0
	run -0 member "$K/rr" rr -s 3 -w 0.1
	[ "$(stays_for heartbeat)" -eq 0 ]
}
