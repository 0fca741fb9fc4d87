#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# memcached hops; haproxy, Python and openssl are kept out, and the list says why; ssh works as ever.
# timeout: 900

setup_file() {
	load ../lib
	load e2e
	build_kv
	export BIG=$BATS_FILE_TMPDIR/big
	make_file "$BIG" 20000000
}

setup() {
	load ../lib
	load e2e
}
teardown() { lib_teardown; }
teardown_file() { lib_teardown; }

# start_memcached plain|member: sets PORT
start_memcached() {
	PORT=$(free_port)
	spawn_by "$1" memcached -u nobody -l 127.0.0.1 -p "$PORT" -U 0 -m 256 -t 2
	wait_listen "$PORT"
}

@test "memcached hops and answers every byte as on plain TCP" {
	start_memcached plain
	want=$(plain "$KV" memcached "$PORT" 3000)
	[[ $want == "faults=0 "* ]]
	attached_cgroup
	start_memcached member
	spawn_member "$KV" memcached "$PORT" 3000
	wait_hopped "$PORT" "$(between kv memcached)"
	kill "$SPAWN_PID"
	finish
	same "$want" "$(cat "$SPAWN_LOG")"
}

# The two ends of the proxy: nginx serves, haproxy splices.
start_spliced() {
	local dir=$BATS_TEST_TMPDIR
	mkdir "$dir/www"
	cp "$BIG" "$dir/www/big"
	make_file "$dir/www/small" 500
	chmod -R a+rX "$dir"
	BACKEND=$(free_port)
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		user root;
		pid $dir/pid;
		events { worker_connections 128; }
		http {
			access_log off;
			keepalive_requests 10000000;
			client_body_temp_path $dir/body;
			proxy_temp_path $dir/proxy;
			fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi;
			scgi_temp_path $dir/scgi;
			client_max_body_size 1g;
			server { listen 127.0.0.1:$BACKEND; root $dir/www; location /put/ { alias $dir/; dav_methods PUT; } }
		}
	END
	spawn_member nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
	wait_listen "$BACKEND"
	PORT=$(free_port)
	cat >"$dir/haproxy.cfg" <<-END
		defaults
			mode $1
			timeout connect 5s
			timeout client 30s
			timeout server 30s
			option splice-request
			option splice-response
		listen front
			bind 127.0.0.1:$PORT
			server back 127.0.0.1:$BACKEND
	END
	spawn_member haproxy -db -f "$dir/haproxy.cfg"
	wait_listen "$PORT"
}

# small ones until the list says why haproxy stays out, then large ones both ways
through_haproxy() {
	veto_stands
	attached_cgroup
	start_spliced "$1"
	spawn_member wrk -t 1 -c 4 -d 60 "http://127.0.0.1:$PORT/small"
	wait_why "$PORT" splice-capable
	same "$(sha_of "$BIG")" "$(member curl -sS --fail "http://127.0.0.1:$PORT/big" | sha256sum)"
	member curl -sS --fail -T "$BIG" "http://127.0.0.1:$PORT/put/up"
	same "$(sha_of "$BIG")" "$(sha_of "$BATS_TEST_TMPDIR/up")"
	kill -INT "$SPAWN_PID"
	finish
	run ! grep -E 'Socket errors|Non-2xx' "$SPAWN_LOG"
	"$SOCKHOP" status --json --instance "$INSTANCE" |
		jq -e '.vetoed | any(tostring | test("haproxy") and test("splice-capable"))'
	none_hopped
}

@test "haproxy with splice stays out by veto, HTTP" { through_haproxy http; }

@test "haproxy with splice stays out by veto, TCP" { through_haproxy tcp; }

@test "python3 -m http.server stays out" {
	veto_stands
	attached_cgroup
	PORT=$(free_port)
	cp "$BIG" "$BATS_TEST_TMPDIR/big"
	make_file "$BATS_TEST_TMPDIR/small" 500
	spawn_member python3 -m http.server -b 127.0.0.1 -p HTTP/1.1 -d "$BATS_TEST_TMPDIR" "$PORT"
	wait_listen "$PORT"
	same "$(sha_of "$BIG")" "$(member curl -sS --fail "http://127.0.0.1:$PORT/big" | sha256sum)"
	# answered with 304, by one write: two writes would wait for a delayed acknowledgement, which is "slow"
	spawn_member wrk -t 1 -c 2 -d 60 -H 'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT' "http://127.0.0.1:$PORT/small"
	wait_for "$JOIN_WAIT" out_for blocking splice-capable || {
		show_list
		return 1
	}
	kill -INT "$SPAWN_PID"
	finish
	run ! grep -E 'Socket errors|Non-2xx' "$SPAWN_LOG"
	none_hopped
}

