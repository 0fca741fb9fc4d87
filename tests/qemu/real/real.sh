#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# real.sh: what runs in a guest with Debian's own programs (tree.sh): servers and clients in one cgroup, each pair on plain
# TCP, attached, and attached and detached in turn under load. Each client compares every byte of every answer. Rows as in guest.sh.
suite=$1
cd /
. /t/steps.sh
LATE=2000 # ms by which the slowest answer may be later than twice that on plain TCP; a stall is for good
PLAIN=     # what to take for the slowest answer on plain TCP, instead of a run
pids=
pid= # of background

# serve NAME CMD...: in the cgroup, in the background
serve() {
	local name=$1
	shift
	# shellcheck disable=SC2016
	sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$CG" "$@" >"/tmp/$name.log" 2>&1 &
	pids="$pids $!"
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# up NAME PORT SECONDS: waits until it listens
up() {
	local until=$((SECONDS + $3))
	until port_open "$2"; do
		[ $SECONDS -lt $until ] || { tail -n 20 "/tmp/$1.log"; row "$1 runs" FAIL "not within $3 s"; return 1; }
		sleep 0.2
	done
}

stop() {
	# shellcheck disable=SC2086
	kill $pids 2>/dev/null
	sleep 2
	# shellcheck disable=SC2086
	kill -KILL $pids 2>/dev/null
	wait
	pids=
}

# May this kind of pair hop here?  all: on every kernel; queue: where members have one receive queue, elsewhere its edge-triggered
# readers stay out; never: it sleeps in its calls
may_hop() {
	case $1 in
	all) true ;;
	queue) grep -q '^stream verdict program: *yes' /tmp/status ;;
	*) false ;;
	esac
}

# judge_hops WHO: sets note; false if it hopped and must not, or the other way round
judge_hops() {
	sockhop status >/tmp/status
	note="$(sed -n 's/^bytes hopped: *//p' /tmp/status) hopped"
	if may_hop "$1"; then
		[ "$note" != "0 B hopped" ]
	elif [ "$1" = queue ]; then
		note="$note, edge-triggered readers stay out"
		grep -qE '[0-9]+ +edge-triggered' /tmp/status
	else
		[ "$note" = "0 B hopped" ]
	fi
}

# pair NAME WHO CMD...: CMD ends with its number of answers and its seconds, which this adds
pair() {
	local name=$1 who=$2 plain late many wrong note try
	shift 2
	plain=$PLAIN
	if [ -z "$plain" ]; then
		member 240 "$@" $((COUNT / 4)) 0 || { row "$name" FAIL "on plain TCP: $(tail -n1 /tmp/out)"; return; }
		plain=$(field longest_ms)
	fi
	attach --policy /tmp/policy
	# on a busy host an emulated connection may not be chatty, so that it never joins; bytes and the slowest answer are not tried again
	for try in 1 2 3; do
		member 240 "$@" "$COUNT" $((try * 5))
		wrong=$?
		late=$(field longest_ms)
		many=$(field answers)
		note=$(tail -n1 /tmp/out)
		awk -v a="${late:-99999}" -v b="${plain:-0}" -v more=$LATE 'BEGIN { exit a > 2 * b + more }' || wrong=1
		[ $wrong -eq 0 ] || break
		judge_hops "$who" && break
		wrong=1
	done
	[ $wrong -eq 0 ] || sockhop status
	detach || wrong=1
	verdict "$name" $wrong "$many answers, longest $late ms (plain $plain), $note"
}

# storm NAME CMD...: while sockhop is detached and attached again and again
storm() {
	local name=$1 cycle=0 wrong=0
	shift
	attach --policy /tmp/policy
	background "$@" 1 20
	while sleep 2 && kill -0 "$pid" 2>/dev/null; do
		detach && attach --policy /tmp/policy || wrong=1
		cycle=$((cycle + 1))
	done
	wait "$pid" || wrong=1
	detach || wrong=1
	cp /tmp/log /tmp/out
	cat /tmp/log
	verdict "$name, attach and detach" $wrong "$cycle times, $(field answers) answers, longest $(field longest_ms) ms"
}

# ---- servers ----

