#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# `sockhop check`: its findings, its exit statuses, and that it leaves nothing, however it ends.
# The variables in single quotes are those of the shell that is being started:
# shellcheck disable=SC2016

setup() {
	load ../lib
	hops=${SOCKHOP:-$BATS_TEST_DIRNAME/../../build/sockhop}
	json=$BATS_TEST_TMPDIR/check.json
	public=
}
teardown() {
	[ -z "$public" ] || rm -rf "$public"
	lib_teardown
}

require_root() { [ "$(id -u)" -eq 0 ] || skip "needs root"; }

# as_nobody [CAPS] ARG...: sockhop as another user; from a copy, since the build folder may be out of his reach.
as_nobody() {
	local caps=()
	case $1 in +*) caps=(--bounding-set="-all,$1" --inh-caps="$1" --ambient-caps="$1"); shift ;; esac
	public=$(mktemp -d)
	chmod 755 "$public"
	install -m 755 "$hops" "$public/sockhop"
	(cd / && timeout 60 setpriv --reuid=65534 --regid=65534 --clear-groups "${caps[@]}" "$public/sockhop" "$@")
}

# What a check could leave: cgroups, pins, programs in the background, mounts, network namespaces.
traces() {
	find "$(cgroup2_mount)" -name 'sockhop-check-*' -o -name 'sockhop-probe-*'
	find /sys/fs/bpf -path '*self-test*' 2>/dev/null
	pgrep -f '^[^ ]*sockhop check' || true
	findmnt -rn -o TARGET | grep -c '^/sys/fs/bpf$'
}

@test "check finds everything in place and proves it by a connection of its own" {
	require_root
	timeout 60 "$hops" check --json >"$json"
	cat "$json"
	jq -e '[.checks[] | .state] | all(. == "ok" or . == "warning")' "$json"
	jq -e '[.checks[] | select(.check == ("sk_msg", "iter/tcp", "late joins", "cgroup2", "bpffs", "CAP_BPF",
		"CAP_NET_ADMIN", "CAP_PERFMON", "BPF JIT", "kernel BTF", "self test", "other sockops"))] |
		length == 12' "$json"
	jq -e '.self_test | .adoption_ms > 0 and .adoption_segments >= 128 and .hops > 0 and .detach_ms > 0 and
		.lives_on' "$json"
	jq -e '.profile | has("splice_guard") and has("receive_guard") and ([del(.splice_guard, .receive_guard)[] | type] | length == 6 and all(. == "boolean"))' "$json"
	jq -e '.result and .kernel' "$json"
	jq -e '[.checks[] | select(.state == "ok")] | all(.fix == null)' "$json"
}

@test "a host that refuses the splice guard: a warning with what to do, and the rest works" {
	require_root
	timeout 60 "$hops" check --json >"$json" || true
	jq -c '.checks[] | select(.check == "splice guard")' "$json"
	[ "$(jq -r .profile.splice_guard "$json")" = null ] || skip "this host lets us see splice(2)"
	jq -e '.checks[] | select(.check == "splice guard") | .state == "warning" and (.found | test("^none: ")) and
		(.fix | test("trust"))' "$json"
}

@test "a host that refuses the receive guard: a warning with what to do, and the rest works" {
	require_root
	timeout 60 "$hops" check --json >"$json" || true
	jq -c '.checks[] | select(.check == "receive guard")' "$json"
	[ "$(jq -r .profile.receive_guard "$json")" = null ] || skip "this host lets us see receive calls"
	jq -e '.checks[] | select(.check == "receive guard") | .state == "warning" and (.found | test("^none: ")) and
		(.fix | test("blocking"))' "$json"
}

@test "table and JSON say the same" {
	require_root
	timeout 60 "$hops" check --json >"$json"
	timeout 60 "$hops" check >"$BATS_TEST_TMPDIR/table"
	while IFS=$'\t' read -r check state; do
		grep -F " $check " "$BATS_TEST_TMPDIR/table" | grep -q "^$state "
	done < <(jq -r '.checks[] | [.check, .state] | @tsv' "$json")
}

@test "check leaves nothing behind" {
	require_root
	traces >"$BATS_TEST_TMPDIR/before"
	timeout 60 "$hops" check >/dev/null
	traces | diff "$BATS_TEST_TMPDIR/before" -
}

same_traces() { traces | diff "$BATS_TEST_TMPDIR/before" - >"$BATS_TEST_TMPDIR/diff"; }

