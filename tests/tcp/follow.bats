#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A path that was attached stays attached: a service that restarts gets a new cgroup under the same path.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

status_is() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -e "$1" >/dev/null; }
agent_pid() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -r '.agent.pid'; }
cgroup_is() { status_is ".cgroups | map(select(.path == \"$1\")) | length == 1 and .[0].state == \"$2\""; }
pins() { echo "/sys/fs/bpf/sockhop/$INSTANCE"/cgroup-*; }
pin_of() { echo "/sys/fs/bpf/sockhop/$INSTANCE/cgroup-$(stat -c %i "$1")"; }
# What is left when only this cgroup is attached: one record, the links of one cgroup.
only() { cgroup_is "$1" attached && status_is '.cgroups | length == 1' && [ "$(pins)" = "$(echo "$(pin_of "$1")"*)" ]; }
watches() { cat "/proc/$(agent_pid)"/fdinfo/* 2>/dev/null | grep -c '^inotify wd'; }
# A connection in the cgroup hops, but for what went before it joined.
hops() {
	in_cgroup "$1" timeout 60 "$K/rr" -w 5 -s 2 >"$BATS_TEST_TMPDIR/rr"
	cat "$BATS_TEST_TMPDIR/rr"
	jq -e '.hop_share > 0' "$BATS_TEST_TMPDIR/rr" >/dev/null
}
restart() { rmdir "$1" && mkdir "$1"; }
# followed CGROUP: attach a child of a new cgroup, as a service in a slice
followed() {
	new_cgroup
	SLICE=$CG SERVICE=$CG/service
	mkdir "$SERVICE"
	attach "$SERVICE" "$@"
}

@test "a service that restarts hops again" {
	local link
	followed
	hops "$SERVICE"
	link=$(pin_of "$SERVICE")
	rmdir "$SERVICE"
	cgroup_is "$SERVICE" waiting
	# the sockets of its last connections take a moment; then its links are no more, and its path is waited for
	unlinked() { [ ! -e "$link" ] && [ ! -e "$link-setsockopt" ]; }
	wait_for 10 unlinked
	cgroup_is "$SERVICE" waiting
	mkdir "$SERVICE"
	hops "$SERVICE"
	wait_for 10 only "$SERVICE"
}

@test "a new cgroup is attached within 100 ms (1 s here: the machine may be busy)" {
	local start took worst=0 pin
	followed
	for _ in {1..20}; do
		rmdir "$SERVICE"
		start=${EPOCHREALTIME/./}
		mkdir "$SERVICE"
		pin=$(pin_of "$SERVICE")
		until [ -e "$pin-setsockopt" ]; do [ $((${EPOCHREALTIME/./} - start)) -lt 1000000 ]; done
		took=$((${EPOCHREALTIME/./} - start))
		[ "$took" -le "$worst" ] || worst=$took
	done
	echo "# attached after $worst us at most" >&3
}

@test "fifty restarts leave no link, record, watch or descriptor behind" {
	local before fds
	followed
	# of its own kinds: the examiners come and go
	fds() { find "/proc/$(agent_pid)/fd" -type l -printf '%l\n' | grep -c 'bpf\|inotify\|cgroup'; }
	wait_for 5 only "$SERVICE"
	before=$(watches) fds=$(fds)
	[ "$before" -ge 2 ] # the slice, and what is above it
	for _ in {1..50}; do restart "$SERVICE"; done
	wait_for 20 only "$SERVICE"
	# so fast that the next cgroup is there, or the last one gone, while the agent is about to attach
	timeout 30 "${PYTHON:-python3}" -c 'import os, random, sys, time
for i in range(2000):
    os.rmdir(sys.argv[1])
    os.mkdir(sys.argv[1])
    time.sleep(random.random() / 400)' "$SERVICE"
	wait_for 20 only "$SERVICE"
	hops "$SERVICE"
	same() { echo "$(watches) watches, $(fds) descriptors" && [ "$(watches)" -eq "$before" ] && [ "$(fds)" -eq "$fds" ]; }
	wait_for 5 same
}

@test "a parent that is removed and made again, with another cgroup of the same name elsewhere" {
	local before
	followed
	before=$(watches)
	rmdir "$SERVICE"
	rmdir "$SLICE"
	fewer() { [ "$(watches)" -lt "$before" ]; }
	wait_for 5 fewer # so the agent has seen that the parent is gone
	new_cgroup
	mkdir "$CG/service"
	mkdir "$SLICE"
	_lib_note cgroup "$SLICE"
	mkdir "$SERVICE"
	wait_for 5 only "$SERVICE"
	hops "$SERVICE"
	# once more, to show that the watches of the first parent are not what did it
	rmdir "$SERVICE" "$SLICE"
	cgroup_is "$SERVICE" waiting
	mkdir -p "$SERVICE"
	wait_for 5 only "$SERVICE"
	# a cgroup of this name with another parent is no business of ours
	[ ! -e "$(pin_of "$CG/service")" ]
	status_is "all(.cgroups[]; .path == \"$SERVICE\")"
}

@test "the watches of removed parents go" {
	local before
	followed
	before=$(watches)
	for _ in {1..5}; do
		rmdir "$SERVICE" "$SLICE"
		mkdir -p "$SERVICE"
		wait_for 5 only "$SERVICE"
	done
	same() { [ "$(watches)" -eq "$before" ]; }
	wait_for 5 same
}

@test "an agent that was killed meanwhile goes on following, and adopts older connections" {
	local agent
	followed
	agent=$(agent_pid)
	rmdir "$SERVICE"
	kill -KILL "$agent"
	gone() { [ ! -e "/proc/$agent" ]; }
	wait_for 5 gone
	cgroup_is "$SERVICE" waiting
	mkdir "$SERVICE"
	cgroup_is "$SERVICE" waiting
	spawn -c "$SERVICE" -o "$BATS_TEST_TMPDIR/old" "$K/rr" -w 8 -s 2
	connected() { [ "$(ss -Htn state established | wc -l)" -ge 2 ]; }
	wait_for 5 connected
	spawn "$SOCKHOP" agent --instance "$INSTANCE"
	wait_for 5 only "$SERVICE"
	wait_for 20 test -s "$BATS_TEST_TMPDIR/old"
	cat "$BATS_TEST_TMPDIR/old"
	if status_is .profile.adopts_old_connections; then
		jq -e '.hop_share > 0.9' "$BATS_TEST_TMPDIR/old"
	fi
	restart "$SERVICE"
	wait_for 5 only "$SERVICE"
	hops "$SERVICE"
}

@test "detach of a path that waits ends the following" {
	local word
	followed
	new_cgroup # another one stays attached
	attach "$CG"
	rmdir "$SERVICE"
	cgroup_is "$SERVICE" waiting
	word=${SERVICE#"$(cgroup2_mount)"/}
	run -0 "$SOCKHOP" detach --instance "$INSTANCE" "$word"
	run -3 "$SOCKHOP" detach --instance "$INSTANCE" "$word"
	mkdir "$SERVICE"
	restart "$CG"
	wait_for 5 only "$CG" # so the agent has looked
	[ ! -e "$(pin_of "$SERVICE")" ]
}

@test "attach takes over a path that waits" {
	followed --no-agent
	restart "$SERVICE"
	cgroup_is "$SERVICE" waiting
	attach "$SERVICE" # and starts an agent
	wait_for 5 only "$SERVICE"
	hops "$SERVICE"
}

@test "attach of a path that waits says so; one that never was is refused" {
	followed
	rmdir "$SERVICE"
	run -0 attach "$SERVICE"
	echo "$output"
	[[ $output == *"is waiting"* ]]
	run -1 attach "$SLICE/never"
	cgroup_is "$SERVICE" waiting
}

@test "a cgroup that is removed and made again in a loop costs the agent little" {
	local agent before
	followed
	agent=$(agent_pid)
	ticks() { sed 's/.*) //' "/proc/$agent/stat" | awk '{ print $12 + $13 + $14 + $15 }'; }
	spawn timeout 10 "${PYTHON:-python3}" -c 'import os, sys
while True:
    os.rmdir(sys.argv[1])
    os.mkdir(sys.argv[1])' "$SERVICE"
	sleep 1
	before=$(ticks)
	sleep 4
	before=$(($(ticks) - before))
	echo "$before ticks in 4 s"
	# without its pauses it would take a whole CPU; some 3 to 10 % on a machine that is otherwise idle
	[ "$before" -lt $((4 * $(getconf CLK_TCK) / 5)) ]
	end_pid "$SPAWN_PID"
	mkdir -p "$SERVICE"
	wait_for 10 only "$SERVICE"
}

@test "the cgroup of sockhop run is not followed" {
	local cg
	followed
	spawn "$SOCKHOP" run --instance "$INSTANCE" -- sleep 60
	owned() { cg=$("$SOCKHOP" status --json --instance "$INSTANCE" | jq -er '.cgroups[] | select(.owned) | .path'); }
	wait_for 10 owned
	kill -KILL "$SPAWN_PID"
	remove() {
		local pid
		while read -r pid; do kill -KILL "$pid"; done <"$cg/cgroup.procs"
		rmdir "$cg"
	}
	wait_for 5 remove
	cgroup_is "$cg" gone
	mkdir "$cg"
	_lib_note cgroup "$cg"
	restart "$SERVICE"
	attached() { [ -e "$(pin_of "$SERVICE")" ]; }
	wait_for 5 attached
	[ ! -e "$(pin_of "$cg")" ]
	cgroup_is "$cg" gone
}

# Its processes moved before it was removed; their sockets stay in it (a socket never changes its cgroup).
@test "who outlives the cgroup hops on while its path waits, and leaves once it has another one" {
	followed
	spawn -c "$SERVICE" -o "$BATS_TEST_TMPDIR/rr" timeout 60 "$K/rr" -c 4 -w 0 -s 15
	members() { status_is ".maps[] | select(.map == \"members\") | .used $1"; }
	wait_for "$JOIN_WAIT" members "== 8"
	moved() {
		local pid
		while read -r pid; do echo "$pid" >"$SLICE/cgroup.procs"; done <"$SERVICE/cgroup.procs"
		rmdir "$SERVICE"
	}
	wait_for 5 moved
	cgroup_is "$SERVICE" waiting
	members "== 8"
	[ -e "/sys/fs/bpf/sockhop/$INSTANCE" ] && [ "$(pins)" != "/sys/fs/bpf/sockhop/$INSTANCE/cgroup-*" ] # callbacks
	mkdir "$SERVICE"
	wait_for 10 members "== 0"
	wait "$SPAWN_PID"
	wait_for 20 only "$SERVICE"
	status_is '[.maps[].used] | add == 0'
	status_is '.counters.swept == 0'
}
