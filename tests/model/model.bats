#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The rules of docs/design.md, checked by spin in all interleavings of a small model (pair.pml), and taken away one
# by one to show that the model sees what each prevents.
# timeout: 600

# verify FLAG...: builds and runs the verifier of pair.pml with these flags; its report is $output
verify() {
	cd "$BATS_TEST_TMPDIR" || return
	spin -a "$@" "$BATS_TEST_DIRNAME/pair.pml" >/dev/null || return
	# no more memory than this; a search that was cut short counts as failed
	gcc -O2 -DSAFETY -DMEMLIM=4000 -DVECTORSZ=512 -o pan pan.c 2>/dev/null || return
	run timeout 300 ./pan -m100000
	echo "$* $(grep -E 'pan:1|errors:|states, stored|elapsed' <<<"$output" | tr '\n' ' ')"
}

holds() {
	verify "$@" && grep -q 'errors: 0$' <<<"$output" && ! grep -qE 'max search depth|out of memory|limit|aborting' <<<"$output"
}

# The error must be one of the model's assertions, not a defect of the model.
fails() {
	verify "$@" && grep -q '^pan:1: assertion violated' <<<"$output" && grep -q 'errors: 1$' <<<"$output"
}

@test "two threads send, two read: no message is lost, doubled or reordered, and members that are asked to leave get out" {
	holds
}

@test "the same with the stream verdict program on the receiver" { holds -DVERDICT -DONE_READER; }

@test "the same beyond a relay (hop collapse)" { holds -DRELAY -DONE_READER; }

@test "end of file comes after everything that send() took" { holds -DSHUT -DONE_READER; }

@test "without the order rule bytes are reordered" {
	fails -DNO_ORDER && fails -DNO_ORDER -DVERDICT && fails -DNO_ORDER -DRELAY
}

@test "without the ready rule an old call reads past a hop" { fails -DNO_READ -DONE_READER && fails -DNO_SHARED; }

@test "without the shutdown rule a message hops after the end of file" { fails -DSHUT -DNO_SHUTDOWN; }

@test "members that leave without the quiet latch, before their peer or with a full queue lose messages" {
	fails -DNO_QUIET && fails -DNO_PEER && fails -DNO_EMPTY
}
