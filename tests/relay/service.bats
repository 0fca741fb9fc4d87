#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The relay as a service: targets, limits, timeouts, signals, what it says of itself.

bats_require_minimum_version 1.5.0

setup() {
	source "$BATS_TEST_DIRNAME/../lib.bash"
	source "$BATS_TEST_DIRNAME/relay.bash"
}
teardown() { lib_teardown; }

# hold PORT: a connection that stays open until the test ends; sets HOLD_PID
hold() {
	spawn sleep 1000
	HOLD_PID=$SPAWN_PID
	spawn bash -c "exec 5<>/dev/tcp/127.0.0.1/$1 && read -r -u 5 _"
	HOLD_PID=$SPAWN_PID
}

# serve NAME: a TCP server that answers each connection with its NAME; sets SERVE_PORT
serve() {
	SERVE_PORT=$(free_port)
	spawn socat "TCP-LISTEN:$SERVE_PORT,bind=127.0.0.1,reuseaddr,fork" "SYSTEM:echo $1 \$SOCAT_PEERADDR"
	wait_listen "$SERVE_PORT"
}
asks() { socat -u "TCP:127.0.0.1:$RELAY_PORT" -; }

@test "SIGTERM: no new clients, connections in use finish, exit status 0" {
	forward auto
	mkfifo "$BATS_TEST_TMPDIR/go"
	spawn -o "$BATS_TEST_TMPDIR/load" bash -c "exec '$load_program' term $RELAY_PORT $TARGET_PORT 20 <'$BATS_TEST_TMPDIR/go'"
	local load=$SPAWN_PID
	exec 7>"$BATS_TEST_TMPDIR/go"
	wait_for 10 grep -q ready "$BATS_TEST_TMPDIR/load"
	kill -TERM "$RELAY_PID"
	wait_for 5 state_is .draining true
	run ! listens "$RELAY_PORT"
	echo go >&7
	wait_exit 60 "$load" 0
	wait_exit 5 "$RELAY_PID" 0
}

@test "SIGTERM: at the drain timeout what is left is cut off" {
	forward auto --drain-timeout 1
	spawn socat "TCP-LISTEN:$TARGET_PORT,fork" EXEC:cat
	wait_listen "$TARGET_PORT"
	hold "$RELAY_PORT"
	wait_for 5 state_is .connections 1
	kill -TERM "$RELAY_PID"
	wait_exit 5 "$RELAY_PID" 0
	grep -q "1 connections are cut off" "$RELAY_LOG"
}

@test "a second SIGTERM ends it at once" {
	forward auto --drain-timeout 1000
	spawn socat "TCP-LISTEN:$TARGET_PORT,fork" EXEC:cat
	wait_listen "$TARGET_PORT"
	hold "$RELAY_PORT"
	wait_for 5 state_is .connections 1
	kill -TERM "$RELAY_PID"
	wait_for 5 state_is .draining true
	kill -TERM "$RELAY_PID"
	wait_exit 3 "$RELAY_PID" 0
}

@test "pair --once ends with the first pair" {
	start_relay pair --once --listen 127.0.0.1:0
	spawn -o "$BATS_TEST_TMPDIR/a" bash -c "echo from a | nc -N 127.0.0.1 $RELAY_PORT"
	spawn -o "$BATS_TEST_TMPDIR/b" bash -c "echo from b | nc -N 127.0.0.1 $RELAY_PORT"
	wait_exit 10 "$RELAY_PID" 0
	wait_for 5 grep -qx 'from b' "$BATS_TEST_TMPDIR/a"
	wait_for 5 grep -qx 'from a' "$BATS_TEST_TMPDIR/b"
}

@test "targets take turns; one that refuses is passed over, and named" {
	local one two dead
	serve one && one=$SERVE_PORT
	serve two && two=$SERVE_PORT
	dead=$(free_port)
	start_relay forward --listen 127.0.0.1:0 --to "127.0.0.1:$one" --to "127.0.0.1:$dead" --to "localhost:$two"
	for _ in 1 2 3 4 5 6; do asks; done >"$BATS_TEST_TMPDIR/out"
	[ "$(grep -c one "$BATS_TEST_TMPDIR/out")" -eq 2 ]
	[ "$(grep -c two "$BATS_TEST_TMPDIR/out")" -eq 4 ]
	grep -q "cannot connect to 127.0.0.1:$dead: Connection refused" "$RELAY_LOG"
}

@test "without any target the client is reset, and the relay says why" {
	forward auto
	run -1 bash -c "exec 5<>/dev/tcp/127.0.0.1/$RELAY_PORT && cat <&5"
	[[ $output == *"reset by peer"* ]]
	grep -q "cannot connect to 127.0.0.1:$TARGET_PORT: Connection refused" "$RELAY_LOG"
	[ "$(state .failed)" -eq 1 ]
}

