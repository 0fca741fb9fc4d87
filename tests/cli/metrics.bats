#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# `sockhop metrics`: what promtool, curl and a real Prometheus make of it; alert rules and dashboard; what goes wrong.

bats_require_minimum_version 1.5.0

setup() {
	load ../lib
	K=$BUILD/tests/prog
	examples=$lib_root/docs/examples
}
teardown() { lib_teardown; }

# hopping: a server in the cgroup of a unit and its client, both below $CG, hop
hopping() {
	new_cgroup
	mkdir "$CG/redis.service"
	attach "$CG"
	port=$(free_port)
	spawn -c "$CG/redis.service" "$K/rr" rr server -p "$port" -s 60
	wait_listen "$port"
	spawn -c "$CG" "$K/rr" rr client -p "$port" -s 60
	client=$SPAWN_PID
	wait_list 20 'length == 1 and .[0].state == "hopping"' "$INSTANCE"
}

# serve WHERE [INSTANCE]: in the background; sets url if it is a TCP address
serve() {
	spawn "$SOCKHOP" metrics --listen "$1" --instance "${2:-$INSTANCE}"
	wait_for 10 grep -q 'metrics are at' "$SPAWN_LOG" || { cat "$SPAWN_LOG"; return 1; }
	url=$(grep -o 'http://.*' "$SPAWN_LOG" || true)
}

# value FILE SAMPLE: the value of the sample that begins so
value() { grep -F "$2" "$1" | awk '{ print $NF }'; }

# Prometheus' own format is found by the type that the client accepts; then names of counters end in _total in # TYPE.
fetch() { curl -sSf --max-time 10 -o "$BATS_TEST_TMPDIR/$1" "${@:2}"; }

@test "metrics are those of status, and promtool has nothing to say about them" {
	hopping
	end_pid "$client" # so that both see the same
	wait_list 10 'length == 0' "$INSTANCE"
	run -0 --separate-stderr "$SOCKHOP" metrics --instance "$INSTANCE"
	[ -z "$stderr" ]
	echo "$output" >"$BATS_TEST_TMPDIR/m"
	run -0 promtool check metrics <"$BATS_TEST_TMPDIR/m"
	[ -z "$output" ]
	"$SOCKHOP" status --json --instance "$INSTANCE" >"$BATS_TEST_TMPDIR/status"
	local name label=instance_name=\"$INSTANCE\"
	for name in hops_total:.hopped.messages hop_bytes_total:.hopped.bytes members:.connections.members \
		joined_total,how=\"late\":.counters.joined closed_total:.counters.closed \
		heartbeat_interval_seconds:.heartbeat; do
		[[ $name =~ ^([a-z_]+)(.*):(.*)$ ]]
		diff <(value "$BATS_TEST_TMPDIR/m" "sockhop_${BASH_REMATCH[1]}{$label${BASH_REMATCH[2]}}") \
			<(jq "${BASH_REMATCH[3]}" "$BATS_TEST_TMPDIR/status")
	done
	[ "$(value "$BATS_TEST_TMPDIR/m" "sockhop_attached{$label}")" -eq 1 ]
	[ "$(value "$BATS_TEST_TMPDIR/m" "sockhop_agent_up{$label}")" -eq 1 ]
	[ "$(value "$BATS_TEST_TMPDIR/m" "sockhop_hops_total{$label}")" -gt 0 ]
	# every reason has its sample, from the beginning
	diff <(grep -oE '^sockhop_(stays|refusals)_total.*reason="[a-z-]+"' "$BATS_TEST_TMPDIR/m" | grep -oE '[a-z-]+"$' | tr -d '"') \
		<(sed -n '/define HOP_STAYS/,/^enum hop_why /p' "$lib_root/bpf/reasons.h" | grep -oE '"[a-z-]+"' | tr -d '"' | grep -vx none)
}

