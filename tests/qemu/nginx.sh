# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2034
# nginx.sh: the host's nginx in a guest, for guest.sh. Sourced.

# nginx_pair DIRECTORY PORT PREFIX...: a backend on PORT and a proxy that keeps its connections to it on PORT + 1; adds to pids
nginx_pair() {
	dir=$1 port=$2
	shift 2
	mkdir -p "$dir/www/put" /var/log/nginx /var/lib/nginx
	answers make "$dir/www/f" 1048576
	for which in backend proxy; do
		at=$port
		[ $which = backend ] || at=$((port + 1))
		{
			echo "daemon off; user root; worker_processes 1; pid $dir/$which.pid; error_log $dir/$which.log warn;"
			echo "events { worker_connections 64; }"
			echo "http { access_log off; keepalive_requests 100000; client_max_body_size 1g;"
			for path in client_body proxy fastcgi uwsgi scgi; do echo "${path}_temp_path $dir/$which-$path;"; done
			echo "upstream back { server 127.0.0.1:$port; keepalive 8; keepalive_requests 100000; }"
			echo "server { listen 127.0.0.1:$at;"
			if [ $which = backend ]; then
				echo "root $dir/www; location /put/ { dav_methods PUT; } } }"
			else
				echo "location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ''; } } }"
			fi
		} >"$dir/$which.conf"
		"$@" nginx -p "$dir" -e "$dir/$which.log" -c "$dir/$which.conf" >"$dir/$which.out" 2>&1 &
		pids="$pids $!"
	done
	wait_line . "$dir/backend.pid" 20 && wait_line . "$dir/proxy.pid" 20
}

# real_nginx COUNT: so many answers of 100 to 500 KB through a proxy, and some uploads: exact bytes, none late
real_nginx() {
	command -v nginx >/dev/null || { row "nginx, a proxy" skip "the host has no nginx"; return; }
	detach
	echo "trust program nginx" >/tmp/policy
	attach --policy /tmp/policy
	pids=
	# shellcheck disable=SC2016
	nginx_pair /tmp/plain-nginx 7300 && nginx_pair /tmp/nginx 7310 sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$CG"
	verdict "nginx runs" $? "$(cat /tmp/*nginx/*.log /tmp/*nginx/*.out)"
	nginx_talk get /f "$1"
	nginx_talk put /put $(($1 / 10))
	row "nginx, a proxy: what hopped" pass "$(sockhop status | sed -n 's/^bytes hopped: *//p') hopped, ends kept out as edge-triggered: $(sockhop status | grep -oE '[0-9]+ +edge-triggered' | grep -oE '^[0-9]+' || echo 0)"
	# shellcheck disable=SC2086
	kill $pids
	wait
	detach
}

nginx_talk() { # get|put PATH COUNT
	run 100 answers "$1" 7301 "$2" "$3"
	plain=$(field longest_ms)
	member 200 answers "$1" 7311 "$2" "$3"
	code=$?
	late=$(field longest_ms)
	awk -v a="${late:-99999}" -v b="${plain:-0}" 'BEGIN { exit a > b + 1000 }' || code=1
	verdict "nginx, a proxy: $1" $code "$3 of 100 to 500 KB, longest $late ms (plain $plain)"
}

nginx_only() { real_nginx 1000; }
