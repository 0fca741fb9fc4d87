#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The oldest kernel that sockhop supports, Debian's 6.1, in a virtual machine; `make test-qemu` does more, and 6.12.
# timeout: 420

here=$BATS_TEST_DIRNAME
export BUILD=${BUILD:-$here/../../build}

# quick: boots and tests; skips if that cannot be had here
quick() {
	run timeout -k 5 150 "$here/run.sh" -q 6.1
	echo "$output"
	[ "$status" -ne 77 ] || skip "$(tail -n1 <<<"$output")"
}

@test "Debian's 6.1 kernel: check, join, hop, half-close, detach, cases of the behaviour catalogue, no complaint" {
	local program
	for program in sockhop catalogue catalogue_fionread catalogue_splice; do
		[ -x "$BUILD/static/$program" ] || skip "no build/static/$program: make static"
	done
	run timeout -k 5 100 "$here/fetch.sh" 6.1
	[ "$status" -eq 0 ] || skip "$(tail -n1 <<<"${output:-apt-get took too long}")"
	quick
	# emulated on a busy host something may come too late, and is tried again; bytes and the kernel's log are not
	if [ "$status" -ne 0 ] && ! grep -E '^(exact bytes|half-close|kernel log).*\| FAIL' <<<"$output"; then
		echo "once more:"
		quick
	fi
	[ "$status" -eq 0 ]
	grep -E '^behaviour catalogue +\| pass: ([1-9][0-9]) of ' <<<"$output"
}