@test "a target that does not answer is given up after --connect-timeout" {
	new_netns_pair
	NS=$NS_A
	local silent=${ADDR_B%.*}.9
	# a neighbour that takes packets and says nothing
	ip -n "$NS" neigh add "$silent" lladdr 02:00:00:00:00:09 dev veth0
	SERVE_PORT=$(free_port)
	spawn -n "$NS" socat "TCP-LISTEN:$SERVE_PORT,fork" SYSTEM:"echo here"
	wait_listen "$SERVE_PORT" "$NS"
	RELAY_PORT=$(free_port)
	spawn -n "$NS" "$SOCKHOP" relay forward --listen "127.0.0.1:$RELAY_PORT" --to "$silent:80" \
		--to "127.0.0.1:$SERVE_PORT" --connect-timeout 1
	wait_listen "$RELAY_PORT" "$NS"
	[ "$(in_netns "$NS" socat -u "TCP:127.0.0.1:$RELAY_PORT" -)" = here ]
	grep -q "cannot connect to $silent:80: Connection timed out" "$SPAWN_LOG"
}

@test "a Unix socket as target" {
	spawn socat "UNIX-LISTEN:$BATS_TEST_TMPDIR/s,fork" EXEC:cat
	wait_for 5 test -S "$BATS_TEST_TMPDIR/s"
	start_relay forward --listen 127.0.0.1:0 --to "unix:$BATS_TEST_TMPDIR/s"
	head -c 20000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	nc -N 127.0.0.1 "$RELAY_PORT" <"$BATS_TEST_TMPDIR/data" >"$BATS_TEST_TMPDIR/back"
	cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/back"
}

@test "--source: the target sees that address" {
	serve peer
	start_relay forward --listen 127.0.0.1:0 --to "127.0.0.1:$SERVE_PORT" --source 127.0.0.77
	[ "$(asks)" = "peer 127.0.0.77" ]
}

