#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The judge of `make bench-check`: results made up here, and what it says of them.

setup() {
	check=$BATS_TEST_DIRNAME/../bench/check.py
	json=$BATS_TEST_TMPDIR/run.json
}

# row NAME CONTROL SOCKHOP NAIVE UNIX, medians
row() {
	jq -n --arg n "$1" --argjson c "$2" --argjson s "$3" --argjson v "$4" --argjson u "$5" \
		'def r($x): {ratio: [$x, $x, $x]};
		 {name: $n, variants: {plain: r(1), control: r($c), sockhop: r($s), naive: r($v), unix: r($u)}}'
}

# judge ROW...
judge() {
	printf '%s\n' "$@" | jq -s '{machine: {model: "A CPU", cpus: 2, kernel: "6.18"}, workloads: .}' >"$json"
	run "$check" "$json"
	echo "$output"
}

@test "all rows that reach their targets: 0, and the CPU is named" {
	judge "$(row "request-response 64" 1.01 1.40 1.42 1.38)" "$(row "stream of 64" 0.98 0.97 0.5 2)"
	[ "$status" -eq 0 ]
	[[ $output == *"A CPU, 2 CPUs, Linux 6.18: 2 of 2 rows"* ]]
}

@test "a row below plain TCP fails, by name" {
	judge "$(row "redis-benchmark -c 50" 1.0 1.4 1.5 1.6)" "$(row "stream of 64" 1.0 0.96 0.5 2)"
	[ "$status" -eq 1 ]
	[[ $output == *"FAIL "*"stream of 64: 0.960 of plain TCP"*"1 of 2 rows"* ]]
}

@test "request-response is held against the naive program and a Unix socket" {
	judge "$(row "request-response 64" 1.0 1.40 1.50 1.2)"
	[ "$status" -eq 1 ]
	[[ $output == *"0.933 of naive"* ]]
	judge "$(row "redis-benchmark -c 1" 1.0 1.20 1.2 1.3)"
	[ "$status" -eq 1 ]
	[[ $output == *"0.923 of unix"* ]]
}

@test "a row whose control is off is not judged; without any the status is 77" {
	judge "$(row "stream of 64" 0.9 0.5 1 1)" "$(row "stream of 1024" 1.0 1.0 1 1)"
	[ "$status" -eq 0 ]
	[[ $output == *"not judged"*"stream of 64: control 0.90"* ]]
	judge "$(row "stream of 64" 1.04 0.5 1 1)"
	[ "$status" -eq 77 ]
}

@test "what is no result is refused" {
	echo '{"workloads": 5}' >"$json"
	run "$check" "$json"
	[ "$status" -eq 2 ]
	run "$check" /nonexistent
	[ "$status" -eq 2 ]
	[[ $output == *"/nonexistent"* ]]
}
