#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# `make lint`, a test for each of its checks.
# timeout: 600

lint() {
	run "$BATS_TEST_DIRNAME/../lint.sh" "$1"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "clang-format: the C sources are in the house style" { lint format; }

@test "cppcheck finds nothing" { lint cppcheck; }

@test "shellcheck finds nothing in the scripts" { lint shellcheck; }

@test "shellcheck finds nothing in the bats files" { lint bats; }