@test "served are what services do, between two scrapes" {
	hopping
	serve 0
	fetch a "$url"
	sleep 1.1 # it collects once a second at most
	fetch b "$url"
	run -0 promtool check metrics <"$BATS_TEST_TMPDIR/b"
	[ -z "$output" ]
	[ "$(value "$BATS_TEST_TMPDIR/b" 'service="redis.service",kind="unit",state="member"}')" -eq 1 ]
	[ "$(value "$BATS_TEST_TMPDIR/b" 'service="redis.service",kind="unit",path="hop"}')" -gt 1000 ]
	[ "$(value "$BATS_TEST_TMPDIR/b" 'service="other",kind="",path="hop"}')" -eq 0 ]
	# no more than was made since the first
	local made
	made=$(($(value "$BATS_TEST_TMPDIR/b" 'sockhop_hops_total{') - $(value "$BATS_TEST_TMPDIR/a" 'sockhop_hops_total{')))
	[ "$(value "$BATS_TEST_TMPDIR/b" 'service="redis.service",kind="unit",path="hop"}')" -le "$((made * 6 / 10 + 100))" ]
}

@test "who asks for OpenMetrics gets it" {
	hopping
	serve 0
	fetch om -D "$BATS_TEST_TMPDIR/head" -H 'Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5' "$url"
	grep -qi '^content-type: application/openmetrics-text' "$BATS_TEST_TMPDIR/head"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/om")" = "# EOF" ]
	grep -q '^# TYPE sockhop_hops counter$' "$BATS_TEST_TMPDIR/om"
	diff <("$SOCKHOP" metrics --openmetrics --instance "$INSTANCE" | grep '^# TYPE' | grep -v service_) \
		<(grep '^# TYPE' "$BATS_TEST_TMPDIR/om" | grep -v service_)
}

@test "a flood of requests costs one collection a second" {
	hopping
	serve 0
	local cpu
	for _ in {1..200}; do echo "url = \"$url\""; echo "output = /dev/null"; done >"$BATS_TEST_TMPDIR/curl"
	timeout 30 curl -sSf -K "$BATS_TEST_TMPDIR/curl"
	# utime + stime in ticks of 10 ms
	cpu=$(sed 's/.*) //' "/proc/$SPAWN_PID/stat" | awk '{ print $12 + $13 }')
	[ "$cpu" -lt 60 ]
}

@test "paths and methods that there are not" {
	new_cgroup
	attach "$CG"
	serve 127.0.0.1:0
	run -0 curl -sS -o /dev/null -w '%{http_code}' "${url%metrics}nothing"
	[ "$output" = 404 ]
	run -0 curl -sS -o /dev/null -w '%{http_code}' "${url%metrics}"
	[ "$output" = 200 ]
	run -0 curl -sS -o /dev/null -w '%{http_code}' -d body "$url"
	[ "$output" = 405 ]
	run -0 curl -sS -I -w '%{http_code}' "$url"
	[[ $output == *200 ]]
	# one connection serves two requests
	run -0 curl -sS -o /dev/null -o /dev/null -w '%{num_connects} ' "$url" "$url"
	[ "$output" = "1 0 " ]
}

# prometheus_has QUERY: its answer has a sample
prometheus_has() {
	curl -sS --max-time 5 -G --data-urlencode "query=$1" "http://127.0.0.1:$prom/api/v1/query" |
		jq -e '.data.result | length > 0' >/dev/null
}

