#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Backpressure: a sender sees EAGAIN, kernel memory stays bounded, POLLOUT returns, and every byte arrives.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# as_bounded OPTION...: takes at most twice the bytes of plain TCP, plus 4 MB, and twice its kernel memory, plus 16 MB
# (others use kernel memory too; without the bound in messages it was 200 MB)
as_bounded() {
	local want got kmem
	attached_cgroup
	want=$(plain "$K/backpressure" "$@")
	got=$(member "$K/backpressure" "$@")
	echo "plain:  $want"
	echo "member: $got"
	at_least "$(field hop "$got")" 1
	at_least $((2 * $(field max_taken "$want") + 4000000)) "$(field max_taken "$got")"
	kmem=$(field kmem_growth "$want")
	[ "$kmem" -gt 0 ] || kmem=0 # others gave more back than this took
	at_least $((2 * kmem + 16000000 + 1000000 * $(field pairs "$got"))) "$(field kmem_growth "$got")"
}

@test "a sender of 4 KB messages sees EAGAIN, then POLLOUT, and nothing is lost" { as_bounded -z 4096; }
@test "a sender of 100-byte messages sees EAGAIN, then POLLOUT, and nothing is lost" { as_bounded -z 100; }
@test "a sender of 64 KB messages sees EAGAIN, then POLLOUT, and nothing is lost" { as_bounded -z 65536; }
@test "a sender of 1 MB messages sees EAGAIN, then POLLOUT, and nothing is lost" { as_bounded -z 1048576; }
@test "a small receive buffer bounds the backlog" { as_bounded -z 4096 -r 65536; }
@test "a flood of one-byte messages stays bounded in kernel memory" { as_bounded -z 1 -c 200000; }
@test "thirty stalled readers stay bounded in kernel memory" { as_bounded -n 30 -z 100; }