@test "a check that is killed at any moment leaves nothing behind" {
	local delay signal
	require_root
	traces >"$BATS_TEST_TMPDIR/before"
	for signal in KILL TERM INT; do
		for delay in 0.2 0.4 0.6 0.8 1; do
			timeout -s "$signal" "$delay" "$hops" check >/dev/null 2>&1 || true
			wait_for 10 same_traces || { cat "$BATS_TEST_TMPDIR/diff"; return 1; }
		done
	done
}

@test "check works beside other instances, which it does not touch" {
	require_root
	new_cgroup
	attach "$CG"
	in_cgroup "$CG" timeout 60 "$hops" check --json >"$json"
	jq -e '.self_test.lives_on' "$json"
	jq -e '.checks[] | select(.check == "other sockops") | .state == "ok" and (.found | test("hop_sockops"))' "$json"
	"$hops" status --instance "$INSTANCE" >/dev/null
}

@test "without capabilities: status 4, each is named, with what to do" {
	require_root
	local status=0
	as_nobody check --json >"$json" || status=$?
	[ "$status" -eq 4 ]
	for cap in CAP_BPF CAP_NET_ADMIN CAP_PERFMON CAP_SYS_ADMIN; do
		jq -e --arg cap $cap '.checks[] | select(.check == $cap) | .state == "denied" and .fix' "$json"
	done
	jq -e '.checks[] | select(.check == "self test") | .state == "skipped"' "$json"
}

@test "uid 0 is not needed: capabilities are" {
	require_root
	as_nobody +bpf,+net_admin,+perfmon,+sys_admin,+dac_override,+sys_ptrace,+syslog check --json >"$json"
	cat "$json"
	jq -e '.self_test.lives_on' "$json"
}

@test "without a cgroup2 mount check says how to get one" {
	require_root
	local status=0
	unshare -m bash -c 'while umount "$1" 2>/dev/null; do :; done; exec "$2" check --json' _ "$(cgroup2_mount)" \
		"$hops" >"$json" || status=$?
	[ "$(jq -r '.checks[] | select(.check == "cgroup2") | .state' "$json")" = failed ] ||
		skip "cgroup2 is still mounted somewhere"
	[ "$status" -eq 1 ]
	jq -e '.checks[] | select(.check == "cgroup2") | .fix | test("mount -t cgroup2")' "$json"
}

@test "where no bpffs is mounted the check does not mount one" {
	require_root
	# an empty tmpfs in its place, in a mount namespace of its own
	unshare -m bash -c 'mount -t tmpfs none /sys/fs/bpf && "$1" check --json &&
		[ "$(stat -f -c %T /sys/fs/bpf)" = tmpfs ]' _ "$hops" >"$json"
	jq -e '.checks[] | select(.check == "bpffs") | .state == "ok" and (.found | test("not mounted"))' "$json"
}

@test "check and status name the sockmaps of others, in which sockets never join" {
	require_root
	local map
	[ -e "$BUILD/tests/bench/naive.bpf.o" ] || make -s -C "$lib_root" "build/tests/bench/naive.bpf.o" 3>&- >/dev/null
	new_cgroup
	spawn -o "$BATS_TEST_TMPDIR/naive" "$BUILD/tests/bench/naive" "$BUILD/tests/bench/naive.bpf.o" "$CG"
	wait_for 10 grep -q attached "$BATS_TEST_TMPDIR/naive"
	attach "$CG" --no-agent
	timeout 60 "$hops" check --json >"$json"
	map=$(jq -r '.checks[] | select(.check == "other sockmaps") | "\(.state): \(.found)"' "$json")
	echo "$map"
	[[ $map == warning:*"socks (id "*naive_sockops*naive_msg* || $map == warning:*"socks (id "*naive_msg*naive_sockops* ]]
	[[ $map != *members* && $map != *hop_* ]]
	"$hops" status --json --instance "$INSTANCE" | jq -e '.other_sockmaps >= 1'
}

@test "the table of kernel defects in docs/kernels.md is the one that check goes by" {
	require_root
	timeout 60 "$hops" check --json >"$json" || true
	jq -r '.advisories[] | "| \(.advisory) | \(.since // "all") | \(.fixed_in) | \(.meets) | \(.remedy) |"' "$json" \
		>"$BATS_TEST_TMPDIR/table"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/table")" -ge 6 ]
	grep '^| CVE-' "$lib_root/docs/kernels.md" | diff "$BATS_TEST_TMPDIR/table" -
	jq -e '.advisories | all(.state | IN("fixed", "affected", "cannot tell"))' "$json"
	# a warning at most
	jq -e '[.checks[] | select(.check | test("^CVE-")) | .state] | all(. == "warning")' "$json"
}
