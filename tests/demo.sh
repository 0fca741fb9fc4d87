#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# demo.sh: real programs, plain and under sockhop, in interleaved rounds; `make demo` builds and calls it.
#
# Each program runs twice at the same time of its life: once as it is, once in an attached cgroup. In each round both
# are measured, one after the other, in changing order, and only after their connections have joined. DEMO_ROUNDS
# (5) and DEMO_SECONDS (1.5, of each measurement) can be set. The CPUs are kept awake by a request to the kernel's PM QoS
# (/dev/cpu_dma_latency, as tuned's latency-performance profile does): otherwise one connection measures how long an idle
# CPU takes to wake up, two times in each round trip. The rows "idle CPUs" show that too. The exit status says whether all worked and hopped,
# not how fast it was. Needs root.
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
rounds=${DEMO_ROUNDS:-5}
seconds=${DEMO_SECONDS:-1.5}
# measured before a plain run, where nothing joins: as long as joining takes
warm=0.5

[ "$(id -u)" -eq 0 ] || {
	echo "demo.sh: attaching a cgroup needs root" >&2
	exit 4
}
work=$(mktemp -d /tmp/sockhop-demo.XXXXXX)
export SOCKHOP_JOURNAL=$work/journal BATS_TEST_TMPDIR=$work
# shellcheck source=tests/lib.bash
. "$root/tests/lib.bash"
rr=$BUILD/tests/prog/rr

# shellcheck disable=SC2317
stop() {
	trap - EXIT INT TERM
	lib_teardown
	rm -rf "$work"
}
trap stop EXIT
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM

die() {
	echo "demo.sh: $*" >&2
	exit 1
}

# launch plain|hop CMD...: as spawn, inside or outside of the attached cgroup
launch() {
	local where=$1
	shift
	if [ "$where" = hop ]; then spawn -c "$CG" "$@"; else spawn "$@"; fi
}

hopped_bytes() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.bytes; }

_hop_pairs_are() {
	wait_list "$1" "map(select(.b.local.port == $2 or .a.local.port == $2)) | map(select(.state == \"hopping\" and .a.messages_hopped > 0 and .b.messages_hopped > 0)) | length >= $3" "$INSTANCE" >/dev/null
}

# joined plain|hop PORT N: waits until N pairs with that port hop; half of them must
joined() {
	if [ "$1" = plain ]; then
		sleep "$warm"
		return
	fi
	_hop_pairs_are 5 "$2" "$3" || _hop_pairs_are 15 "$2" $((($3 + 1) / 2)) ||
		die "the connections to port $2 did not join: $("$SOCKHOP" list --all --instance "$INSTANCE" | head -n 20)"
}

