#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Hostile neighbours: no byte goes to a socket that TCP would not have given it to, and who is not root can neither
# attach, detach, read nor steer. (Forged sequence numbers within one cgroup: tests/tcp/join.bats.)

NOBODY=65534

setup() {
	bats_require_minimum_version 1.5.0
	load ../lib
	export JOIN_WAIT=${JOIN_WAIT:-20}
	# programs where everybody may run them
	BIN=$(mktemp -d /tmp/sockhop-lab.XXXXXX)
	chmod 755 "$BIN"
	cp "$SOCKHOP" "$BIN/sockhop"
	cp "$BUILD/tests/prog/forge" "$BUILD/tests/prog/stream_check" "$BUILD/tests/lab/catalogue" "$BIN"
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

# Runs in a mount namespace with a bpffs that everybody may write to, as a plain `mount -t bpf` makes it.
public_bpffs() { unshare -m --propagation private bash -c 'mount -t bpf bpf /sys/fs/bpf && "$@"' _ "$@" 3>&-; }

# What a local user plants; run as root or as nobody. Prints what attach and detach say, and their statuses.
planted() { # SOCKHOP KIND CGROUP CANARY_DIR
	local hop=$1 kind=$2 group=$3 canary=$4 pins=/sys/fs/bpf/sockhop as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	case $kind in
	folder) "${as[@]}" bash -c "mkdir -m 0777 $pins && ln -s '$canary' $pins/x-new-999999 && ln -s '$canary' $pins/half" ;;
	link) "${as[@]}" ln -s "$canary" $pins ;;
	mode) mkdir -m 0777 $pins && chmod 0777 $pins && "${as[@]}" ln -s "$canary" $pins/x-new-999999 ;;
	entry) mkdir -m 0700 $pins && ln -s "$canary" $pins/x-new-999999 && ln -s "$canary" $pins/half ;;
	esac || return 99
	"$hop" check
	"$hop" attach "$group" --no-agent
	echo "attach: $?"
	"$hop" detach --all
	echo "detach: $?"
	ls -l "$canary"
}

@test "a pin folder that a local user made, or links in it, are not believed, and no file outside is touched" {
	local kind canary=$BIN/canary
	mkdir -m 0777 "$canary"
	new_cgroup
	for kind in folder link mode entry; do
		touch "$canary/file"
		run public_bpffs bash -c "$(declare -f planted); planted \"\$@\"" _ "$BIN/sockhop" "$kind" "$CG" "$canary"
		echo "$kind: $output"
		[ -e "$canary/file" ]
		[ "$status" -eq 0 ]
		[ "$kind" = entry ] || [[ $output == *"cannot be trusted"*"attach: 1"* ]]
		[ "$kind" != entry ] || [[ $output == *"others may write to it"*"attach: 0"* ]]
	done
}