# out_for REASON...: the connection is out for one of these reasons
out_for() {
	local why
	for why in "$@"; do
		JOIN_WAIT=0 wait_why "$PORT" "$why" >/dev/null && return
	done
	return 1
}

@test "openssl s_client and s_server read blocking and stay out" {
	local dir=$BATS_TEST_TMPDIR
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key" -out "$dir/cert" -days 2 -subj /CN=localhost 2>/dev/null
	attached_cgroup
	PORT=$(free_port)
	spawn_member openssl s_server -accept "127.0.0.1:$PORT" -key "$dir/key" -cert "$dir/cert" -rev
	wait_listen "$PORT"
	cat >"$dir/talk" <<-'END'
		# a line, and its reverse, until the file says stop
		coproc openssl s_client -connect "127.0.0.1:$1" -CAfile "$2/cert" -verify_return_error -quiet 2>/dev/null
		n=0
		until [ -e "$2/stop" ]; do
			echo "line $((n % 10)) of many" >&"${COPROC[1]}"
			read -r -t 10 -u "${COPROC[0]}" answer || exit 1
			[ "$answer" = "ynam fo $((n++ % 10)) enil" ] || exit 2
		done
		[ "$n" -gt 100 ]
	END
	spawn_member timeout "$LIMIT" bash "$dir/talk" "$PORT" "$dir"
	wait_why "$PORT" blocking
	touch "$dir/stop"
	finish
	none_hopped
}

hops_or_shared() {
	JOIN_WAIT=0 wait_hops "$PORT" "$(between ssh sshd)" >/dev/null || out_for shared-file
}

@test "ssh: a command, 20 MB both ways, and a dialogue" {
	local dir=$BATS_TEST_TMPDIR
	attached_cgroup
	PORT=$(free_port)
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
	ssh-keygen -q -t ed25519 -N '' -f "$dir/user"
	mkdir -p /run/sshd
	spawn_member /usr/sbin/sshd -D -e -f /dev/null -p "$PORT" -h "$dir/host" -o ListenAddress=127.0.0.1 \
		-o AuthorizedKeysFile="$dir/user.pub" -o StrictModes=no -o PermitRootLogin=yes -o UsePAM=no -o PidFile=none
	wait_listen "$PORT"
	ssh=(ssh -F none -p "$PORT" -i "$dir/user" -o BatchMode=yes -o IdentitiesOnly=yes -o LogLevel=ERROR
		-o StrictHostKeyChecking=no -o UserKnownHostsFile="$dir/known" root@127.0.0.1)
	run -7 member "${ssh[@]}" 'echo out; echo err >&2; exit 7'
	[ "$output" = $'out\nerr' ] || [ "$output" = $'err\nout' ]
	same "$(sha_of "$BIG")" "$(in_cgroup "$CG" timeout "$LIMIT" "${ssh[@]}" sha256sum <"$BIG")"
	same "$(sha_of "$BIG")" "$(member "${ssh[@]}" cat "$BIG" | sha256sum)"
	# as somebody types: one line, one answer
	cat >"$dir/talk" <<-'END'
		coproc "${@:2}" 'while read -r line; do echo "<$line>"; done'
		n=0
		until [ -e "$1/stop" ]; do
			echo "line $n" >&"${COPROC[1]}"
			read -r -t 10 -u "${COPROC[0]}" answer || exit 1
			[ "$answer" = "<line $((n++))>" ] || exit 2
		done
		[ "$n" -gt 100 ]
	END
	spawn_member timeout "$LIMIT" bash "$dir/talk" "$dir" "${ssh[@]}"
	# sshd holds the connection in several processes until it has forked the session (for root, in one from then
	# on): a connection that came in before is out again for a while, one that came in after stays
	wait_for "$JOIN_WAIT" hops_or_shared || {
		show_list
		return 1
	}
	touch "$dir/stop"
	finish
}
