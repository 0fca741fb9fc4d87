#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Debian's 6.1, the oldest kernel that sockhop supports, with two receive queues, and 6.12, with one, in virtual machines;
# `make test-qemu` does more, and later kernels.
# timeout: 700

here=$BATS_TEST_DIRNAME
export BUILD=${BUILD:-$here/../../build}

# quick SERIES SECONDS: boots and tests; skips if that cannot be had here
quick() {
	LIMIT=$2 run timeout -k 5 $(($2 + 30)) "$here/run.sh" -q "$1"
	echo "$output"
	[ "$status" -ne 77 ] || skip "$(tail -n1 <<<"$output")"
}

# kernel SERIES: within 300 s, but for what the mirror takes; about 90 s on an idle machine
kernel() {
	local program start
	for program in sockhop-test catalogue catalogue_fionread catalogue_splice; do
		[ -x "$BUILD/static/$program" ] || skip "no build/static/$program: make static"
	done
	run timeout -k 5 60 "$here/fetch.sh" "$1"
	[ "$status" -eq 0 ] || skip "$(tail -n1 <<<"${output:-apt-get took too long}")"
	start=$SECONDS
	quick "$1" 160
	# emulated on a busy host something may come too late, and is tried again; bytes and the kernel's log are not
	if [ "$status" -ne 0 ] && ((SECONDS - start < 140)) && ! grep -E '^(exact bytes|half-close|kernel log).*\| FAIL' <<<"$output"; then
		echo "once more:"
		quick "$1" 130
	fi
	[ "$status" -eq 0 ]
	grep -E '^behaviour catalogue +\| pass: ([1-9][0-9]) of ' <<<"$output"
}

@test "Debian's 6.1 kernel: check, join, hop, half-close, detach, cases of the behaviour catalogue, no complaint" { kernel 6.1; }

@test "Debian's 6.12 kernel: check, join, hop, half-close, detach, cases of the behaviour catalogue, no complaint" { kernel 6.12; }
