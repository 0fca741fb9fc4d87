# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# relay.bash: what the bats files of this folder share, on top of ../lib.bash.

load_program=$BUILD/tests/prog/relay_load
# A command that runs the relay, see start_relay().
relay_under=()

_printed_port() { grep -qE '^[][0-9a-f.:]+:[0-9]+$' "$1"; }

# start_relay ARGUMENT...: `sockhop relay` on a port of the kernel's choice; sets RELAY_PID, RELAY_LOG, RELAY_PORT.
# The array relay_under is a command that runs it, if set.
start_relay() {
	spawn "${relay_under[@]}" "$SOCKHOP" relay "$@"
	RELAY_PID=$SPAWN_PID RELAY_LOG=$SPAWN_LOG
	wait_for 10 _printed_port "$RELAY_LOG" || {
		cat "$RELAY_LOG"
		return 1
	}
	RELAY_PORT=$(grep -oE ':[0-9]+$' "$RELAY_LOG" | head -1 | tr -d :)
}

# forward PATH [ARGUMENT...]: a forwarder to a new port, where relay_load will listen; sets TARGET_PORT.
forward() {
	local path=$1
	shift
	TARGET_PORT=$(free_port)
	start_relay forward --listen 127.0.0.1:0 --to "127.0.0.1:$TARGET_PORT" --path "$path" "$@"
}

load() { timeout 120 "$load_program" "$1" "$RELAY_PORT" "${TARGET_PORT:-0}" ${2:+"$2"}; }

# The state of our relay, by a jq expression.
state() { "$SOCKHOP" status --json --instance none-of-ours 2>/dev/null | jq -r --argjson p "$RELAY_PID" ".relays[] | select(.pid == \$p) | $1"; }
state_is() { [ "$(state "$1")" = "$2" ]; }

# ended PID: it is no more (a zombie is no more)
ended() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }
# wait_exit SECONDS PID STATUS
wait_exit() {
	local status=0
	wait_for "$1" ended "$2" || return
	wait "$2" || status=$?
	[ "$status" -eq "$3" ] || {
		echo "exit status $status instead of $3"
		cat "$RELAY_LOG"
		return 1
	}
}
