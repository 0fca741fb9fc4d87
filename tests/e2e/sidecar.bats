#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A service mesh: an application, its proxy beside it, the proxy beside the other application, and that one. Rules
# redirect what the first connects to, and what comes in at the second. Each of the three connections hops.

setup() {
	load ../lib
	load e2e
	load ../mesh
	STREAMS=$BUILD/tests/prog/stream_check
}
teardown() { lib_teardown; }

# hops_at PORT NETNS: a connection to the program that listens there hops
hops_at() {
	list_is "any(.[]; .state == \"hopping\" and (.a.local.port == $1 or .b.local.port == $1))" "$INSTANCE"
}

# mesh PROXY PROXY 4|6: the application is in NS_A, its service in NS_B; outgoing connections go to port 7777, those of the
# proxy to 7778, which the other side redirects to its own proxy
mesh() {
	local client server there loopback=127.0.0.1
	[[ $1$2 != *nginx* ]] || mesh_has_nginx || skip "no stream module of nginx here"
	new_netns_pair
	there=$ADDR_B
	[ "$3" -eq 4 ] || there="[$ADDR6_B]" loopback="[::1]"
	attached_cgroup
	# haproxy can splice, and here does not
	"$SOCKHOP" policy add --instance "$INSTANCE" trust program haproxy
	mesh_redirect "$NS_A" output 7777 15001
	mesh_redirect "$NS_B" prerouting 7778 15006
	mesh_proxy "$1" "$NS_A" 15001 "$there:7778" "$BATS_TEST_TMPDIR"
	mesh_proxy "$2" "$NS_B" 15006 "$loopback:7000" "$BATS_TEST_TMPDIR"
	spawn -c "$CG" -n "$NS_B" -o "$BATS_TEST_TMPDIR/server" "$STREAMS" server -a "${loopback//[][]/}" -p 7000 -n 8 -s 12
	server=$SPAWN_PID
	wait_listen 7000 "$NS_B"
	spawn -c "$CG" -n "$NS_A" -o "$BATS_TEST_TMPDIR/client" "$STREAMS" client -a "${there//[][]/}" -p 7777 -n 8 -s 12
	client=$SPAWN_PID
	wait_for "$JOIN_WAIT" hops_at 15001
	wait_for "$JOIN_WAIT" hops_at 15006
	wait_for "$JOIN_WAIT" hops_at 7000
	wait "$client" || { cat "$BATS_TEST_TMPDIR"/{client,server}; return 1; }
	wait "$server" || { cat "$BATS_TEST_TMPDIR"/{client,server}; return 1; }
	cat "$BATS_TEST_TMPDIR"/{client,server}
}

@test "application, haproxy, haproxy, application" { mesh haproxy haproxy 4; }
@test "application, nginx, nginx, application" { mesh nginx nginx 4; }
@test "application, haproxy, nginx, application, over IPv6" { mesh haproxy nginx 6; }