@test "a real Prometheus scrapes it, and has no error in its alert rules" {
	command -v prometheus >/dev/null || skip "no prometheus"
	local dir=$BATS_TEST_TMPDIR
	hopping
	serve 0
	prom=$(free_port)
	sed "s|\$RULES|$examples/sockhop.rules.yml|;s|\$TARGET|$(cut -d/ -f3 <<<"$url")|" >"$dir/prometheus.yml" <<-'END'
		global: {scrape_interval: 1s, evaluation_interval: 1s}
		rule_files: [$RULES]
		scrape_configs:
		  - job_name: sockhop
		    static_configs: [{targets: ["$TARGET"]}]
	END
	spawn prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/data" --web.listen-address="127.0.0.1:$prom"
	wait_for 30 prometheus_has 'up{job="sockhop"} == 1'
	wait_for 20 prometheus_has 'rate(sockhop_hops_total[30s]) > 100'
	wait_for 20 prometheus_has 'rate(sockhop_service_messages_total{service="redis.service",path="hop"}[30s]) > 100'
	wait_for 10 prometheus_has "sockhop_members{instance_name=\"$INSTANCE\"} == 2"
	# it keeps the types
	curl -sS "http://127.0.0.1:$prom/api/v1/metadata?metric=sockhop_hops" | jq -e '.data.sockhop_hops[0].type == "counter"' ||
		curl -sS "http://127.0.0.1:$prom/api/v1/metadata?metric=sockhop_hops_total" | jq -e '.data.sockhop_hops_total[0].type == "counter"'
	curl -sS "http://127.0.0.1:$prom/api/v1/rules" |
		jq -e '[.data.groups[].rules[] | select(.health == "err")] == [] and (.data.groups[0].rules | length) > 10'
	# what the dashboard asks for is understood, and there where it must be
	local expr
	while read -r expr; do
		expr=${expr//\$__rate_interval/30s} expr=${expr//\$instance/.*} expr=${expr//\$name/.*}
		curl -sS -G --data-urlencode "query=$expr" "http://127.0.0.1:$prom/api/v1/query" |
			jq -e '.status == "success"' >/dev/null || { echo "$expr"; return 1; }
	done < <(jq -r '.panels[].targets[].expr' "$examples/sockhop.dashboard.json")
}

@test "alert rules are sound and fire when they should; they and the dashboard use metrics that there are" {
	command -v promtool >/dev/null || skip "no promtool"
	promtool check rules "$examples/sockhop.rules.yml"
	sed "s|RULES|$examples/sockhop.rules.yml|" "$BATS_TEST_DIRNAME/rules.test.yml" >"$BATS_TEST_TMPDIR/rules.test.yml"
	promtool test rules "$BATS_TEST_TMPDIR/rules.test.yml"
	hopping
	serve 0
	fetch a "$url"
	sleep 1.1
	fetch b "$url"
	run -0 comm -23 <(cat "$examples"/sockhop.{rules.yml,dashboard.json} | grep -oE 'sockhop_[a-z_]+' | sort -u) \
		<(grep -oE '^sockhop_[a-z_]+' "$BATS_TEST_TMPDIR/b" | sort -u)
	echo "$output"
	[ -z "$output" ]
}

# ---- where it listens ----

@test "a Unix socket; a stale one is replaced, a living one is not, and it goes at the end" {
	local sock=$BATS_TEST_TMPDIR/m.sock
	new_cgroup
	attach "$CG"
	serve "unix:$sock"
	fetch a --unix-socket "$sock" http://localhost/metrics
	grep -q '^sockhop_attached{.*} 1$' "$BATS_TEST_TMPDIR/a"
	[ "$(stat -c %a "$sock")" = 660 ]
	run -1 "$SOCKHOP" metrics --listen "unix:$sock" --instance "$INSTANCE"
	[[ $output == *"cannot listen on unix:$sock: Address already in use"* ]]
	kill -KILL "$SPAWN_PID"
	wait "$SPAWN_PID" || true
	[ -S "$sock" ]
	serve "unix:$sock"
	fetch b --unix-socket "$sock" http://localhost/metrics
	kill "$SPAWN_PID"
	wait "$SPAWN_PID"
	[ ! -e "$sock" ]
	# what is no socket stays
	echo precious >"$sock"
	run -1 "$SOCKHOP" metrics --listen "unix:$sock" --instance "$INSTANCE"
	[ "$(cat "$sock")" = precious ]
}

# handed PORT PID COUNT CMD...: becomes CMD, as by a service manager: a listening socket is descriptor 3, LISTEN_PID
# (self: its own) says who may take it
handed() {
	exec timeout 60 python3 -c '
import os, socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if s.fileno() != 3:
    os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
pid = os.getpid() if sys.argv[2] == "self" else sys.argv[2]
os.environ.update(LISTEN_PID=str(pid), LISTEN_FDS=sys.argv[3])
os.execv(sys.argv[4], sys.argv[4:])' "$@"
}

@test "a socket that is handed over" {
	new_cgroup
	attach "$CG"
	port=$(free_port)
	local metrics=("$SOCKHOP" metrics --listen fd --instance "$INSTANCE")
	spawn handed "$port" self 1 "${metrics[@]}"
	wait_for 10 grep -q 'metrics are at the socket of the service manager' "$SPAWN_LOG"
	fetch a "http://127.0.0.1:$port/metrics"
	grep -q '^sockhop_attached{.*} 1$' "$BATS_TEST_TMPDIR/a"
	run -2 "${metrics[@]}"
	[[ $output == *"no service manager has handed a socket over"* ]]
	# meant for another process; several of them; not a socket
	run -2 handed 0 1 1 "${metrics[@]}"
	[[ $output == *"no service manager has handed a socket over"* ]]
	run -2 handed 0 self 2 "${metrics[@]}"
	[[ $output == *"several sockets"* ]]
	run -2 sh -c 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3</dev/null' - "${metrics[@]}"
	[[ $output == *"no listening socket"* ]]
}

@test "a port that is in use, addresses that are none" {
	new_cgroup
	attach "$CG"
	serve 0
	port=$(grep -oE '[0-9]+/' <<<"$url" | tail -n 1)
	run -1 "$SOCKHOP" metrics --listen "${port%/}" --instance "$INSTANCE"
	[[ $output == *"cannot listen on ${port%/}: Address already in use"* ]]
	local bad
	for bad in 127.0.0.1:99999 127.0.0.1:65536 example.org:80 nonsense ::1:80 unix:relative 127.0.0.1: ""; do
		run -2 timeout 10 "$SOCKHOP" metrics --listen "$bad" --instance none-such
		[[ $output == *"cannot listen on '$bad': "* && $output != *attached* ]]
	done
	run -1 "$SOCKHOP" metrics --listen 192.0.2.1:9000 --instance "$INSTANCE"
	[[ $output == *"Cannot assign requested address"* ]]
	run -1 "$SOCKHOP" metrics --listen "unix:$BATS_TEST_TMPDIR/none/m.sock" --instance "$INSTANCE"
	[[ $output == *"No such file or directory"* ]]
	run -2 "$SOCKHOP" metrics --listen 0 --openmetrics --instance "$INSTANCE"
}

# ---- not attached ----

@test "not attached: status 3 and sockhop_attached 0" {
	run -3 --separate-stderr "$SOCKHOP" metrics --instance none-such
	[[ $stderr == *"instance 'none-such' is not attached: run"* ]]
	[[ $output == *'sockhop_attached{instance_name="none-such"} 0'* ]]
	promtool check metrics <<<"$output"
}

attached_is() {
	fetch a "$url"
	[ "$(value "$BATS_TEST_TMPDIR/a" 'sockhop_attached{')" -eq "$1" ]
}

@test "a server outlives the instance, and sees the next one" {
	new_cgroup
	serve 0 "$lib_id"
	grep -q 'is not attached' "$SPAWN_LOG"
	attached_is 0
	attach "$CG"
	wait_for 5 attached_is 1
	"$SOCKHOP" detach --all --instance "$INSTANCE" 3>&-
	wait_for 5 attached_is 0
	attach "$CG"
	wait_for 5 attached_is 1
	kill "$SPAWN_PID"
	wait "$SPAWN_PID"
}

@test "the capabilities of the unit are enough, and without CAP_SYS_ADMIN one metric is missing" {
	hopping
	local caps
	caps=$(sed -n 's/^CapabilityBoundingSet=//p' "$examples/sockhop-metrics.service" | tr '[:upper:]' '[:lower:]' | sed 's/cap_/+/g;s/ /,/g')
	names() { setpriv --bounding-set "-all,$1" --no-new-privs "$SOCKHOP" metrics --instance "$INSTANCE" | grep -o '^s.*}'; }
	diff <("$SOCKHOP" metrics --instance "$INSTANCE" | grep -o '^s.*}') <(names "$caps")
	run diff <(names "$caps") <(names "${caps/+sys_admin,/}")
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[1]} == *sockhop_foreign_sockmaps* ]]
}

@test "without permission: status 4" {
	new_cgroup
	attach "$CG"
	local public
	public=$(mktemp -d)
	chmod 755 "$public"
	install -m 755 "$SOCKHOP" "$public/sockhop"
	for args in "" "--listen 0"; do
		# shellcheck disable=SC2086
		run sh -c 'cd / && exec setpriv --reuid=65534 --regid=65534 --clear-groups timeout 10 "$@"' - \
			"$public/sockhop" metrics $args --instance "$INSTANCE"
		[ "$status" -eq 4 ] || break
	done
	rm -r "$public"
	[ "$status" -eq 4 ]
	[[ $output == *"no permission"* ]]
}
