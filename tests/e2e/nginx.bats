#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# nginx: small files by keep-alive, and 200 MB both ways through a proxy.
# timeout: 900

BIG=200000000

setup_file() {
	load ../lib
	load e2e
	export WWW=$BATS_FILE_TMPDIR/www
	mkdir "$WWW"
	chmod 755 "$WWW"
	make_file "$WWW/big" $BIG
	make_file "$WWW/small" 612
	BIG_SHA=$(sha_of "$WWW/big")
	export BIG_SHA
}

setup() {
	load ../lib
	load e2e
}
teardown() { lib_teardown; }
teardown_file() { lib_teardown; }

# start_nginx plain|member NAME PORT SERVER_DIRECTIVES [HTTP_DIRECTIVES]
start_nginx() {
	local dir=$BATS_TEST_TMPDIR/$2
	mkdir -p "$dir"
	cat >"$dir/conf" <<-END
		daemon off;
		user root;
		worker_processes 1;
		pid $dir/pid;
		error_log $dir/error.log warn;
		events { worker_connections 512; }
		http {
			access_log off;
			keepalive_requests 10000000;
			client_max_body_size 1g;
			client_body_temp_path $dir/body;
			proxy_temp_path $dir/proxy;
			fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi;
			scgi_temp_path $dir/scgi;
			$5
			server { listen 127.0.0.1:$3; $4 }
		}
	END
	spawn_by "$1" nginx -p "$dir" -e "$dir/error.log" -c "$dir/conf"
	wait_listen "$3"
}

# start_proxied plain|member yes|no: a proxy in front of a backend that keeps its connections or not; sets
# PROXY, BACKEND. What is PUT to the backend lands in $BATS_TEST_TMPDIR/WHERE.
start_proxied() {
	local keep=''
	local store=$BATS_TEST_TMPDIR/$1
	mkdir -p "$store"
	BACKEND=$(free_port)
	start_nginx "$1" "backend-$1" "$BACKEND" "root $WWW; location /put/ { alias $store/; dav_methods PUT; }"
	PROXY=$(free_port)
	[ "$2" = no ] || keep='keepalive 8; keepalive_requests 10000000;'
	start_nginx "$1" "proxy-$1" "$PROXY" \
		"location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ''; }" \
		"upstream back { server 127.0.0.1:$BACKEND; $keep }"
}

# big_transfers plain|member: download and upload through the proxy, compared with what was stored
big_transfers() {
	local where=$1 put=$BATS_TEST_TMPDIR/$1/file
	same "$BIG_SHA" "$(by "$where" curl -sS --fail "http://127.0.0.1:$PROXY/big" | sha256sum)"
	by "$where" curl -sS --fail -T "$WWW/big" "http://127.0.0.1:$PROXY/put/file"
	same "$BIG_SHA" "$(sha_of "$put")"
	rm "$put"
}

# stop_wrk: it prints its report on INT
stop_wrk() {
	kill -INT "$SPAWN_PID"
	finish
	cat "$SPAWN_LOG"
	grep -q 'requests in' "$SPAWN_LOG"
	run ! grep -E 'Socket errors|Non-2xx' "$SPAWN_LOG"
}

@test "small files by keep-alive hop, with wrk" {
	attached_cgroup
	PORT=$(free_port)
	start_nginx member web "$PORT" "root $WWW;"
	spawn_member wrk -t 1 -c 8 -d 60 "http://127.0.0.1:$PORT/small"
	wait_hops "$PORT" "$(between wrk nginx)"
	stop_wrk
}

@test "small files by keep-alive hop, with ab, and all arrive" {
	attached_cgroup
	PORT=$(free_port)
	start_nginx member web "$PORT" "root $WWW;"
	spawn_member timeout "$LIMIT" ab -q -k -n 100000 -c 4 "http://127.0.0.1:$PORT/small"
	wait_hops "$PORT" "$(between ab nginx)"
	finish
	cat "$SPAWN_LOG"
	grep -qE '^Complete requests: +100000$' "$SPAWN_LOG"
	grep -qE '^Failed requests: +0$' "$SPAWN_LOG"
	grep -qE '^HTML transferred: +61200000 bytes$' "$SPAWN_LOG"
}

@test "without keep-alive connections are too short to join, and all files arrive" {
	attached_cgroup
	PORT=$(free_port)
	start_nginx member web "$PORT" "root $WWW; keepalive_timeout 0;"
	run -0 member ab -q -n 10000 -c 4 "http://127.0.0.1:$PORT/small"
	[[ $output =~ Complete\ requests:\ +10000 ]]
	[[ $output =~ Failed\ requests:\ +0 ]]
	none_hopped
}

