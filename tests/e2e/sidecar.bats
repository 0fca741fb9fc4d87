#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A service mesh: an application, its proxy beside it, the proxy beside the other application, and that one. Rules
# redirect what the first connects to, and what comes in at the second. Each of the three connections hops.

setup() {
	load ../lib
	load e2e
	STREAMS=$BUILD/tests/prog/stream_check
}
teardown() { lib_teardown; }

# haproxy NETNS PORT ADDRESS:PORT: a proxy in that namespace
haproxy_there() {
	local conf=$BATS_TEST_TMPDIR/haproxy-$2
	cat >"$conf" <<-END
		defaults
			mode tcp
			timeout connect 5s
			timeout client 60s
			timeout server 60s
		listen sidecar
			bind :$2
			bind [::]:$2 v6only
			server up $3
	END
	spawn -c "$CG" -n "$1" haproxy -db -q -f "$conf"
	wait_listen "$2" "$1"
}

# The same with nginx.
nginx_there() {
	local dir=$BATS_TEST_TMPDIR/nginx-$2
	[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || skip "no stream module of nginx here"
	mkdir -p "$dir"
	cat >"$dir/conf" <<-END
		load_module /usr/lib/nginx/modules/ngx_stream_module.so;
		daemon off;
		user root;
		worker_processes 1;
		pid $dir/pid;
		error_log $dir/error.log warn;
		events { worker_connections 512; }
		stream {
			server {
				listen $2;
				listen [::]:$2;
				proxy_pass $3;
				proxy_half_close on;
			}
		}
	END
	spawn -c "$CG" -n "$1" nginx -p "$dir" -e "$dir/error.log" -c "$dir/conf"
	wait_listen "$2" "$1"
}

# redirect: in that namespace connections to PORT that come by CHAIN (output, prerouting) go to the local port TO
redirect() { # NETNS CHAIN PORT TO
	in_netns "$1" nft -f - <<-NFT
		table inet mesh {
			chain $2 {
				type nat hook $2 priority -100;
				tcp dport $3 redirect to :$4
			}
		}
	NFT
}

# hops_at PORT NETNS: a connection to the program that listens there hops
hops_at() {
	list_is "any(.[]; .state == \"hopping\" and (.a.local.port == $1 or .b.local.port == $1))" "$INSTANCE"
}

# mesh PROXY PROXY 4|6: the application is in NS_A, its service in NS_B; outgoing connections go to port 7777, those of the
# proxy to 7778, which the other side redirects to its own proxy
mesh() {
	local client server there loopback=127.0.0.1
	new_netns_pair
	there=$ADDR_B
	[ "$3" -eq 4 ] || there="[$ADDR6_B]" loopback="[::1]"
	attached_cgroup
	# haproxy can splice, and here does not
	"$SOCKHOP" policy add --instance "$INSTANCE" trust program haproxy
	redirect "$NS_A" output 7777 15001
	redirect "$NS_B" prerouting 7778 15006
	"$1_there" "$NS_A" 15001 "$there:7778"
	"$2_there" "$NS_B" 15006 "$loopback:7000"
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
