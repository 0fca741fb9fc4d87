#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The two commands of the README on a machine that has never seen sockhop: a Debian with git and make, made by
# debootstrap, on the running kernel.
# timeout: 1500

setup_file() {
	load bare
	export BARE=$BATS_FILE_TMPDIR/bare MIRROR
	MIRROR=$(bare_mirror) || return 0
	# shellcheck disable=SC2086
	bare_make "$BARE" $MIRROR && bare_copy "$BARE"
}

setup() {
	load bare
	[[ $MIRROR == *:/* ]] || skip "$MIRROR"
}

teardown_file() { rm -rf --one-file-system "$BARE"; }

# said LINE: of what the command wrote, which is shown if it did not
said() { grep -qE "$1" <<<"$output" || { echo "$output"; return 1; }; }

@test "a bare Debian has none of what is needed" {
	for tool in clang bpftool gcc pkg-config redis-server jq; do
		run in_bare "$BARE" 10 sh -c "command -v $tool"
		[ "$status" -ne 0 ]
	done
}

@test "there make says what is missing, and installs nothing" {
	run in_bare "$BARE" 30 make
	[ "$status" -eq 2 ]
	said '^sockhop: missing to build: .*clang.*libbpf'
	said "make deps"
	run in_bare "$BARE" 10 sh -c "command -v clang"
	[ "$status" -ne 0 ]
}

@test "there 'make demo' is enough, and real programs hop" {
	run in_bare "$BARE" 1200 make -j2 demo DEMO_ROUNDS=1 DEMO_SECONDS=0.3
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	said '^sockhop / plain, 1 rounds: redis.* hopped$'
}

@test "there 'make test' is enough: it builds all, and no unit test is skipped" {
	# other suites may run at the same time
	run in_bare "$BARE" 1200 make -j2 test SUITES=unit RUN_SHARED=1
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	said '^[0-9]+ passed, 0 failed$'
}
