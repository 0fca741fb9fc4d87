#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# redis-server with redis-benchmark, and with a client that checks every byte.
# timeout: 900

setup_file() {
	load ../lib
	load e2e
	build_kv
}

setup() {
	load ../lib
	load e2e
}
teardown() { lib_teardown; }

# start_redis plain|member: sets PORT
start_redis() {
	PORT=$(free_port)
	spawn_by "$1" redis-server --port "$PORT" --bind 127.0.0.1 --save '' --appendonly no --dir "$BATS_TEST_TMPDIR" \
		--enable-debug-command yes
	wait_listen "$PORT"
}

cli() { timeout 20 redis-cli -p "$PORT" "$@"; }

# benchmark REQUESTS ARGUMENT...: all requests answered while the connections hop
benchmark() {
	local requests=$1
	shift
	attached_cgroup
	start_redis member
	spawn_member timeout "$LIMIT" redis-benchmark -p "$PORT" -n "$requests" -q -t set,get "$@"
	wait_hops "$PORT" "$(between redis-benchmark redis-server)"
	finish
	grep -q 'SET: [0-9.]* requests per second' "$SPAWN_LOG"
	grep -q 'GET: [0-9.]* requests per second' "$SPAWN_LOG"
	# besides the two tests it sends CONFIG GET once or twice
	[ "$(cli info commandstats | sed -n 's/^cmdstat_get:calls=\([0-9]*\).*/\1/p')" -ge "$requests" ]
	[ "$(cli info commandstats | sed -n 's/^cmdstat_set:calls=\([0-9]*\).*/\1/p')" -ge "$requests" ]
	cli info errorstats | grep -c errorstat_ | grep -qx 0
}

@test "redis-benchmark with one connection hops" { benchmark 60000 -c 1; }

@test "redis-benchmark with 50 connections hops" { benchmark 150000 -c 50; }

@test "redis-benchmark with pipelining hops" { benchmark 1000000 -c 8 -P 16; }

# store plain|member: three clients at a time, then a digest over the whole data set
store() {
	local seed pids=()
	for seed in 1 2 3; do
		SOCKHOP_PLAIN=$([ "$1" = member ] || echo 1) spawn_by "$1" "$KV" redis "$PORT" 2000 "$seed"
		pids+=("$SPAWN_PID:$SPAWN_LOG")
	done
	if [ "$1" = member ]; then
		wait_hopped "$PORT" "$(between kv redis-server)"
		kill "${pids[@]%%:*}"
	fi
	for seed in "${pids[@]}"; do
		finish "${seed%%:*}" || return
		cat "${seed#*:}" >>"$BATS_TEST_TMPDIR/$1"
	done
	cli debug digest >>"$BATS_TEST_TMPDIR/$1"
}

@test "redis answers every byte that it was given, and holds the same data as on plain TCP" {
	start_redis plain
	store plain
	attached_cgroup
	start_redis member
	store member
	cat "$BATS_TEST_TMPDIR/plain"
	[ "$(grep -c '^faults=0 ' "$BATS_TEST_TMPDIR/plain")" -eq 3 ]
	same "$(cat "$BATS_TEST_TMPDIR/plain")" "$(cat "$BATS_TEST_TMPDIR/member")"
}

@test "redis-cli reads blocking and stays out" {
	local answer
	attached_cgroup
	start_redis member
	spawn_member bash -c "yes 'ECHO 0123456789' | head -n 400000 | timeout $LIMIT redis-cli -p $PORT | sort | uniq -c"
	wait_why "$PORT" blocking
	finish
	read -r -a answer <"$SPAWN_LOG"
	same "${answer[*]}" "400000 0123456789"
	none_hopped
}

@test "redis under sockhop run: hops, exit status and output as without" {
	INSTANCE=$lib_id-run
	PORT=$(free_port)
	cat >"$BATS_TEST_TMPDIR/work" <<-'END'
		redis-server --port "$1" --bind 127.0.0.1 --save '' --dir "$2" >/dev/null &
		server=$!
		until redis-cli -p "$1" ping >/dev/null 2>&1; do sleep 0.05; done
		SOCKHOP_PLAIN=$3 "$4" redis "$1" 3000 &
		client=$!
		trap 'kill $client' USR1
		until wait $client; do kill -0 $client 2>/dev/null || break; done
		kill $server
		wait $server
		cat
		exit 7
	END
	run -7 bash "$BATS_TEST_TMPDIR/work" "$PORT" "$BATS_TEST_TMPDIR" 1 "$KV" <<<"standard input"
	[[ $output == *"faults=0 "*"standard input" ]]
	plain_output=$output
	mkfifo "$BATS_TEST_TMPDIR/in"
	"$SOCKHOP" run --instance "$INSTANCE" -- bash "$BATS_TEST_TMPDIR/work" "$PORT" "$BATS_TEST_TMPDIR" 0 "$KV" \
		<"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
	runner=$!
	note_pid "$runner"
	echo "standard input" >"$BATS_TEST_TMPDIR/in"
	wait_hopped "$PORT" "$(between kv redis-server)"
	kill -USR1 "$runner" # passed on to the command, which ends the client
	status=0
	wait "$runner" || status=$?
	[ "$status" -eq 7 ]
	same "$plain_output" "$(cat "$BATS_TEST_TMPDIR/out")"
	run -3 "$SOCKHOP" status --instance "$INSTANCE"
}
