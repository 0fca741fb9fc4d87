#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# `sockhop pause`: all messages take TCP at once, where packets are seen, and hop again at the time, whoever is alive.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

paused() { "$SOCKHOP" pause --instance "$INSTANCE" "$@"; }
resumed() { "$SOCKHOP" resume --instance "$INSTANCE"; }

# status JQ: of its JSON
status() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq "$1"; }
hopped() { status .hopped.messages; }
hopped_more() { [ "$(hopped)" -gt "$1" ]; }
stays_for() { status "[.stay_reasons[] | select(.reason == \"$1\").count] | add // 0"; }

# Packets that came in at the server, in NS_A
packets() { in_netns "$NS_A" nft list chain inet t c | sed -n 's/.* packets \([0-9]*\) .*/\1/p'; }

# A pair that hops, between NS_B and the server in NS_A, until the test ends.
between() {
	new_netns_pair
	in_netns "$NS_A" nft -f - <<-NFT
		table inet t {
			chain c {
				type filter hook input priority 0;
				tcp dport 7000 counter
			}
		}
	NFT
	attached_cgroup "$@"
	spawn -c "$CG" -n "$NS_A" "$K/rr" server -a "$ADDR_A" -p 7000
	spawn -c "$CG" -n "$NS_B" "$K/rr" client -a "$ADDR_A" -p 7000 -w 0.1 -s 120
	wait_list "$JOIN_WAIT" 'map(select(.state == "hopping")) | length == 1' "$INSTANCE"
}

# hop_again COUNT SINCE SECONDS: more than COUNT have hopped, no sooner than so many seconds after SINCE (us).
hop_again() {
	wait_for 30 hopped_more "$1"
	at_least $((${EPOCHREALTIME/./} - $2)) $(($3 * 1000000))
}

@test "a pause stops all hops at once, packets are seen, and hops come back at the time" {
	local since count seen
	between
	[ "$(status .paused_for)" = null ]
	since=${EPOCHREALTIME/./}
	paused --for 4s
	count=$(hopped) seen=$(packets)
	at_least 4 "$(status .paused_for)"
	at_least "$(status .paused_for)" 1
	"$SOCKHOP" status --instance "$INSTANCE" | grep -qE '^paused for: +[1-4] s$'
	sleep 1 # a span of time is what is looked at
	[ "$(hopped)" -eq "$count" ]
	at_least "$(packets)" $((seen + 100))
	hop_again "$count" "$since" 4
	at_least "$(stays_for paused)" 2000 # four reviews and more, had they counted
	status '.counters, .why_not'
	[ "$(status .counters.left)" -eq 0 ]
	members_are 2
	[ "$(status .paused_for)" = null ]
	# the first message after it has taken the word away: the later ones do not ask for the time
	[ "$(bpftool -j map dump pinned "/sys/fs/bpf/sockhop/$INSTANCE/config" |
		jq -s '[.. | objects | .pause_until_ns | numbers] | add')" -eq 0 ]
}

@test "a pause ends at its time when the agent is dead" {
	local since count pid
	between
	since=${EPOCHREALTIME/./}
	paused --for 3s
	count=$(hopped)
	pid=$(status .agent.pid)
	kill -KILL "$pid"
	wait_for 5 _lib_ended "$pid" "$(_lib_start_time "$pid")"
	hop_again "$count" "$since" 3
	[ "$(status .agent.alive)" = false ]
}

@test "resume ends a pause, and a second pause takes the place of the first" {
	local count since
	between
	paused --for 1h
	at_least "$(status .paused_for)" 3500
	since=${EPOCHREALTIME/./}
	paused --for 2s
	count=$(hopped)
	hop_again "$count" "$since" 2
	paused
	at_least "$(status .paused_for)" 50
	at_least 60 "$(status .paused_for)"
	count=$(hopped)
	resumed
	[ "$(status .paused_for)" = null ]
	wait_for 10 hopped_more "$count"
	resumed # none is under way: nothing to do
}

# Their messages are not counted, and without messages a pair falls silent.
@test "a pair that talks through a pause does not leave as a silent one" {
	between --idle-timeout 1
	paused --for 5s
	hop_again "$(hopped)" "${EPOCHREALTIME/./}" 0
	status '.counters, .why_not'
	[ "$(status .counters.left)" -eq 0 ]
}

@test "no byte is lost or reordered across many pauses" {
	local pid start n=0
	attached_cgroup
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" timeout 120 "$K/stream_check" -n 50 -s 12 -H 2
	pid=$SPAWN_PID start=$(_lib_start_time "$SPAWN_PID")
	while ! _lib_ended "$pid" "$start"; do
		paused --for 1
		sleep "0.0$((RANDOM % 9))"
		[ $((n++ % 4)) -eq 0 ] || resumed # every fourth ends by itself
		sleep "0.$((RANDOM % 4))"
	done
	cat "$BATS_TEST_TMPDIR/log"
	echo "$n pauses"
	wait "$pid"
	at_least "$n" 20
	at_least "$(stays_for paused)" 100
}

@test "who joins during a pause hops after it" {
	local since
	attached_cgroup
	since=${EPOCHREALTIME/./}
	paused --for 6s
	spawn -c "$CG" "$K/rr" rr -s 60 -w 0.1
	wait_for "$JOIN_WAIT" members_are 2
	hop_again 0 "$since" 6
}
