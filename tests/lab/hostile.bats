#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Hostile neighbours: no byte goes to a socket that TCP would not have given it to, and who is not root can neither
# attach, detach, read nor steer. (Forged sequence numbers within one cgroup: tests/kernel/join.bats.)

NOBODY=65534

setup() {
	bats_require_minimum_version 1.5.0
	load ../lib
	export JOIN_WAIT=${JOIN_WAIT:-20}
	# programs where everybody may run them
	BIN=$(mktemp -d /tmp/sockhop-lab.XXXXXX)
	chmod 755 "$BIN"
	cp "$SOCKHOP" "$BIN/sockhop"
	cp "$BUILD/tests/kernel/forge" "$BUILD/tests/kernel/stream_check" "$BUILD/tests/lab/catalogue" "$BIN"
}
teardown() {
	lib_teardown
	rm -rf "$BIN"
}

as() { # UID CMD...
	local uid=$1
	shift
	setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
}

@test "two users, two cgroups, two namespaces with equal addresses and ports: no byte goes astray" {
	local i cg=() ns=() pids=()
	for i in 0 1; do
		new_cgroup
		cg[i]=$CG
		new_netns
		ns[i]=$NS
		# the same few client ports in both: all 4-tuples collide
		in_netns "$NS" sysctl -qw net.ipv4.ip_local_port_range="40000 40063"
	done
	attach "${cg[@]}"
	for i in 0 1; do
		spawn -c "${cg[i]}" -n "${ns[i]}" -o "$BATS_TEST_TMPDIR/server$i" \
			setpriv --reuid $((3000 + i)) --regid $((3000 + i)) --clear-groups \
			"$BIN/stream_check" server -p 7000 -n 30 -s 8 -w 4
	done
	for i in 0 1; do
		spawn -c "${cg[i]}" -n "${ns[i]}" -o "$BATS_TEST_TMPDIR/client$i" \
			setpriv --reuid $((3000 + i)) --regid $((3000 + i)) --clear-groups \
			"$BIN/stream_check" client -p 7000 -n 30 -s 8 -w 4 -H 1
		pids[i]=$SPAWN_PID
	done
	for i in 0 1; do
		wait "${pids[i]}" || { cat "$BATS_TEST_TMPDIR"/client* "$BATS_TEST_TMPDIR"/server*; return 1; }
	done
	# it is members that it is about: most of the 30 ends of each user
	for i in 0 1; do
		[[ $(cat "$BATS_TEST_TMPDIR/client$i") =~ hop_ends=([0-9]+) ]]
		echo "user $i: ${BASH_REMATCH[1]} ends hopped"
		[ "${BASH_REMATCH[1]}" -ge 20 ]
	done
}

@test "an unprivileged user who forges sequence numbers gets no byte and gives none" {
	local how hops=0
	new_cgroup
	attach "$CG"
	for how in "" "-o" "-k -1" "-o -k -1"; do
		# shellcheck disable=SC2086
		run in_cgroup "$CG" timeout 60 "$BIN/forge" -u $NOBODY -r 20000 $how
		echo "$how: $status $output"
		[[ $output != "skip: "* ]] || skip "no user namespaces for unprivileged users here"
		[ "$status" -eq 0 ]
		[[ $output =~ victim_hops=([0-9]+) ]] && hops=$((hops + BASH_REMATCH[1]))
	done
	[ "$hops" -gt 0 ] # victims were members while he tried
}

@test "a port that is used again right after a reset gets nothing of the old connection" {
	new_cgroup
	attach "$CG"
	for _ in 1 2 3; do
		SOCKHOP_INSTANCE=$INSTANCE in_cgroup "$CG" timeout 60 "$BIN/catalogue" -c default port-reuse >"$BATS_TEST_TMPDIR/log"
		cat "$BATS_TEST_TMPDIR/log"
		grep -qx 'nothing of the old one: OUT' "$BATS_TEST_TMPDIR/log"
		grep -q "^recv: 15 'for the new one'" "$BATS_TEST_TMPDIR/log"
	done
}

@test "who is not root can neither attach, detach, list, read nor steer" {
	local bpffs
	new_cgroup
	attach "$CG"
	run as $NOBODY "$BIN/sockhop" attach "$CG" --instance "$INSTANCE-x"
	echo "$output"
	[ "$status" -ne 0 ] && [ "$status" -lt 126 ]
	for cmd in "detach --all" "status" "list" "policy show" "policy add never"; do
		# shellcheck disable=SC2086
		run as $NOBODY "$BIN/sockhop" $cmd --instance "$INSTANCE"
		echo "$cmd: $status $output"
		[ "$status" -ne 0 ] && [ "$status" -lt 126 ]
	done
	bpffs=$(awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "bpf") { print $5; exit } }' /proc/self/mountinfo)
	run as $NOBODY find "$bpffs/sockhop" -mindepth 1
	[[ $output == *denied* ]] && ! grep -qv denied <<<"$output"
	[ "$(stat -c '%a %u' "$bpffs/sockhop/$INSTANCE")" = "700 0" ]
	# and it is still attached, with its policy as it was
	"$SOCKHOP" policy show --json --instance "$INSTANCE" | jq -e '[.. | objects | select(.action? == "never")] | length == 0'
	"$SOCKHOP" status --instance "$INSTANCE" | grep -q '^state: *attached'
}