@test "curl: thousands of small files, then 200 MB down and up on the connection that hops" {
	attached_cgroup
	PORT=$(free_port)
	start_nginx member web "$PORT" "root $WWW; location /put/ { alias $BATS_TEST_TMPDIR/; dav_methods PUT; }"
	mkfifo "$BATS_TEST_TMPDIR/more"
	{
		printf 'url=http://127.0.0.1:%s/small?[1-60000]\noutput=/dev/null\nsilent\nshow-error\nfail\n' "$PORT"
		printf 'next\nurl=http://127.0.0.1:%s/big\noutput=%s\nsilent\nshow-error\nfail\nwrite-out=%%{num_connects}\n' "$PORT" "$BATS_TEST_TMPDIR/down"
		printf 'next\nurl=http://127.0.0.1:%s/put/up\nupload-file=%s\nsilent\nshow-error\nfail\nwrite-out=%%{num_connects}\n' "$PORT" "$WWW/big"
	} >"$BATS_TEST_TMPDIR/config"
	spawn_member timeout "$LIMIT" curl -K "$BATS_TEST_TMPDIR/config"
	wait_hops "$PORT" "$(between curl nginx)"
	finish
	# no new connection was made for the large files
	same "$(cat "$SPAWN_LOG")" 00
	same "$BIG_SHA" "$(sha_of "$BATS_TEST_TMPDIR/down")"
	same "$BIG_SHA" "$(sha_of "$BATS_TEST_TMPDIR/up")"
	rm "$BATS_TEST_TMPDIR/down" "$BATS_TEST_TMPDIR/up"
}

@test "200 MB down and up through a proxy that keeps connections, which hopped before" {
	start_proxied plain yes
	big_transfers plain
	attached_cgroup
	start_proxied member yes
	spawn_member wrk -t 1 -c 4 -d 60 "http://127.0.0.1:$PROXY/small"
	wait_hops "$PROXY" "$(between wrk nginx)"
	wait_hops "$BACKEND" "$(between nginx nginx)"
	# in the middle of the small ones, and after them: both take kept connections
	big_transfers member
	wait_hops "$BACKEND" "$(between nginx nginx)"
	stop_wrk
	big_transfers member
}

@test "a file of 200 MB, over and over, hops" {
	local url
	attached_cgroup
	PORT=$(free_port)
	start_nginx member web "$PORT" "root $WWW; output_buffers 2 256k;"
	url=http://127.0.0.1:$PORT/big
	spawn_member curl -sS -o /dev/null "$url?[1-150]" --next -sS -o "$BATS_TEST_TMPDIR/down" "$url"
	# one request for 200 MB is all that curl sends
	JOIN_WAIT=100 wait_hops "$PORT" "$(between curl nginx)"
	finish
	same "$BIG_SHA" "$(sha_of "$BATS_TEST_TMPDIR/down")"
	rm "$BATS_TEST_TMPDIR/down"
}

@test "200 MB down and up through a proxy without keep-alive" {
	start_proxied plain no
	big_transfers plain
	attached_cgroup
	start_proxied member no
	big_transfers member
}

# kept_waiting PID...: they have waited for a CPU for more than half of the time that they had one. (proc(5): schedstat)
kept_waiting() {
	local pid had waited sum=0 left=0
	for pid in "$@"; do
		read -r had waited _ <"/proc/$pid/schedstat"
		sum=$((sum + had)) left=$((left + waited))
	done
	echo "$((sum / 1000000)) ms on a CPU, $((left / 1000000)) ms in wait for one"
	[ $((left * 2)) -gt "$sum" ]
}

# Of 64 segments in a row, or more, 30 000 in a second: programs that others take the CPUs from may never get there.
@test "streams of small messages through a proxy without keep-alive do not stay members" {
	local pids
	attached_cgroup
	start_proxied member no
	spawn_member curl -sS -o /dev/null "http://127.0.0.1:$PROXY/big?[1-1000]"
	mapfile -t pids <"$CG/cgroup.procs"
	wait_for "$JOIN_WAIT" counted why_not stream || {
		show_list
		kept_waiting "${pids[@]}"
		skip "the machine is too busy for this stream"
	}
	end_pid "$SPAWN_PID"
}
