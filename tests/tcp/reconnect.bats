#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A member that is disconnected and connects elsewhere: another connection, of which nothing is known.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# The young connections that the sockets have in the end are known to no map.
nothing_known() {
	"$SOCKHOP" status --json --instance "$INSTANCE" |
		jq -e '[.maps[] | select(.map == "members" or .map == "ends").used] == [0, 0]' >/dev/null
}

@test "bytes that a disconnected member had not read are not those of its next connection, and it joins again" {
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/reconnect" -n 20 -r 6
	wait_for 90 has "$BATS_TEST_TMPDIR/log" '^reconnect' || {
		cat "$BATS_TEST_TMPDIR/log"
		return 1
	}
	cat "$BATS_TEST_TMPDIR/log"
	has "$BATS_TEST_TMPDIR/log" 'rounds=6 bad=0'
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -c '.maps, .members'
	wait_for 5 nothing_known # a reset that is still on its way
	detach_all 5
	kill -USR1 "$SPAWN_PID"
	wait "$SPAWN_PID"
}

waits_for_the_hop() {
	"$SOCKHOP" list --all --json --instance "$INSTANCE" | jq -e '[.. | .why_not? // empty] | index("in-flight")' >/dev/null
}

@test "a socket that was connected elsewhere joins again only when no hop of its old peer can be in flight" {
	new_netns_pair
	attached_cgroup
	spawn -c "$CG" -n "$NS_B" -o "$BATS_TEST_TMPDIR/log" "$K/reconnect_inflight" "/run/netns/$NS_A" "$ADDR_A"
	wait_for 30 has "$BATS_TEST_TMPDIR/log" '^reconnect_inflight ready'
	wait_for 4 waits_for_the_hop
	wait_for 30 has "$BATS_TEST_TMPDIR/log" '^reconnect_inflight joined' || {
		cat "$BATS_TEST_TMPDIR/log"
		return 1
	}
	has "$BATS_TEST_TMPDIR/log" 'got=8 hopped=0'
}
