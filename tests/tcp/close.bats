#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The ways in which a member ends give what they give on plain TCP. Where they cannot, docs/limits.md says so, and
# the member's own result is written here.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# as_plain CASE [EXCEPTION...]: every result of the member is the one of plain TCP, or one of EXCEPTION.
as_plain() {
	local want got line exceptions
	attached_cgroup
	exceptions=$(printf '%s\n' "${@:2}")
	want=$(plain "$K/close_cases" -n 1 "$1")
	got=$(member "$K/close_cases" -n 5 "$1")
	echo "plain:  $want"
	echo "member: $got"
	while read -r line; do
		line=${line#*result=}
		[ "$line" = "${want#*result=}" ] || grep -qxF "$line" <<<"$exceptions"
	done <<<"$got"
}

@test "close with bytes in flight: all arrive" { as_plain in-flight; }
@test "shutdown of both directions with bytes in flight: all arrive" { as_plain in-flight-shutdown; }
@test "close with unread bytes: the peer fails" { as_plain unread "recv:EOF send:EPIPE"; }
@test "a sender that polls fails promptly when its reader closes" { as_plain pollout send:EPIPE send:ETIMEDOUT; }
@test "a blocked sender fails promptly when its reader closes" { as_plain blocked-send send:EPIPE send:ETIMEDOUT; }
@test "reset of an idle connection" { as_plain rst-idle; }
@test "reset with bytes in the peer's queue" { as_plain rst-queued; }
@test "both ends shut down at the same time" { as_plain simultaneous; }
@test "shutdown(SHUT_RD)" { as_plain shut-rd; }
@test "send after the own shutdown(SHUT_WR)" { as_plain own-shut-wr; }
@test "SIGPIPE comes once" { as_plain sigpipe; }
@test "poll() at the end of the stream" { as_plain eof-poll; }
@test "MSG_PEEK and FIONREAD; MSG_TRUNC into no buffer is an error" {
	as_plain peek "peek:3 peek:5:hello fionread:5 trunc:-1 recv:5:hello empty:EAGAIN"
}
@test "an empty send is no message" { as_plain empty-send; }
@test "connect(AF_UNSPEC) resets the peer" { as_plain unspec; }

@test "no listening socket has storage of ours, not even one that was a connection before" {
	attached_cgroup
	run -0 member python3 "$lib_root/tests/prog/relisten.py" "/sys/fs/bpf/sockhop/$INSTANCE/socks"
	echo "$output"
	[ "${lines[0]}" = "connected: yes" ]
	[ "${lines[1]}" = "listening: no" ]
}
