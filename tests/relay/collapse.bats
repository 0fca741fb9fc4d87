#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Hop collapse: client and server of a relayed connection hop past the relay, and nothing else changes.

bats_require_minimum_version 1.5.0

setup() {
	source "$BATS_TEST_DIRNAME/../lib.bash"
	source "$BATS_TEST_DIRNAME/relay.bash"
	export JOIN_WAIT=${JOIN_WAIT:-40}
	FORWARD_PATH=auto
}
teardown() { lib_teardown; }

K=$BUILD/tests/prog

attached() {
	new_cgroup
	attach "$CG"
}
# collapsing_forward [ARGUMENT...], collapsing_pair: a relay of this test's instance, outside the cgroup
collapsing_forward() { forward "$FORWARD_PATH" --collapse --instance "$INSTANCE" "$@"; }
collapsing_pair() {
	TARGET_PORT=
	start_relay pair --listen 127.0.0.1:0 --collapse --instance "$INSTANCE"
}
# ends SCENARIO [CONNECTIONS]: both ends in the attached cgroup
ends() { in_cgroup "$CG" timeout 100 "$K/collapse" "$1" "$RELAY_PORT" "${TARGET_PORT:-0}" "${2:-1}"; }
# ends_begin SCENARIO [CONNECTIONS]: in the background until they hop; sets ENDS_PID, ENDS_LOG; they read fd 7
ends_begin() {
	mkfifo "$BATS_TEST_TMPDIR/go"
	ENDS_LOG=$BATS_TEST_TMPDIR/ends
	spawn -c "$CG" -o "$ENDS_LOG" bash -c "exec timeout 100 '$K/collapse' $1 $RELAY_PORT ${TARGET_PORT:-0} ${2:-1} <'$BATS_TEST_TMPDIR/go'"
	ENDS_PID=$SPAWN_PID
	exec 7>"$BATS_TEST_TMPDIR/go"
	wait_for 60 grep -q hopping "$ENDS_LOG"
}
ends_exit() { # STATUS
	local status=0
	wait_for 30 ended "$ENDS_PID" || return
	wait "$ENDS_PID" || status=$?
	[ "$status" -eq "$1" ] || {
		cat "$ENDS_LOG"
		return 1
	}
}
# records: how many ends are published in the instance
records() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq '.maps[] | select(.map == "collapse").used'; }
records_are() { [ "$(records)" -eq "$1" ]; }
none_hop() { [ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.messages)" -eq 0 ]; }

@test "forward: every request and answer hops past the relay, whoever opened the connection" {
	local path
	attached
	for path in auto kernel splice copy; do
		FORWARD_PATH=$path
		collapsing_forward
		ends hop
		end_pid "$RELAY_PID"
	done
	wait_for 5 records_are 0
}

@test "pair: every request and answer hops past the relay, two clients" {
	attached
	collapsing_pair
	ends hop
	ends hop 20
	wait_for 5 records_are 0
}

@test "many connections at once" {
	attached
	collapsing_forward
	ends hop 300
	wait_for 5 state_is '.connections, .collapsed' $'0\n0'
	end_pid "$RELAY_PID"
	collapsing_forward --workers 2
	ends hop 40
	[ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.messages)" -gt 100000 ]
	wait_for 5 records_are 0
}

# streams: request-response, streams both ways, floods, slow readers, half-closes; connections join in mid-stream
streams() {
	local server
	spawn -c "$CG" "$K/stream_check" server -p "$TARGET_PORT" "$@"
	server=$SPAWN_PID
	wait_listen "$TARGET_PORT"
	in_cgroup "$CG" timeout 60 "$K/stream_check" client -p "$RELAY_PORT" "$@" || return
	wait "$server"
}

@test "streams, request-response, floods and slow readers collapse in mid-stream without a fault" {
	attached
	collapsing_forward
	streams -n 60 -s 5 -H 5
}

@test "the same in the relay's kernel path, and by splice, with a reading and a writing thread each" {
	attached
	FORWARD_PATH=kernel
	collapsing_forward
	streams -n 30 -s 2
	end_pid "$RELAY_PID"
	FORWARD_PATH=splice
	collapsing_forward
	streams -n 30 -s 2 -T
}

@test "the checker fails when the order rule is taken away" {
	export SOCKHOP_TEST_FORCE=8 # HOP_FORCE_ORDER
	attached
	FORWARD_PATH=copy
	collapsing_forward
	for _ in 1 2 3 4; do
		streams -n 30 -s 3 || return 0
	done
	echo "no fault was seen without the order rule"
	return 1
}

@test "half-close, close and reset of either side arrive as they do through the relay" {
	attached
	collapsing_forward
	ends half
	ends close
	ends unread
	ends reset
	end_pid "$RELAY_PID"
	collapsing_pair
	ends half
	ends reset
}

@test "a PROXY header is not counted as the client's bytes" {
	attached
	collapsing_forward --proxy-protocol v2
	ends proxy
}

@test "a sleeping reader blocks the sender, and then gets everything" {
	attached
	collapsing_forward
	ends sleeper
}

@test "SIGTERM: collapsed connections finish" {
	attached
	collapsing_forward
	ends_begin hold 10
	kill -TERM "$RELAY_PID"
	wait_for 5 state_is '.draining, .collapsed' $'true\n10'
	echo >&7
	ends_exit 0
	wait_exit 5 "$RELAY_PID" 0
}

@test "SIGKILL under load: both sides have what was sent up to some byte, and nothing stays behind" {
	attached
	collapsing_forward
	ends_begin cut 20
	kill -KILL "$RELAY_PID"
	ends_exit 0
	wait_for 10 records_are 0
}

@test "records of a relay that was killed go with the next one" {
	attached
	collapsing_forward
	# the server is outside: its end never registers, so nobody sees it close
	spawn "$K/rr" rr server -p "$TARGET_PORT"
	wait_listen "$TARGET_PORT"
	spawn -c "$CG" "$K/rr" rr client -p "$RELAY_PORT" -s 30
	wait_for 10 records_are 2
	kill -KILL "$RELAY_PID"
	wait_for 5 ended "$RELAY_PID"
	wait_for 5 ended "$SPAWN_PID"
	none_hop
	collapsing_forward
	records_are 0
}

@test "detach while collapsed: the bytes go through the relay again; attached anew, they hop again" {
	attached
	collapsing_forward
	ends_begin hold 10
	"$SOCKHOP" detach --all --instance "$INSTANCE" --timeout 10 3>&-
	wait_for 5 grep -q "was detached" "$RELAY_LOG"
	wait_for 5 state_is '.collapse, .collapsed, .connections' $'false\n0\n10'
	echo >&7
	ends_exit 0
	attach "$CG"
	ends hop 3
}

@test "--idle-timeout: what hops counts, silence does not" {
	attached
	collapsing_forward --idle-timeout 1
	ends_begin hold 1
	# bytes hop, none goes through the relay
	local before
	before=$(state '.bytes | add')
	sleep 2.5
	state_is '.connections, .collapsed' $'1\n1'
	[ "$(state '.bytes | add')" -eq "$before" ]
	echo >&7
	ends_exit 0
	ends silent
}

@test "status and list show what is collapsed" {
	attached
	collapsing_forward
	ends_begin hold 2
	state_is '.collapse, .collapsed, .connections' $'true\n2\n2'
	[ "$("$SOCKHOP" list --json | jq -r --argjson p "$RELAY_PID" '[.[] | select(.relay.pid == $p) | .state, .a_to_b.path, .a_to_b.hopped > 0] | unique | sort | map(tostring) | join(" ")')" = "true collapsed hop" ]
	wait_list 5 "[.[] | select(.collapsed_by == $RELAY_PID and .state == \"hopping\")] | length == 2" "$INSTANCE"
	"$SOCKHOP" list | grep -q '^collapsed .* hop '
	echo >&7
	ends_exit 0
}

# relay_inside RULE...: a relay that is in the attached cgroup itself, with that policy
relay_inside() {
	TARGET_PORT=$(free_port)
	RELAY_PORT=$(free_port)
	new_cgroup
	printf '%s\n' "$@" >"$BATS_TEST_TMPDIR/policy"
	attach "$CG" --policy "$BATS_TEST_TMPDIR/policy"
	spawn -c "$CG" "$SOCKHOP" relay forward --listen "127.0.0.1:$RELAY_PORT" --to "127.0.0.1:$TARGET_PORT" --path copy \
		--collapse --instance "$INSTANCE"
	RELAY_PID=$SPAWN_PID RELAY_LOG=$SPAWN_LOG
	wait_listen "$RELAY_PORT"
}

@test "a relay in the attached cgroup that is even trusted: its own sockets join nobody" {
	relay_inside "trust program $(basename "$SOCKHOP")"
	ends hop 5
	[ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .counters.joined)" -eq 10 ]
}

@test "early joins of the relay's own sockets: such a connection is not collapsed" {
	relay_inside "early port 1-65535"
	ends plain 5
	records_are 0
	# with the server there is no early join: the relay marks that socket before it connects
	[ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .counters.joined_early)" -eq 10 ]
}

@test "without --collapse nothing collapses; nor does what a policy forbids" {
	attached
	forward auto
	ends plain 3
	end_pid "$RELAY_PID"
	collapsing_forward
	"$SOCKHOP" policy add --instance "$INSTANCE" "never port $TARGET_PORT"
	ends plain 3
	none_hop
}

@test "blocking ends do not collapse, and see nothing of it" {
	attached
	collapsing_forward
	in_cgroup "$CG" timeout 60 "$load_program" half "$RELAY_PORT" "$TARGET_PORT" 12
	in_cgroup "$CG" timeout 60 "$load_program" mixed "$RELAY_PORT" "$TARGET_PORT" 2
	none_hop
}

@test "client and server in network namespaces of their own, over veth" {
	new_netns_bridge 3
	attached
	TARGET_PORT=$(free_port)
	RELAY_PORT=$(free_port)
	spawn -n "${NS_N[0]}" "$SOCKHOP" relay forward --listen "${ADDR_N[0]}:$RELAY_PORT" --to "${ADDR_N[2]}:$TARGET_PORT" \
		--collapse --instance "$INSTANCE"
	RELAY_PID=$SPAWN_PID
	wait_listen "$RELAY_PORT" "${NS_N[0]}"
	spawn -c "$CG" -n "${NS_N[2]}" "$K/stream_check" server -a "${ADDR_N[2]}" -p "$TARGET_PORT" -n 10 -s 4
	local server=$SPAWN_PID
	wait_listen "$TARGET_PORT" "${NS_N[2]}"
	in_cgroup_netns "$CG" "${NS_N[1]}" timeout 60 "$K/stream_check" client -a "${ADDR_N[0]}" -p "$RELAY_PORT" -n 10 -s 4 -H 5
	wait "$server"
}

@test "IPv6 on both sides; an IPv4 client of an IPv6 listener" {
	[ -e /proc/net/if_inet6 ] || skip "no IPv6 on this host"
	local addr server
	attached
	TARGET_PORT=$(free_port)
	start_relay forward --listen "[::]:0" --to "[::1]:$TARGET_PORT" --collapse --instance "$INSTANCE"
	for addr in ::1 127.0.0.1; do
		spawn -c "$CG" "$K/stream_check" server -a ::1 -p "$TARGET_PORT" -n 6 -s 2
		server=$SPAWN_PID
		wait_listen "$TARGET_PORT"
		in_cgroup "$CG" timeout 60 "$K/stream_check" client -a "$addr" -p "$RELAY_PORT" -n 6 -s 2
		wait "$server"
	done
	run ! none_hop
}

# nested CLIENT_CGROUP SERVER_CGROUP INSTANCE OUTER INNER: request-response and streams through a relay of that instance;
# OUTER, INNER: in which instance messages hop (1) or none may (0)
nested() {
	local server had=("$(hops_of "$OUTER_INSTANCE")" "$(hops_of "$INNER_INSTANCE")") n
	INSTANCE=$3
	collapsing_forward
	for _ in 1 2 3 4; do # a busy machine may be slow to join
		spawn -c "$2" "$K/stream_check" server -p "$TARGET_PORT" -n 6 -s 2
		server=$SPAWN_PID
		wait_listen "$TARGET_PORT"
		in_cgroup "$1" timeout 60 "$K/stream_check" client -p "$RELAY_PORT" -n 6 -s 2 || return
		wait "$server" || return
		n=($(($(hops_of "$OUTER_INSTANCE") - had[0])) $(($(hops_of "$INNER_INSTANCE") - had[1])))
		echo "hops in outer: ${n[0]}, in inner: ${n[1]}"
		[ "$4" -eq 1 ] || [ "${n[0]}" -eq 0 ] || return
		[ "$5" -eq 1 ] || [ "${n[1]}" -eq 0 ] || return
		[ "$4" -gt "${n[0]}" ] || [ "$5" -gt "${n[1]}" ] || break
	done
	end_pid "$RELAY_PID"
	[ "$4" -le "${n[0]}" ] && [ "$5" -le "${n[1]}" ]
}
hops_of() { "$SOCKHOP" status --json --instance "$1" | jq .hopped.messages; }

@test "two instances, one inside the other: an end collapses in the relay's instance or not at all" {
	local outer inner
	attached
	outer=$CG OUTER_INSTANCE=$INSTANCE INNER_INSTANCE=$INSTANCE-inner
	new_cgroup "$outer"
	inner=$CG
	_lib_note instance "$INNER_INSTANCE"
	"$SOCKHOP" attach --instance "$INNER_INSTANCE" "$inner" 3>&-
	nested "$inner" "$outer" "$OUTER_INSTANCE" 1 0
	nested "$inner" "$outer" "$INNER_INSTANCE" 0 0
	nested "$inner" "$inner" "$OUTER_INSTANCE" 1 0
	nested "$inner" "$inner" "$INNER_INSTANCE" 0 1
}

# forgery CGROUP ARGUMENT...: client and server of the relay in that cgroup, and a forger in one of its own, which is
# attached when the forged sockets are there: else nobody looks at them
forgery() {
	local victims=$1
	shift
	new_cgroup
	run -0 in_cgroup "$victims" timeout 60 "$K/forge" -R "$RELAY_PORT" -T "$TARGET_PORT" -r 1000 -G "$CG/cgroup.procs" \
		-x "'$SOCKHOP' attach --instance '$INSTANCE' '$CG' 3>&-" "$@"
	echo "$*: $output"
	[[ $output == *"stolen=0 injected=0"* ]]
}
# refusals REASON: how many there were
refusals() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq "[.why_not[] | select(.reason == \"$1\").count] | add // 0"; }
# caught CGROUP ARGUMENT...: the same, until a pass saw the numbers in step and nothing but the owner of the namespace was
# wrong
caught() {
	local before
	before=$(refusals user-namespace)
	for _ in {1..8}; do
		forgery "$@"
		[ "$(refusals user-namespace)" -eq "$before" ] || return 0
	done
	return 1
}

@test "who forges an end of a collapsed pair gets no byte and gives none" {
	local victims
	attached
	victims=$CG
	collapsing_forward
	# -c: the client's numbers, else the server's; -o: the forger registers first, else its victim does
	forgery "$victims" -o
	forgery "$victims" -o -c
	[ "$(refusals duplicate-key)" -gt 0 ]
	forgery "$victims"
	[[ $output =~ victim_hops=[1-9] ]]
	forgery "$victims" -c
	[[ $output =~ victim_hops=[1-9] ]]
}

@test "who forges the end of a relayed connection that is outside gets no byte and gives none" {
	local victims outside before
	attached
	victims=$CG
	new_cgroup
	outside=$CG
	collapsing_forward
	caught "$victims" -o -g "$outside/cgroup.procs"
	caught "$outside" -o -c -g "$victims/cgroup.procs"
}

@test "without the instance the relay does not start, and says why" {
	run -3 "$SOCKHOP" relay pair --listen 127.0.0.1:0 --collapse --instance none-of-ours
	[[ $output == *"instance 'none-of-ours' is not attached"* ]]
	run -2 "$SOCKHOP" relay pair --listen 127.0.0.1:0 --instance none-of-ours
	[[ $output == *"--instance goes with --collapse only"* ]]
}
