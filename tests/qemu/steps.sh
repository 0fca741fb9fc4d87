# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2034
# steps.sh: what guest.sh and real.sh share. Sourced.
CG=${CG:-/sys/fs/cgroup/lab}

row() { echo "ROW $1|$2|$3"; }

# The first NAME=value in the output of the last program
field() { grep -oE "(^| )$1=[^ ]*" /tmp/out | head -n1 | cut -d= -f2-; }

# run SECONDS CMD...: bounded, output shown and kept in /tmp/out; the exit status is the command's
run() {
	limit=$1
	shift
	echo "# $*"
	timeout -s KILL "$limit" "$@" >/tmp/out 2>&1
	code=$?
	cat /tmp/out
	[ $code -eq 0 ] || echo "# exit status $code"
	return $code
}

# member SECONDS CMD...: the same in the attached cgroup
member() {
	limit=$1
	shift
	# shellcheck disable=SC2016
	run "$limit" sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$CG" "$@"
}

# verdict NAME STATUS NOTE
verdict() { if [ "$2" -eq 0 ]; then row "$1" pass "$3"; else row "$1" FAIL "$3"; fi; }

attach() { run 60 sockhop attach "$CG" "$@"; }
detach() { run 30 sockhop detach --all --timeout 10; }

# wait_line PATTERN FILE SECONDS: waits until a line matches
wait_line() {
	n=0
	until grep -q "$1" "$2"; do
		[ $((n += 1)) -le $(($3 * 20)) ] || return 1
		sleep 0.05
	done
}

# background CMD...: in the attached cgroup, output to /tmp/log; sets pid
background() {
	sh -c 'echo $$ >"$0/cgroup.procs"; exec timeout -s KILL 100 "$@"' "$CG" "$@" >/tmp/log 2>&1 &
	pid=$!
}

# wait_last PATTERN FILE SECONDS: waits until the last line matches
wait_last() {
	n=0
	until tail -n1 "$2" | grep -q "$1"; do
		[ $((n += 1)) -le $(($3 * 20)) ] || return 1
		sleep 0.05
	done
}