# CPU time of these processes so far, in microseconds
cpu_time() {
	local pid
	for pid in "$@"; do cat "/proc/$pid"/task/*/schedstat; done | awk '{ ns += $1 } END { printf "%.0f", ns / 1000 }'
}

# rate_between SERVER_PID FUNCTION...: it prints "COUNT MICROSECONDS"; called twice, $seconds apart. Sets RATE, per
# second, and PER_CPU, per second of CPU time of the server and of the client that was launched last.
rate_between() {
	local before after server=$1
	shift
	before="$("$@") $(cpu_time "$server" "$SPAWN_PID")"
	sleep "$seconds"
	after="$("$@") $(cpu_time "$server" "$SPAWN_PID")"
	read -r RATE PER_CPU < <(awk -v before="$before" -v after="$after" 'BEGIN {
		split(before, a); split(after, b); n = b[1] - a[1]
		if (a[2] && n > 0 && b[3] > a[3]) printf "%.1f %.1f\n", n / (b[2] - a[2]) * 1e6, n / (b[3] - a[3]) * 1e6 }') ||
		die "cannot measure: $*: '$before', '$after'"
}

# ---- the workloads: measure_NAME plain|hop ARGUMENT... sets RATE and PER_CPU ----

redis_count() {
	redis-cli -p "$1" info | tr -d '\r' |
		awk -F: '$1 == "total_commands_processed" { n = $2 } $1 == "server_time_usec" { t = $2 } END { print n, t }'
}

measure_redis() {
	local where=$1 port=${redis_port[$1]}
	launch "$where" redis-benchmark -p "$port" -c "$2" -n 1000000000 -t get -q
	joined "$where" "$port" "$2"
	rate_between "${redis_pid[$where]}" redis_count "$port"
	end_pid "$SPAWN_PID"
}

# nginx' own counter of requests, with its clock in the head of the answer
nginx_count() {
	curl -s --noproxy '*' -i "http://127.0.0.1:$1/count" | tr -d '\r' |
		awk '$1 == "X-Now:" { t = $2 * 1e6 } NF == 3 && $1 + 0 > 0 && $3 + 0 > 0 { n = $3 } END { printf "%d %.0f\n", n, t }'
}

measure_nginx() {
	local where=$1 port=${nginx_port[$1]} server
	launch "$where" wrk -t 1 -c 8 -d 3600 "http://127.0.0.1:$port/small"
	joined "$where" "$port" 8
	# the master has one child, the worker
	server=$(cat "/proc/${nginx_pid[$where]}/task/${nginx_pid[$where]}/children")
	rate_between "${server% }" nginx_count "$port"
	end_pid "$SPAWN_PID"
}

# rr measures by itself, some time after its start; again, later, if its connection had not joined by then
measure_rr() {
	local where=$1 name=$2 wait=$warm
	shift
	while :; do
		launch "$where" timeout 60 "$rr" "$@" -w "$wait" -s "$seconds"
		wait "$SPAWN_PID" || die "rr $*: $(cat "$SPAWN_LOG")"
		read -r RATE PER_CPU < <(jq -r '"\(.per_second) \(1e6 / (.client_cpu_us + .server_cpu_us))"' "$SPAWN_LOG")
		[[ $where = hop && $name = rr && $wait != 4 ]] || return 0
		jq -e '.hop_share < 0.7' "$SPAWN_LOG" >/dev/null || return 0
		if [ "$wait" = "$warm" ]; then wait=1.5; else wait=4; fi
	done
}

# ---- servers ----

start_redis() {
	redis_port[$1]=$(free_port)
	launch "$1" redis-server --port "${redis_port[$1]}" --bind 127.0.0.1 --save '' --appendonly no --dir "$work"
	redis_pid[$1]=$SPAWN_PID
	wait_listen "${redis_port[$1]}" || die "redis-server does not start: $(cat "$SPAWN_LOG")"
}

start_nginx() {
	local dir=$work/nginx-$1
	nginx_port[$1]=$(free_port)
	mkdir -p "$dir/www"
	head -c 1024 /dev/zero | tr '\0' x >"$dir/www/small"
	cat >"$dir/conf" <<-END
		daemon off;
		user root;
		worker_processes 1;
		pid $dir/pid;
		events { worker_connections 256; }
		http {
			access_log off;
			keepalive_requests 1000000000;
			client_body_temp_path $dir/body;
			proxy_temp_path $dir/proxy;
			fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi;
			scgi_temp_path $dir/scgi;
			server {
				listen 127.0.0.1:${nginx_port[$1]};
				root $dir/www;
				location = /count { stub_status; add_header X-Now \$msec; }
			}
		}
	END
	launch "$1" nginx -p "$dir" -e "$dir/error.log" -c "$dir/conf"
	wait_listen "${nginx_port[$1]}" || die "nginx does not start: $(cat "$SPAWN_LOG")"
	nginx_pid[$1]=$SPAWN_PID
}

# ---- rounds ----

# plain and sockhop alike
awake() {
	keep_awake || echo "demo.sh: cannot keep the CPUs awake: expect more noise" >&2
}

# compare ROUND NAME MUST_HOP MEASURE ARGUMENT...: one line "NAME plain|hop RATE PER_CPU" for each, and "NAME bytes N"
compare() {
	local round=$1 name=$2 must_hop=$3 order=(plain hop) where before bytes
	shift 3
	[ $((round % 2)) -eq 1 ] || order=(hop plain)
	before=$(hopped_bytes)
	for where in "${order[@]}"; do
		"$1" "$where" "${@:2}"
		printf '%s\t%s\t%s\t%s\n' "$name" "$where" "$RATE" "$PER_CPU" >>"$work/results"
	done
	bytes=$(($(hopped_bytes) - before))
	printf '%s\tbytes\t%s\n' "$name" "$bytes" >>"$work/results"
	[ "$must_hop" = no ] || [ "$bytes" -gt 10000 ] || die "$name: the connections did not hop"
}

table() {
	awk -F '\t' -v rounds="$rounds" '
	function sort_into(key, out,  i, j, n, t) {
		n = count[key]
		for (i = 1; i <= n; i++) out[i] = value[key, i]
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && out[j] < out[j - 1]; j--) { t = out[j]; out[j] = out[j - 1]; out[j - 1] = t }
		return n
	}
	function quantile(key, q,  a, n, x, i) {
		n = sort_into(key, a); x = 1 + (n - 1) * q; i = int(x)
		return i < n ? a[i] + (x - i) * (a[i + 1] - a[i]) : a[n]
	}
	function human(b) { return b >= 2^20 ? sprintf("%.1f MiB", b / 2^20) : b >= 1024 ? sprintf("%.1f KiB", b / 1024) : b " B" }
	!($1 in seen) { seen[$1] = 1; names[++total] = $1 }
	$2 == "bytes" { bytes[$1] += $3; next }
	{ value[$1 FS $2, ++count[$1 FS $2]] = $3 + 0; value[$1 FS $2 "cpu", ++count[$1 FS $2 "cpu"]] = $4 + 0 }
	END {
		format = "%-33s %10s %11s %6s %13s %10s %11s\n"
		printf format, "workload", "plain /s", "sockhop /s", "ratio", "quartiles", "per CPU s", "hopped"
		for (i = 1; i <= total; i++) {
			w = names[i]
			for (r = 1; r <= count[w FS "plain"]; r++)
				value[w, ++count[w]] = value[w FS "hop", r] / value[w FS "plain", r]
			plain = quantile(w FS "plain", 0.5); hop = quantile(w FS "hop", 0.5); sum += bytes[w]
			printf format, w, int(plain), int(hop), sprintf("%.2f", hop / plain),
				sprintf("%.2f - %.2f", quantile(w, 0.25), quantile(w, 0.75)),
				sprintf("%.2f", quantile(w FS "hopcpu", 0.5) / quantile(w FS "plaincpu", 0.5)), human(bytes[w])
			line = line (i > 1 ? ", " : "") w " " sprintf("%.2f", hop / plain)
		}
		print "\nratio: of the medians; quartiles: of the ratios of the rounds; per CPU s: ratio of the requests per"
		print "second of CPU time of server and client, which other programs on the machine disturb less."
		printf "\nsockhop / plain, %d rounds: %s; %s hopped\n", rounds, line, human(sum)
	}' "$work/results"
}

declare -A redis_port redis_pid nginx_port nginx_pid
[[ -x $SOCKHOP && -x $rr ]] || die "not built: run \`make demo\`"
new_cgroup || die "cannot make a cgroup"
attach "$CG" || die "cannot attach $CG: see \`sockhop check\`"
for where in plain hop; do
	start_redis "$where"
	start_nginx "$where"
done
echo "$rounds rounds of plain and sockhop, ${seconds} s each, medians; $(nproc) CPUs, Linux $(uname -r), load $(cut -d' ' -f1 /proc/loadavg)" >&2
awake
for ((round = 1; round <= rounds; round++)); do
	echo "round $round" >&2
	compare $round "redis-benchmark -c 1" yes measure_redis 1
	compare $round "redis-benchmark -c 50" yes measure_redis 50
	compare $round "nginx keep-alive, wrk -c 8" yes measure_nginx
	compare $round "request-response 64 B" yes measure_rr rr -z 64
	compare $round "request-response 1 KB" yes measure_rr rr -z 1024
done
let_sleep
for ((round = 1; round <= rounds; round++)); do
	compare $round "redis-benchmark -c 1, idle CPUs" yes measure_redis 1
	compare $round "request-response 64 B, idle CPUs" yes measure_rr rr -z 64
done
awake
# Last: the connections in TIME_WAIT that it leaves make every join pass longer.
for ((round = 1; round <= rounds; round++)); do
	compare $round "connect-request-close" no measure_rr crc -z 64
done
table
