#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Real programs through the relay.

bats_require_minimum_version 1.5.0

setup() {
	source "$BATS_TEST_DIRNAME/../lib.bash"
	source "$BATS_TEST_DIRNAME/relay.bash"
	dir=$BATS_TEST_TMPDIR
}
teardown() {
	lib_teardown
	[ -z "${pg:-}" ] || rm -rf "$pg"
}

@test "two netcats meet, both ways" {
	start_relay pair --listen 127.0.0.1:0
	head -c 30000000 /dev/urandom >"$dir/a"
	head -c 20000000 /dev/urandom >"$dir/b"
	spawn -o "$dir/from-a" bash -c "nc -N 127.0.0.1 $RELAY_PORT <$dir/b"
	local other=$SPAWN_PID
	nc -N 127.0.0.1 "$RELAY_PORT" <"$dir/a" >"$dir/from-b"
	wait_for 10 ended "$other"
	cmp "$dir/a" "$dir/from-a"
	cmp "$dir/b" "$dir/from-b"
}

@test "curl and wrk through a forwarded nginx" {
	local port
	port=$(free_port)
	mkdir "$dir/www"
	head -c 50000000 /dev/urandom >"$dir/www/big"
	head -c 500 /dev/urandom >"$dir/www/small"
	chmod -R a+rX "$dir"
	cat >"$dir/nginx.conf" <<-END
		user root; daemon off; master_process off;
		pid $dir/pid; error_log $dir/err;
		events {}
		http {
		  access_log off; sendfile on; keepalive_requests 100000;
		  client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir; uwsgi_temp_path $dir; scgi_temp_path $dir;
		  server { listen 127.0.0.1:$port; root $dir/www; }
		}
	END
	spawn nginx -e "$dir/err" -c "$dir/nginx.conf"
	wait_listen "$port"
	start_relay forward --listen 127.0.0.1:0 --to "127.0.0.1:$port"
	curl -sS "http://127.0.0.1:$RELAY_PORT/big" | cmp - "$dir/www/big"
	# one connection: small answers, then a large one, then small ones
	local url=http://127.0.0.1:$RELAY_PORT list=() i
	for i in {1..60}; do list+=("$url/small"); done
	list+=("$url/big" "${list[@]}")
	curl -sS "${list[@]}" >"$dir/got"
	{
		for i in {1..60}; do cat "$dir/www/small"; done
		cat "$dir/www/big"
		for i in {1..60}; do cat "$dir/www/small"; done
	} | cmp - "$dir/got"
	wrk -t1 -c32 -d2 "$url/small" >"$dir/wrk"
	cat "$dir/wrk"
	run ! grep -qE 'Socket errors|Non-2xx' "$dir/wrk"
	[ "$(state .bytes.kernel)" -gt 100000 ]
}

@test "psql and pgbench through a forwarded postgres" {
	local bin port
	bin=$(find /usr/lib/postgresql -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -1)
	[ -n "$bin" ] || skip "no postgres server"
	port=$(free_port)
	# below bats' own folder only root could reach it
	pg=$(mktemp -d /tmp/relay-pg.XXXXXX)
	chown postgres "$pg"
	as() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
	as "$bin/initdb" -D "$pg" -A trust -N >/dev/null
	spawn setpriv --reuid postgres --regid postgres --init-groups "$bin/postgres" -D "$pg" -p "$port" -h 127.0.0.1 -k "$pg"
	wait_listen "$port"
	start_relay forward --listen 127.0.0.1:0 --to "127.0.0.1:$port"
	export PGHOST=127.0.0.1 PGPORT=$RELAY_PORT PGUSER=postgres
	wait_for 10 psql -qAtc 'select 1'
	# small turns, then bulk one way, then bulk the other way, in one session
	{
		for i in {1..40}; do echo "select $i;"; done
		echo "create table t as select i, md5(i::text) m from generate_series(1, 200000) i;"
		echo "copy t to stdout;"
	} | psql -qAt >"$dir/out"
	[ "$(wc -l <"$dir/out")" -eq 200040 ]
	psql -qAtc 'create table u (i int, m text)'
	tail -n 200000 "$dir/out" | psql -qAtc 'copy u from stdin'
	[ "$(psql -qAtc 'select count(*) from t join u using (i, m)')" = 200000 ]
	pgbench -q -i -s 1 postgres >/dev/null 2>&1
	pgbench -c 8 -T 2 -S postgres >"$dir/bench" 2>&1
	grep -q 'number of failed transactions: 0' "$dir/bench"
	[ "$(state .bytes.kernel)" -gt 100000 ]
}

@test "ssh through a forwarded sshd: a command, and 20 MB each way" {
	command -v sshd >/dev/null || skip "no sshd"
	local port ssh
	port=$(free_port)
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
	ssh-keygen -q -t ed25519 -N '' -f "$dir/me"
	cp "$dir/me.pub" "$dir/authorized"
	chmod 600 "$dir/authorized"
	mkdir -p /run/sshd
	cat >"$dir/sshd_config" <<-END
		ListenAddress 127.0.0.1:$port
		HostKey $dir/host
		AuthorizedKeysFile $dir/authorized
		PidFile $dir/sshd.pid
		PermitRootLogin yes
		StrictModes no
		UsePAM no
	END
	spawn "$(command -v sshd)" -D -e -f "$dir/sshd_config"
	wait_listen "$port"
	start_relay forward --listen 127.0.0.1:0 --to "127.0.0.1:$port"
	ssh=(ssh -F none -i "$dir/me" -p "$RELAY_PORT" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -q root@127.0.0.1)
	[ "$("${ssh[@]}" echo hello)" = hello ]
	head -c 20000000 /dev/urandom >"$dir/data"
	"${ssh[@]}" cat <"$dir/data" >"$dir/back"
	cmp "$dir/data" "$dir/back"
}
