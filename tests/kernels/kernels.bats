#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A boot of Debian's 6.12 kernel with the quick suite; `make test-kernels` does more.
# timeout: 200

here=$BATS_TEST_DIRNAME

@test "Debian's 6.12 kernel: check, join, hop, half-close and detach in a virtual machine" {
	[ -x "${BUILD:-$here/../../build}/static/sockhop" ] || skip "no static programs: make static"
	run timeout -k 5 190 "$here/run.sh" -q 6.12
	echo "$output"
	[ "$status" -ne 77 ] || skip "$(tail -n1 <<<"$output")"
	[ "$status" -eq 0 ]
}
