#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Nothing leaks: user space under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer (`make asan`), kernel
# memory after many connections, and what tests/run.sh says of a test that leaves things behind.
#
# SOCKHOP_LEAK_CONNECTIONS: short connections of the kernel memory test (5000).
# timeout: 600

setup() {
	bats_require_minimum_version 1.5.0
	load ../lib
	K=$BUILD/tests/prog
	export JOIN_WAIT=${JOIN_WAIT:-20}
}
teardown() { lib_teardown; }

# ---- user space ----

# sanitized: from now on SOCKHOP is the program with sanitizers; each process of it writes what it finds to a file.
sanitized() {
	REPORTS=$BATS_TEST_TMPDIR/reports
	mkdir "$REPORTS"
	[ -x "$BUILD/asan/sockhop" ] || skip "no build/asan/sockhop: run make asan"
	export SOCKHOP=$BUILD/asan/sockhop
	local common=log_path=$REPORTS/report:exitcode=99
	export ASAN_OPTIONS=$common:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
	export UBSAN_OPTIONS=$common:print_stacktrace=1
}

# no_reports: fails and shows them if there are any. A process reports when it ends.
no_reports() {
	[ -z "$(ls -A "$REPORTS")" ] || {
		head -n 60 "$REPORTS"/*
		return 1
	}
}

# does STATUS ARGUMENT...: sockhop with sanitizers ends with that status
does() {
	local want=$1 got=0
	shift
	timeout -k 5 60 "$SOCKHOP" "$@" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- || got=$?
	[ "$got" -eq "$want" ] || {
		echo "sockhop $*: exit status $got instead of $want"
		cat "$BATS_TEST_TMPDIR/out" "$REPORTS"/* 2>/dev/null
		return 1
	}
}

agent_pid() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -r '.agent.pid // .agent_pid // 0'; }
members() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq '.maps[] | select(.map == "members").used'; }
has_members() { [ "$(members)" -ge "$1" ]; }

@test "the sanitizers see a leak, a read beyond the end and an overflow" {
	sanitized
	local program=$BATS_TEST_TMPDIR/faulty
	gcc -xc -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -static-libasan -static-libubsan \
		-o "$program" - <<-'END'
		#include <stdlib.h>
		static void *volatile p;
		int main(int argc, char **argv)
		{
			volatile int big = 0x7fffffff;
			p = malloc(40);
			if (argv[1][0] == 'l') /* leaked */
				p = 0;
			if (argv[1][0] == 'r') /* read */
				return ((volatile char *)p)[40 * (argc - 1)];
			if (argv[1][0] == 'o') /* overflow */
				big += argc;
			return 0;
		}
	END
	"$program" none
	no_reports
	for fault in leak read overflow; do
		run ! "$program" $fault
		run ! no_reports
		echo "$fault: $output"
		rm "$REPORTS"/*
	done
}

@test "unit tests with sanitizers" {
	local test n=0
	sanitized
	for test in "$BUILD"/asan/tests/unit/*; do
		[[ $test != *.d ]] || continue
		timeout -k 5 100 "$test" >"$BATS_TEST_TMPDIR/out" 2>&1 || { cat "$BATS_TEST_TMPDIR/out"; no_reports; return 1; }
		n=$((n + 1))
	done
	no_reports
	[ "$n" -ge 5 ]
}

@test "commands with sanitizers, and what they refuse" {
	local first on
	sanitized
	new_cgroup
	first=$CG
	new_cgroup
	printf 'never port 1\nearly port 2-3\ntrust program nobody\n' >"$BATS_TEST_TMPDIR/policy"
	echo 'nonsense' >"$BATS_TEST_TMPDIR/bad"
	on=(--instance "$lib_id")
	does 3 status "${on[@]}"
	run ! attach "$first" --policy "$BATS_TEST_TMPDIR/bad"
	run ! attach "$first/none"
	attach "$first" --policy "$BATS_TEST_TMPDIR/policy"
	attach "$CG" # and attached again: nothing changes
	attach "$CG"
	[ "/proc/$(agent_pid)/exe" -ef "$SOCKHOP" ]
	for json in "" --json; do
		for cmd in status list "list --all" "policy show" check version; do
			# shellcheck disable=SC2086
			case $cmd in
			check | version) does 0 $cmd $json ;;
			*) does 0 $cmd $json "${on[@]}" ;;
			esac
		done
	done
	does 0 policy add "never program x" --at 1 "${on[@]}"
	does 0 policy add trust port 5 "${on[@]}"
	does 0 policy del 1 "${on[@]}"
	does 2 policy add nonsense "${on[@]}"
	run ! does 0 policy del 99 "${on[@]}"
	run ! does 0 policy set "$BATS_TEST_TMPDIR/bad" "${on[@]}"
	run ! does 0 policy set "$BATS_TEST_TMPDIR/none" "${on[@]}"
	does 0 policy set "$BATS_TEST_TMPDIR/policy" "${on[@]}"
	run ! does 0 agent "${on[@]}" # there is one
	does 2 list --nonsense "${on[@]}"
	does 0 help
	does 0 help attach
	does 2 nonsense
	does 0 detach "$CG" "${on[@]}"
	run ! does 0 detach "$CG" "${on[@]}"
	does 0 detach --all "${on[@]}"
	does 3 list "${on[@]}"
	no_reports
}

@test "the agent in the foreground under load, with sanitizers" {
	local agent load
	sanitized
	new_cgroup
	attach "$CG" --no-agent
	spawn "$SOCKHOP" agent --instance "$INSTANCE"
	agent=$SPAWN_PID
	spawn -c "$CG" "$K/stream_check" -n 20 -s 8
	load=$SPAWN_PID
	spawn -c "$CG" "$K/rr" crc -s 3
	wait_for 20 has_members 4
	does 0 list --all --instance "$INSTANCE"
	does 0 list --all --json --instance "$INSTANCE"
	does 0 list --columns state,service-a,cgroup-b --instance "$INSTANCE"
	does 0 metrics --instance "$INSTANCE"
	does 0 top -b -n 2 -d 1 --instance "$INSTANCE"
	does 0 top -b -n 1 -d 1 --view services --instance "$INSTANCE"
	does 0 policy add never program rr --instance "$INSTANCE" # makes it look at all programs again
	does 0 detach "$CG" --instance "$INSTANCE"                # members leave; the instance goes with its last cgroup
	wait "$load" || { cat "$BATS_TEST_TMPDIR"/spawn.*; return 1; }
	end_pid "$agent"
	no_reports
}

@test "sockhop run with sanitizers: a program that hops, one that fails, one that is none" {
	sanitized
	does 0 run -- "$K/stream_check" -n 10 -s 1
	does 7 run -- sh -c 'exit 7'
	does 127 run -- /nonexistent
	no_reports
}

listens_on() { PORT=$(grep -oE ':[0-9]+$' "$1" | head -1 | tr -d :); [ -n "$PORT" ]; }
# relay SCENARIO... -- ARGUMENT...: a sanitized relay carries them (relay_load's, by name and count), then ends
relay() {
	local scenario=() pid target=0
	while [ "$1" != -- ]; do scenario+=("$1"); shift; done
	shift
	[ "$1" = pair ] || { target=$(free_port); set -- "$@" --to "127.0.0.1:$target"; }
	spawn "$SOCKHOP" relay "$@" --listen 127.0.0.1:0
	pid=$SPAWN_PID
	wait_for 10 listens_on "$SPAWN_LOG" || { cat "$SPAWN_LOG"; return 1; }
	for s in "${scenario[@]}"; do
		timeout -k 5 60 "$K/relay_load" "${s% *}" "$PORT" "$target" "${s#* }"
	done
	does 3 status --json --instance none-of-ours # shows relays all the same
	kill "$pid"
	wait "$pid" || { cat "$SPAWN_LOG"; return 1; }
	no_reports
}

@test "a relay with sanitizers: forward by each path, two workers, and pair" {
	local path
	sanitized
	for path in auto kernel splice copy; do
		relay "sizes 100" "half 21" "rst 10" "early 10" "bulk 16" "many 50" -- forward --path $path
	done
	relay "sizes 100" "many 50" -- forward --workers 2
	relay "early 10" "half 20" "rst 10" "many 50" -- pair
}

# ---- the kernel ----

@test "kernel memory is back after thousands of short connections and hundreds of members" {
	timeout -k 20 500 "$lib_root/tests/lab/memory.sh" "${SOCKHOP_LEAK_CONNECTIONS:-5000}"
}

# grown KIND: what memory.sh (in $output) says of it is more than it would allow
grown() {
	[[ $output =~ (^|$'\n')$1:\ [^$'\n']*growth=(-?[0-9]+)\ at_most=([0-9]+) ]] && [ "${BASH_REMATCH[2]}" -gt "${BASH_REMATCH[3]}" ]
}

# The slab caches are the whole host's: what others give back meanwhile may hide 200 connections once, not every time.
@test "members that are still open show in the kernel's memory" {
	local kind try
	for try in 1 2 3 4 5; do
		run timeout -k 20 200 "$lib_root/tests/lab/memory.sh" -l 1000
		echo "$output"
		[ "$status" -eq 1 ]
		for kind in ends members storages; do grown $kind; done
		! grown slab || return 0
		echo "not in the slab caches, try $try"
	done
	return 1
}

# ---- what tests leave behind ----

@test "the runner of these tests names all that a test leaves behind, and fails" {
	local other=$lib_id-left at=@ # bats takes every line that begins with the word for a test of this file
	_lib_note cgroup "$(cgroup2_mount)/sockhop-$other"
	_lib_note instance "$other"
	_lib_note netns "$other"
	cat >"$BATS_TEST_TMPDIR/careless.bats" <<-END
		${at}test "it leaves an instance, a cgroup, a network namespace and a server" {
			mkdir "$(cgroup2_mount)/sockhop-$other"
			ip netns add $other
			"$SOCKHOP" attach "$(cgroup2_mount)/sockhop-$other" --instance $other 3>&-
			"$K/rr" server -p $(free_port) >/dev/null 2>&1 3>&- &
			echo \$! >"$BATS_TEST_TMPDIR/server"
		}
	END
	# a clean environment: bats in bats; and a lock of its own, for the one that runs us is held
	run env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" BUILD="$BUILD" SOCKHOP="$SOCKHOP" RUN_LOCK="$BATS_TEST_TMPDIR/lock" LEFTOVER_WAIT=1 \
		timeout -k 5 60 "$lib_root/tests/run.sh" "$BATS_TEST_TMPDIR/careless.bats"
	echo "$output"
	note_pid "$(cat "$BATS_TEST_TMPDIR/server")"
	[ "$status" -eq 1 ]
	[[ $output == *"1 passed, 1 failed"* ]]
	[[ $output == *"not ok: nothing left behind"* ]]
	for left in "cgroup $(cgroup2_mount)/sockhop-$other" "network namespace $other" "pin .*/sockhop/$other" \
		"pin .*/sockhop/$other/members" "process $(basename "$SOCKHOP"), pid [0-9]+" "process rr, pid [0-9]+" "BPF program hop_msg, id [0-9]+" \
		"BPF map members, id [0-9]+" "BPF map socks, id [0-9]+" "BPF link of hop_sockops, id [0-9]+"; do
		grep -qxE "    $left" <<<"$output" || { echo "not named: $left"; return 1; }
	done
}

children_of() { pgrep -P "$1"; }
has_children() { [ -n "$(children_of "$1")" ]; }
@test "a test program that is killed takes its other processes with it" {
	local parent child since children
	for cmd in "prog/rr -s 60" "prog/rr -b -c 3 -s 60" "prog/stream_check -n 3 -s 60" "lab/random -t 60"; do
		# shellcheck disable=SC2086
		SOCKHOP_PLAIN=1 spawn "$BUILD"/tests/$cmd
		parent=$SPAWN_PID
		wait_for 5 has_children "$parent"
		children=()
		for child in $(children_of "$parent"); do
			since=$(_lib_start_time "$child")
			[ -z "$since" ] || children+=("$child $since")
		done
		kill -KILL "$parent"
		for child in "${children[@]}"; do
			# shellcheck disable=SC2086
			wait_for 5 _lib_ended $child || { echo "$cmd: its process lives on: $child"; _lib_note pid $child; return 1; }
		done
	done
}