@test "--proxy-protocol v2: nginx takes the client's address from it" {
	local port
	port=$(free_port)
	cat >"$BATS_TEST_TMPDIR/nginx.conf" <<-END
		daemon off; master_process off;
		pid $BATS_TEST_TMPDIR/pid; error_log $BATS_TEST_TMPDIR/err;
		events {}
		http {
		  access_log off;
		  client_body_temp_path $BATS_TEST_TMPDIR; proxy_temp_path $BATS_TEST_TMPDIR; fastcgi_temp_path $BATS_TEST_TMPDIR;
		  uwsgi_temp_path $BATS_TEST_TMPDIR; scgi_temp_path $BATS_TEST_TMPDIR;
		  server {
		    listen 127.0.0.1:$port proxy_protocol;
		    location / { return 200 "\$proxy_protocol_addr to \$proxy_protocol_server_port\\n"; }
		  }
		}
	END
	spawn nginx -e "$BATS_TEST_TMPDIR/err" -c "$BATS_TEST_TMPDIR/nginx.conf"
	wait_listen "$port"
	start_relay forward --listen '[::]:0' --to "127.0.0.1:$port" --proxy-protocol v2
	[ "$(curl -s --interface 127.0.0.9 "http://127.0.0.1:$RELAY_PORT/")" = "127.0.0.9 to $RELAY_PORT" ]
}

@test "--idle-timeout resets the silent, not those whose bytes go through the kernel" {
	forward auto --idle-timeout 1
	spawn socat "TCP-LISTEN:$TARGET_PORT,fork" EXEC:cat
	wait_listen "$TARGET_PORT"
	hold "$RELAY_PORT"
	local silent=$HOLD_PID
	# a line every 50 ms for 3 s, each answered
	run -0 bash -c "exec 5<>/dev/tcp/127.0.0.1/$RELAY_PORT
		for i in {1..60}; do echo \$i >&5; read -r -u 5 x && [ \$x = \$i ] || exit 1; read -rt 0.05 <> <(:); done; exit 0"
	ended "$silent"
	[ "$(state .bytes.kernel)" -gt 0 ]
}

@test "--max-connections: more clients wait, one line a second says so" {
	SECONDS=0
	forward auto --max-connections 2
	spawn socat "TCP-LISTEN:$TARGET_PORT,fork" EXEC:cat
	wait_listen "$TARGET_PORT"
	hold "$RELAY_PORT"
	local first=$HOLD_PID
	hold "$RELAY_PORT"
	wait_for 5 state_is .connections 2
	spawn -o "$BATS_TEST_TMPDIR/third" bash -c "echo hello | nc -N 127.0.0.1 $RELAY_PORT"
	wait_for 5 grep -q "the limit of 2 connections is reached" "$RELAY_LOG"
	[ ! -s "$BATS_TEST_TMPDIR/third" ]
	end_pid "$first"
	wait_for 5 grep -qx hello "$BATS_TEST_TMPDIR/third"
	[ "$(grep -c 'limit of' "$RELAY_LOG")" -le $((SECONDS + 1)) ]
}

@test "--workers share the port; SIGTERM ends all" {
	forward auto --workers 2
	load many 60
	[ "$("$SOCKHOP" status --json --instance none-of-ours 2>/dev/null | jq "[.relays[] | select(.listen == \"127.0.0.1:$RELAY_PORT\") | .connections_total] | add, length" | xargs)" = "60 2" ]
	kill -TERM "$RELAY_PID"
	wait_exit 5 "$RELAY_PID" 0
}

@test "status shows relays; one that was killed is not shown, and its socket file is removed" {
	forward auto
	wait_for 5 state_is '"\(.mode) \(.targets[0]) \(.kernel) \(.connections)"' "forward 127.0.0.1:$TARGET_PORT true 0"
	[ -S "/run/sockhop/relay-$RELAY_PID.sock" ]
	kill -KILL "$RELAY_PID"
	wait_for 5 ended "$RELAY_PID"
	[ -z "$(state .pid)" ]
	[ ! -e "/run/sockhop/relay-$RELAY_PID.sock" ]
}

# The rows of our relay in `sockhop list --json`, by a jq expression over their array. Relays belong to no instance.
rows() { "$SOCKHOP" list --json | jq -c --argjson p "$RELAY_PID" "[.[] | select(.relay.pid == \$p)] | $1"; }
rows_are() { [ "$(rows "$1")" = "$2" ]; }

@test "list shows relayed connections: four addresses, path and bytes each way; nothing need be attached" {
	local client
	forward auto
	spawn socat "TCP-LISTEN:$TARGET_PORT,fork" EXEC:cat
	wait_listen "$TARGET_PORT"
	exec 8<>"/dev/tcp/127.0.0.1/$RELAY_PORT"
	client=$(ss -Htn state established "dport = :$RELAY_PORT" | awk '{print $3}')
	for _ in {1..100}; do
		echo hello >&8
		read -r -u 8 _
	done
	wait_for 5 rows_are '.[0] | .state, .a_to_b.path, .b_to_a.path' $'"relayed"\n"kernel"\n"kernel"'
	rows_are length 1
	rows_are '.[0] | .a_to_b.bytes, .b_to_a.bytes, (.a_to_b | .kernel + .splice + .copy)' $'600\n600\n600'
	rows_are '.[0] | .a.peer, .a.local, .b.peer | "\(.address):\(.port)"' \
		"\"$client\""$'\n'"\"127.0.0.1:$RELAY_PORT\""$'\n'"\"127.0.0.1:$TARGET_PORT\""
	rows_are '.[0].b.local | .address, .port > 0' $'"127.0.0.1"\ntrue'
	rows_are '.[0].relay | .program, .mode' "\"$(basename "$SOCKHOP")\""$'\n"forward"'
	run -0 "$SOCKHOP" list
	[[ $output == *"relayed connections"*"relayed  $client "*" $(basename "$SOCKHOP")/$RELAY_PID "*kernel*"600 B"*kernel*"600 B"* ]]
	# who names an instance asks about that one alone
	run -3 --separate-stderr "$SOCKHOP" list --json --instance none-of-ours
	[ "$(jq length <<<"$output")" -eq 0 ]
	exec 8>&-
	wait_for 5 rows_are length 0
}

@test "list shows a client that waits for another, and a Unix target" {
	start_relay pair --listen '[::1]:0'
	exec 8<>"/dev/tcp/::1/$RELAY_PORT"
	wait_for 5 rows_are '.[] | .state, .a.local.address, .b.peer' $'"waiting"\n"::1"\nnull'
	"$SOCKHOP" list | grep -qF "[::1]:$RELAY_PORT"
	exec 8>&-
	end_pid "$RELAY_PID"
	spawn socat "UNIX-LISTEN:$BATS_TEST_TMPDIR/s,fork" EXEC:cat
	wait_for 5 test -S "$BATS_TEST_TMPDIR/s"
	start_relay forward --listen 127.0.0.1:0 --to "unix:$BATS_TEST_TMPDIR/s"
	exec 8<>"/dev/tcp/127.0.0.1/$RELAY_PORT"
	wait_for 5 rows_are '.[] | .state, .b.peer' "\"relayed\""$'\n'"{\"address\":\"unix:$BATS_TEST_TMPDIR/s\",\"port\":null}"
	"$SOCKHOP" list | grep -qF " unix:$BATS_TEST_TMPDIR/s "
	exec 8>&-
}

@test "without privileges it says so once, and carries the bytes in user space" {
	TARGET_PORT=$(free_port)
	cp "$SOCKHOP" "$BATS_TEST_TMPDIR/sockhop"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/sockhop"
	spawn setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all \
		"$BATS_TEST_TMPDIR/sockhop" relay forward --listen 127.0.0.1:0 --to "127.0.0.1:$TARGET_PORT"
	RELAY_PID=$SPAWN_PID RELAY_LOG=$SPAWN_LOG
	wait_for 10 _printed_port "$RELAY_LOG"
	RELAY_PORT=$(grep -oE ':[0-9]+$' "$RELAY_LOG" | head -1 | tr -d :)
	load half 20
	load mixed 2
	[ "$(grep -c 'no kernel path' "$RELAY_LOG")" -eq 1 ]
}

# As on Linux 6.1: the kernel's types without bpf_cast_to_kern_ctx(), for COMMAND... alone.
without_cast() {
	sed 's/bpf_cast_to_kern_ctx/bpf_cast_to_kern_XXX/g' /sys/kernel/btf/vmlinux >"$BATS_TEST_TMPDIR/btf"
	# shellcheck disable=SC2016 # expanded by the inner shell
	exec unshare -m --propagation private bash -c 'mount --bind "$0" /sys/kernel/btf/vmlinux && exec "$@"' \
		"$BATS_TEST_TMPDIR/btf" "$@"
}

@test "a kernel without bpf_cast_to_kern_ctx(): it says so once, and carries the bytes in user space" {
	TARGET_PORT=$(free_port)
	spawn without_cast "$SOCKHOP" relay forward --listen 127.0.0.1:0 --to "127.0.0.1:$TARGET_PORT" --workers 2
	RELAY_PID=$SPAWN_PID RELAY_LOG=$SPAWN_LOG
	wait_for 10 _printed_port "$RELAY_LOG"
	RELAY_PORT=$(grep -oE ':[0-9]+$' "$RELAY_LOG" | head -1 | tr -d :)
	load half 20
	load mixed 2
	[ "$(grep -c . "$RELAY_LOG")" -eq 2 ]
	grep -qF "no kernel path (the kernel has no bpf_cast_to_kern_ctx(), which came with Linux 6.2); user space carries all bytes" "$RELAY_LOG"
	run -5 without_cast "$SOCKHOP" relay pair --listen 127.0.0.1:0 --path kernel
	[ "$(grep -c 'no kernel path (the kernel has no bpf_cast' <<<"$output")" -eq 1 ]
	[ "$(grep -c . <<<"$output")" -eq 2 ]
}

@test "usage errors" {
	for args in "" "pair" "forward --listen 1" "pair --listen 1 --to a:1" "both --listen 1" "forward --listen 1 --to 1 --workers x" \
		"pair --listen ::1:80" "forward --listen 127.0.0.1:0 --to 127.0.0.1:1 --path tunnel" "forward --listen"; do
		# shellcheck disable=SC2086
		run "$SOCKHOP" relay $args
		[ "$status" -eq 2 ] || { echo "relay $args: exit status $status"; return 1; }
		[[ $output == *"--help"* ]]
	done
}

# says TEXT ARGUMENT...: a usage error that says so
says() {
	local text=$1
	shift
	run -2 "$SOCKHOP" relay "$@"
	[[ $output == *"$text"* ]] || {
		echo "relay $*: $output"
		return 1
	}
}

@test "options are spelled out, as with the other commands, and errors say which one" {
	says "unknown option '--list'" pair --list 127.0.0.1:0
	says "did you mean '--listen'?" pair --listn 127.0.0.1:0
	says "option '--once' takes no value" pair --listen 127.0.0.1:0 --once=yes
	says "option '--to' wants a value" forward --listen 127.0.0.1:0 --to
	says "--workers wants a number from 1 to 256, not '257'" forward --workers=257
	says "--proxy-protocol v1: only v2 is known" forward --proxy-protocol v1
	says "it is one of auto, kernel, splice, copy" forward --path ker
	says "--listen ADDR:PORT is missing" -- pair
	says "neither" --listen 127.0.0.1:0 both
	says "say \`pair\` or \`forward\`" --listen 127.0.0.1:0 pair forward
	run -0 "$SOCKHOP" relay pair --listen 127.0.0.1:0 --help
	[[ $output == *"sockhop relay pair"* ]]
}
