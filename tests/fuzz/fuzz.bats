#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The parser of hostile ELF files under libFuzzer, bounded: `make fuzz SECONDS=...` goes on for longer.

setup() {
	FUZZER=$BUILD/fuzz/elfscan
	[ -x "$FUZZER" ] || skip "build/fuzz/elfscan is not built: no libFuzzer runtime (tests/deps.sh fuzz)"
	"$BATS_TEST_DIRNAME/seeds.py" "$BATS_TEST_TMPDIR/seeds"
	mkdir "$BATS_TEST_TMPDIR/corpus"
	cd "$BATS_TEST_TMPDIR" || return
}

@test "200 000 mutations of ELF files are read without a crash, a leak or a verdict without a reason" {
	timeout 150 "$FUZZER" -seed=1 -runs=200000 -max_len=4096 -rss_limit_mb=1024 -timeout=10 -verbosity=0 \
		-print_final_stats=1 corpus seeds
	# it has got beyond the headers
	[ "$(find corpus -type f | wc -l)" -gt 100 ]
}
