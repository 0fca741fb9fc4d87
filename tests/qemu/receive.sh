# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# receive.sh: the receive guard, in a guest. A part of guest.sh.

# nowait NAME SECONDS ARGUMENT...: the last line of the program decides, and its exit status
nowait() {
	name=$1 limit=$2
	shift 2
	JOIN_WAIT=90 member "$limit" nowait "$@"
	verdict "$name" $? "$(field waits) waits, $(field eagain) EAGAIN, $(field hopped_after) hopped after, $(field short) short"
}

receive_up() {
	grep -q '^warning *receive guard' /tmp/check || return 0
	row "receive guard" skip "$(grep '^warning *receive guard' /tmp/check | grep -o 'none: .*')"
	return 1
}

# Blocking files whose calls never wait are members; the first call that does ends that, and is as on plain TCP.
receive_guard() {
	receive_up || return
	SOCKHOP_TEST_FORCE=young attach
	nowait "receive: never waits" 200 -k -n 10
	expect "receive: hops" "$(field hop_percent)" -gt 80
	sockhop status --json | grep -A3 '"hop_visit"'
	row "receive guard" pass "$(status_value "receive guard")"
	for n in 1 2 3; do nowait "receive: waits once, $n" 300 -n 40; done
	nowait "receive: another thread writes" 300 -t -n 20
	nowait "receive: two blocking files" 300 -b -n 20
	JOIN_WAIT=15 member 60 nowait -w -n 5
	expect "receive: who waits never joins" $? -eq 77
	sockhop status | grep -q 'blocks '
	verdict "receive: why not" $? "$(sockhop status | grep -oE '[0-9]+ +blocks ')"
	sockhop status
	detach
	verdict "receive: detach" $? "$(tail -n1 /tmp/out)"
	expect "receive: nothing is left" ! -e /sys/fs/bpf/sockhop
}

# The same where a call that waits does not count: that must be seen.
receive_unmarked() {
	receive_up || return
	SOCKHOP_TEST_FORCE=young,wait attach
	nowait_code=0
	JOIN_WAIT=90 member 300 nowait -n 10 || nowait_code=$?
	expect "receive: seen without the mark" "$nowait_code" -eq 1 -a "$(field hopped_after)" -gt 0
	detach
}

receive_only() {
	: >/tmp/check
	receive_guard
	receive_unmarked
}