nginx_conf() { # NAME PORT
	cat <<-CONF
		daemon off; user root; worker_processes 1; pid /tmp/$1.pid; error_log /tmp/$1.err warn;
		events { worker_connections 128; }
		http { access_log off; keepalive_requests 1000000; client_max_body_size 1g; root /srv/www;
		client_body_temp_path /tmp/$1-body; proxy_temp_path /tmp/$1-proxy; fastcgi_temp_path /tmp/$1-fcgi;
		uwsgi_temp_path /tmp/$1-uwsgi; scgi_temp_path /tmp/$1-scgi;
		upstream back { server 127.0.0.1:7301; keepalive 8; keepalive_requests 1000000; }
		upstream php { server 127.0.0.1:7305; keepalive 8; }
		server { listen 127.0.0.1:$2;
	CONF
}

web_servers() {
	mkdir -p /srv/www/put /run/php
	chmod -R 777 /srv/www
	answers make /srv/www/f 1048576
	# shellcheck disable=SC2016
	echo '<?php $all = file_get_contents("/srv/www/f"); preg_match("/(\d+)-(\d+)/", $_SERVER["HTTP_RANGE"], $m);
		$part = substr($all, $m[1], $m[2] - $m[1] + 1); http_response_code(206);
		header("Content-Length: " . strlen($part)); echo $part;' >/srv/www/f.php
	{ nginx_conf backend 7301; echo 'location /put/ { dav_methods PUT; } } }'; } >/tmp/backend.conf
	{
		nginx_conf proxy 7302
		echo 'location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; }'
		echo 'location /php { fastcgi_pass php; fastcgi_keep_conn on; include /etc/nginx/fastcgi_params;'
		echo 'fastcgi_param SCRIPT_FILENAME /srv/www/f.php; } } }'
	} >/tmp/proxy.conf
	cat >/tmp/haproxy.conf <<-CONF
		defaults
		 mode http
		 timeout connect 60s
		 timeout client 60s
		 timeout server 60s
		frontend f
		 bind 127.0.0.1:7303
		 default_backend b
		backend b
		 http-reuse always
		 server s 127.0.0.1:7301
	CONF
	printf '%s\n' '[global]' 'error_log=/tmp/fpm.err' 'daemonize=no' '[w]' 'user=www-data' 'listen=127.0.0.1:7305' 'pm=static' \
		'pm.max_children=2' >/tmp/fpm.conf
	serve backend nginx -c /tmp/backend.conf
	serve proxy nginx -c /tmp/proxy.conf
	serve haproxy haproxy -f /tmp/haproxy.conf
	printf '%s\n' '{' 'admin off' 'auto_https off' '}' 'http://:7304 {' 'bind 127.0.0.1' 'reverse_proxy 127.0.0.1:7301' '}' >/tmp/caddy.conf
	serve caddy env HOME=/tmp caddy run --adapter caddyfile --config /tmp/caddy.conf
	serve fpm "$(command -v /usr/sbin/php-fpm* | head -n1)" -y /tmp/fpm.conf
	up backend 7301 30 && up proxy 7302 30 && up haproxy 7303 30
}

real_nginx() {
	web_servers || { stop; return; }
	COUNT=1000
	pair "nginx, proxy with kept connections" queue answers get 7302 /f
	COUNT=200
	pair "nginx, static" queue answers get 7301 /f
	storm "nginx, proxy" answers get 7302 /f
	COUNT=80
	pair "nginx, uploads through a proxy" queue answers put 7302 /put
	stop
}

real_proxies() {
	web_servers || { stop; return; }
	COUNT=100
	pair "haproxy in front of nginx" all answers get 7303 /f
	COUNT=60
	pair "haproxy, uploads" all answers put 7303 /put
	storm "haproxy, uploads" answers put 7303 /put
	! up caddy 7304 60 || pair "caddy (Go) in front of nginx" queue answers get 7304 /f
	! up fpm 7305 30 || pair "php-fpm behind nginx" queue answers get 7302 /php
	# it takes a minute to start; its first answer waits for its classes
	PLAIN=10000 pair "Java's HttpClient, nginx" queue java -XX:TieredStopAtLevel=1 -cp /srv Web get 7301 /f /srv/www/f
	stop
}

real_echoes() {
	serve java java -XX:TieredStopAtLevel=1 -cp /srv Web echo 7401
	serve node node /t/web.js serve 7402
	{ up java 7401 90 && up node 7402 60; } || { stop; return; }
	COUNT=120
	pair "Java NIO server, Python" all python3 /t/client.py echo 7401
	pair "node, node" all node /t/web.js post 7402
	storm "node, node" node /t/web.js post 7402
	stop
}

real_databases() {
	local pg
	pg=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n1)
	COUNT=120
	serve redis redis-server --port 7501 --save '' --dir /tmp
	if up redis 7501 30; then
		pair "redis, pipelines" all python3 /t/client.py redis 7501
		pair "redis, pubsub" all python3 /t/client.py pubsub 7501
		storm "redis, pubsub" python3 /t/client.py pubsub 7501
	fi
	stop
	serve postgres setpriv --reuid=postgres --regid=postgres --clear-groups "$pg/postgres" -D /srv/pg -c listen_addresses=127.0.0.1 -c port=7502 -c unix_socket_directories= -F
	if up postgres 7502 60; then
		pair "postgres, psycopg2" all python3 /t/client.py postgres 7502
		storm "postgres, psycopg2" python3 /t/client.py postgres 7502
		pgbench_pair "$pg/pgbench"
	fi
	stop
	serve mariadb mariadbd --user=mysql --datadir=/srv/maria --bind-address=127.0.0.1 --port=7503 --socket=/tmp/maria --pid-file=/tmp/maria.pid --skip-grant-tables
	! up mariadb 7503 90 || pair "mariadb, PyMySQL" all python3 /t/client.py mariadb 7503
	stop
}

# pgbench checks nothing but that no transaction fails
pgbench_pair() { # PGBENCH
	local wrong
	attach --policy /tmp/policy
	# an emulated machine takes long to look at the program for the first time
	for _ in 1 2 3 4; do
		member 100 "$1" -h 127.0.0.1 -p 7502 -U postgres -n -S -c 2 -T 12 -P 4 postgres
		wrong=$?
		grep -q 'number of failed transactions: 0 ' /tmp/out || wrong=1
		[ $wrong -eq 0 ] || break
		judge_hops all && break
		wrong=1
	done
	verdict "postgres, pgbench -S" $wrong "$(sed -n 's/^tps = \([0-9]*\).*/\1/p' /tmp/out) per second, $note"
	detach
}

mkdir -p "$CG"
echo "RELEASE $(uname -r)"
echo "VERSION $(uname -v)"
# what a member may do is proven here, so those that may only be able to splice, or ask FIONREAD, are let in
printf 'trust program %s\n' nginx haproxy caddy python3 java node mariadbd php-fpm >/tmp/policy
case $suite in
real) real_nginx; real_proxies; real_echoes; real_databases ;;
*) $suite ;;
esac
echo DONE
