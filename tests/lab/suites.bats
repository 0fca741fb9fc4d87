#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Test suites that nobody here wrote have the same outcomes under sockhop as on plain TCP (see suites; docs/suites.md).
# timeout: 400

setup() { load ../lib; }
teardown() { lib_teardown; }

@test "CPython's and Tornado's own tests: the same outcomes, and in early joins they hop" {
	run timeout -k 5 380 "$lib_root/tests/lab/suites" --quick
	echo "$output"
	[ "$status" -eq 0 ]
}
