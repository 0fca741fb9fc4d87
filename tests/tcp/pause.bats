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

# status [OPTION] JQ: of its JSON
status() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq "$@"; }
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
		# all, or only the cgroup
		if ((n % 2)); then paused --for 1; else paused "$CG" --for 1; fi
		sleep "0.0$((RANDOM % 9))"
		[ $((n++ % 4)) -eq 0 ] || resumed # every fourth ends by itself
		sleep "0.$((RANDOM % 4))"
	done
	cat "$BATS_TEST_TMPDIR/log"
	echo "$n pauses"
	wait "$pid"
	at_least "$n" 8
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

# ---- of some cgroups ----

# Two cgroups with a pair each that hops, and one pair between them: OTHER, CG
two_cgroups() {
	new_cgroup
	OTHER=$CG
	new_cgroup
	attach "$OTHER" "$CG"
	spawn -c "$OTHER" "$K/rr" rr -s 120 -w 0.1
	spawn -c "$CG" "$K/rr" rr -s 120 -w 0.1
	wait_list "$JOIN_WAIT" 'map(select(.state == "hopping")) | length == 2' "$INSTANCE"
}

# list_of CGROUP JQ: of the pair whose first end is in that cgroup
list_of() {
	local id
	id=$(stat -c %i "$1")
	"$SOCKHOP" list --json --instance "$INSTANCE" | jq -r "[.[] | select(.a.cgroup == $id)][0] | $2"
}
hops_of() { list_of "$1" '(.a.messages_hopped + .b.messages_hopped) // 0'; }
hops_more() { [ "$(hops_of "$1")" -gt "$2" ]; }

@test "a pause of one cgroup leaves the other one alone, and ends at its time" {
	local since count other
	two_cgroups
	since=${EPOCHREALTIME/./}
	paused "$CG" --for 8s
	count=$(hops_of "$CG") other=$(hops_of "$OTHER")
	[ "$(status .paused_for)" = null ]
	[ "$(status '.paused | length')" -eq 1 ]
	[ "$(status -r '.paused[0].cgroup')" = "$CG" ]
	"$SOCKHOP" status --instance "$INSTANCE" | grep -A2 '^paused cgroups' | grep -F "$CG"
	[ "$(list_of "$CG" .state)" = staying ]
	[ "$(list_of "$CG" .reason)" = paused ]
	[ "$(list_of "$OTHER" .state)" = hopping ]
	wait_for 5 hops_more "$OTHER" $((other + 10))
	[ "$(hops_of "$CG")" -eq "$count" ]
	wait_for 30 hops_more "$CG" "$count"
	at_least $((${EPOCHREALTIME/./} - since)) 8000000
	[ "$(status '.paused | length')" -eq 0 ]
	[ "$(status .counters.left)" -eq 0 ]
}

@test "a pause of the cgroup of one end stops both directions; resume ends it" {
	local count name
	new_cgroup
	OTHER=$CG
	new_cgroup
	attach "$OTHER" "$CG"
	spawn -c "$OTHER" "$K/rr" server -p 7000
	spawn -c "$CG" "$K/rr" client -p 7000 -w 0.1 -s 120
	wait_list "$JOIN_WAIT" 'map(select(.state == "hopping")) | length == 1' "$INSTANCE"
	for name in "$OTHER" "cgroup:/*/${CG##*/}" "cgroup:/${CG##*/}"; do
		# one of the two patterns means it, wherever cgroups of tests are made
		paused "$name" --for 1h || continue
		count=$(hopped)
		sleep 0.5 # a span of time is what is looked at
		[ "$(hopped)" -eq "$count" ]
		resume_one "$name"
		wait_for 10 hopped_more "$count"
		SEEN=$((SEEN + 1))
	done
	[ "$SEEN" -eq 2 ]
}
resume_one() { "$SOCKHOP" resume --instance "$INSTANCE" "$1"; }

@test "what cannot be paused is said, and nothing is paused then" {
	local i dirs=()
	attached_cgroup
	run -3 paused "unit:no-such.service"
	[[ $output == *"no attached cgroup that 'unit:no-such.service' means"* ]]
	run -2 paused "container:"
	run -3 paused /no/such/cgroup
	for i in {1..17}; do
		dirs+=("$CG/c$i")
		mkdir "$CG/c$i"
	done
	run -1 paused "${dirs[@]}" --for 1h
	[[ $output == *"no more than 16 cgroups"* ]]
	[ "$(status '.paused | length')" -eq 0 ]
	paused "${dirs[@]:1}" --for 1h
	[ "$(status '.paused | length')" -eq 16 ]
	run -1 paused "${dirs[0]}"
	paused "${dirs[5]}" --for 30m # a place of its own already
	paused --for 10
	run -0 resume_one "${dirs[5]}"
	[[ $output == *"paused as a whole"* ]]
	[ "$(status '.paused | length')" -eq 15 ]
	resumed
	[ "$(status '.paused | length')" -eq 0 ]
	[ "$(status .paused_for)" = null ]
	for i in "${dirs[@]}"; do rmdir "$i"; done
}
