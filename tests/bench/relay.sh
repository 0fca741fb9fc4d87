#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# relay.sh [ROUNDS [SECONDS]]: `sockhop relay` beside other TCP relays, in interleaved rounds on loopback.
# Prints a table of medians and writes build/bench-relay.json, and .svg where gnuplot is. Ratios within one run are
# what counts: the relays take turns, so whatever else the machine does hits them alike.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-5} seconds=${2:-0.5}
out=${BENCH_OUT:-build/bench-relay}
sockhop=${SOCKHOP:-build/sockhop}
bench=${RELAY_BENCH:-build/tests/bench/relay_bench}
splice=${RELAY_SPLICE:-build/tests/bench/relay_splice}
base=${BENCH_PORT:-17600}
target=$((base + 99))
# After SOCKHOP was looked at: it has a default of its own
# shellcheck source=tests/lib.bash
. tests/lib.bash
cases="rr:64:1 rr:64:16 rr:64:64 stream:16384:1 stream:262144:1"

tmp=$(mktemp -d)
pids=()
names=()
declare -A port
cleanup() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done
	rm -rf "$tmp"
}
trap cleanup EXIT

# relay NAME COMMAND...: @ stands for its port
relay() {
	local name=$1 p=$((base + ${#names[@]}))
	shift
	"${@//@/$p}" >"$tmp/$name.log" 2>&1 &
	pids+=($!)
	names+=("$name")
	port[$name]=$p
	wait_listen "$p" >/dev/null || {
		echo "nobody listens on port $p" >&2
		exit 1
	}
}

haproxy_cfg() { # FILE SPLICE-LINE
	local p=$((base + ${#names[@]}))
	cat >"$1" <<-END
		global
		  nbthread 1
		  maxconn 200
		defaults
		  mode tcp
		  timeout connect 5s
		  timeout client 60s
		  timeout server 60s
		  $2
		listen l
		  bind 127.0.0.1:$p
		  server s 127.0.0.1:$target
	END
}

nginx_cfg() {
	local p=$((base + ${#names[@]}))
	cat >"$1" <<-END
		load_module /usr/lib/nginx/modules/ngx_stream_module.so;
		daemon off;
		master_process off;
		pid $tmp/nginx.pid;
		error_log $tmp/nginx.err;
		events { worker_connections 1024; }
		stream {
		  server {
		    listen 127.0.0.1:$p;
		    proxy_pass 127.0.0.1:$target;
		    proxy_half_close on;
		    tcp_nodelay on;
		  }
		}
	END
}

keep_awake || true # where that is allowed

names+=(direct)
port[direct]=$target
relay sockhop "$sockhop" relay forward --listen 127.0.0.1:@ --to 127.0.0.1:$target
relay sockhop-user "$sockhop" relay forward --listen 127.0.0.1:@ --to 127.0.0.1:$target --path copy
relay splice "$splice" @ $target
if command -v socat >/dev/null; then
	relay socat socat TCP-LISTEN:@,bind=127.0.0.1,reuseaddr,fork,nodelay TCP:127.0.0.1:$target,nodelay
fi
if command -v haproxy >/dev/null; then
	haproxy_cfg "$tmp/h1.cfg" "no option splice-auto"
	relay haproxy haproxy -db -q -f "$tmp/h1.cfg"
	haproxy_cfg "$tmp/h2.cfg" "option splice-auto"
	relay haproxy-splice haproxy -db -q -f "$tmp/h2.cfg"
fi
if [ -e /usr/lib/nginx/modules/ngx_stream_module.so ]; then
	nginx_cfg "$tmp/nginx.conf"
	relay nginx nginx -e "$tmp/nginx.err" -c "$tmp/nginx.conf"
else
	echo "nginx stream left out: package libnginx-mod-stream is missing" >&2
fi

for round in $(seq "$rounds"); do
	for c in $cases; do
		IFS=: read -r mode size conns <<<"$c"
		for name in "${names[@]}"; do
			r=$("$bench" "$mode" "$size" "$conns" "$seconds" "${port[$name]}" $target) ||
				r='{"ok": false}'
			echo "{\"round\": $round, \"case\": \"$c\", \"relay\": \"$name\", \"result\": $r}"
		done
	done
done >"$tmp/all"

jq -s '
def median: sort | if length == 0 then null else .[(length - 1) / 2 | floor] end;
group_by(.case) | map({
  case: .[0].case,
  relays: (group_by(.relay) | map({
    relay: .[0].relay,
    rounds: length,
    bad: (map(select(.result.ok | not)) | length),
    per_second: (map(.result.per_second // empty) | median),
    gbit: (map(.result.gbit // empty) | median),
    cpu_per_gb: (map(.result.cpu_per_gb // empty) | median),
    cpu_us_per_op: (map(.result.cpu_us_per_op // empty) | median),
    p50_us: (map(.result.p50_us // empty) | median),
    p99_us: (map(.result.p99_us // empty) | median)}))})' "$tmp/all" >"$out.json"

jq -r '.[] | .case as $c
  | (.relays | map(select(.relay == "direct"))[0].per_second // 1) as $d
  | (.relays | map(select(.relay != "direct" and (.relay | startswith("sockhop") | not)) | .per_second // 0) | max) as $best
  | (.relays | sort_by(-(.per_second // 0))[]
  | [$c, .relay, (.per_second // 0 | floor), (.gbit // 0 | . * 100 | round / 100),
     ((.per_second // 0) / $d * 100 | round / 100), ((.per_second // 0) / ($best // 1) * 100 | round / 100),
     (.cpu_per_gb // 0 | . * 100 | round / 100), (.cpu_us_per_op // 0 | . * 10 | round / 10), .p50_us, .p99_us, .bad])
  | @tsv' "$out.json" >"$tmp/table"
{
	printf 'case\trelay\tops/s\tGbit/s\tof direct\tof best other\tCPU s/GB\tCPU us/op\tp50 us\tp99 us\tbad\n'
	cat "$tmp/table"
} | column -t -s "$(printf '\t')"

if command -v gnuplot >/dev/null; then
	jq -r '(["case"] + (.[0].relays | map(.relay)) | @tsv),
	  (.[] | (.relays | map(select(.relay == "direct"))[0].per_second // 1) as $d
	   | [.case] + (.relays | map((.per_second // 0) / $d)) | @tsv)' "$out.json" >"$tmp/plot"
	n=$(head -1 "$tmp/plot" | awk -F'\t' '{print NF}')
	gnuplot <<-END
		set terminal svg size 900,420
		set output "$out.svg"
		set datafile separator "\t"
		set style data histograms
		set style fill solid 0.8
		set ylabel "ratio to a direct connection"
		set key outside
		set yrange [0:*]
		plot for [i=2:$n] "$tmp/plot" using i:xtic(1) title columnheader(i)
	END
fi
echo "raw: $out.json"
! jq -e 'any(.[].relays[]; .bad > 0)' "$out.json" >/dev/null || { echo "some runs failed" >&2; exit 1; }
