#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# run.sh [SUITE|FILE]...: runs the tests; `make test` builds and calls it. Needs root and the real kernel.
#
# SUITE is unit (build/tests/unit/*, cmocka) or model (spin), fuzz, repo, cli, tcp, e2e, relay, lab, qemu
# (tests/SUITE/*.bats); FILE is one of these programs or .bats files. Without arguments all suites that exist are run. What
# the suite repo does (builds, packages, a bare Debian) takes CPU time and downloads: beside other suites it runs in the
# background, at nice 19, and each of its files may take twice its time.
#
# A file may take 300 s, or what its comment line "# timeout: SECONDS" says; all together may take
# RUN_LIMIT seconds (3600). One run at a time: they wait for each other at the lock file RUN_LOCK. What is left behind
# at the end is given LEFTOVER_WAIT seconds (10) to go; with RUN_SHARED=1 it may be another run's, and is not looked for.
# The last line is "N passed, N failed[, N skipped]". Exit status: 0 all passed; 1 a test failed, none ran, all were
# skipped, or something was left behind; 2 no such suite or file; 4 not root.
#
# Tests get SOCKHOP (the program), BUILD (the build folder), BATS_LIB_PATH (tests/, for lib.bash) and
# SOCKHOP_JOURNAL (where lib.bash notes what it made: undone here if a file was cut short).
set -uo pipefail
shopt -s nullglob

root=$(cd "$(dirname "$0")/.." && pwd)
export BUILD=${BUILD:-$root/build}
export SOCKHOP=${SOCKHOP:-$BUILD/sockhop}
export BATS_LIB_PATH=$root/tests
export LC_ALL=C CMOCKA_MESSAGE_OUTPUT=TAP
suites="unit model fuzz repo cli tcp e2e relay lab qemu"
file_limit=300
slow=${RUN_SLOW:-1}
run_limit=${RUN_LIMIT:-3600}

die() {
	local status=$1
	shift
	echo "run.sh: $*" >&2
	exit "$status"
}

[ "$(id -u)" -eq 0 ] || die 4 "the tests attach BPF programs to cgroups of their own: run them as root"
# one run at a time: "nothing left behind" cannot tell two runs apart
run_lock=${RUN_LOCK:-/run/lock/sockhop-tests}
exec 9>"$run_lock" || die 1 "cannot write $run_lock"
flock -n 9 || {
	echo "run.sh: waiting for another run of the tests to end" >&2
	flock -w 1800 9 || die 1 "another run of the tests is under way on this machine"
}

work=$(mktemp -d /tmp/sockhop-tests.XXXXXX)
export SOCKHOP_JOURNAL=$work/journal
child='' beside=''
# shellcheck disable=SC2317
stop() {
	trap - EXIT INT TERM
	for job in $child $beside; do { kill "$job" && wait "$job"; } 2>/dev/null; done
	undo_journal
	rm -rf "$work"
}
trap stop EXIT
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM

# What a file that was cut short has left; its own teardown would have done the same.
undo_journal() {
	local journal
	for journal in "$SOCKHOP_JOURNAL".[0-9]* "$SOCKHOP_JOURNAL".file; do
		[ ! -s "$journal" ] || SOCKHOP_JOURNAL_FILE=$journal \
			bash -c '. "$0/lib.bash" && lib_teardown' "$root/tests" 8<&- 9>&-
		rm -f "$journal"
	done
}

# ---- what is to be run ----

suite_files() {
	local f
	if [ "$1" = unit ]; then
		for f in "$BUILD"/tests/unit/*; do [[ $f == *.* || ! -x $f ]] || echo "unit $f"; done
	else
		for f in "$root/tests/$1"/*.bats; do echo "$1 $f"; done
	fi
}

file_suite() {
	local f
	f=$(realpath "$1")
	if [[ $f != *.bats ]]; then
		echo "unit $f"
	else
		echo "$(basename "$(dirname "$f")") $f"
	fi
}

plan() {
	local arg
	for arg in "$@"; do
		if [[ " $suites " == *" $arg "* ]]; then
			suite_files "$arg"
		elif [[ -f $arg && ( $arg == *.bats || -x $arg ) ]]; then
			file_suite "$arg"
		else
			die 2 "$arg is neither a suite ($suites) nor a .bats file nor a test program"
		fi
	done
}

# ---- what must not be left behind ----

mount_of() { awk -v type="$1" '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == type) { print $5; exit } }' /proc/self/mountinfo; }

# Our programs, maps and links in the kernel, by the names in bpf/ (the kernel keeps 15 characters). Those of systemd
# and of others come and go.
bpf_objects() {
	local maps progs
	maps=$(grep -ohE '\w+ SEC\("\.maps"\)' "$root"/bpf/*.[ch] | awk '{ printf "%s ", substr($1, 1, 15) }')
	progs=$(bpftool prog show | awk '$3 == "name" && $4 ~ /^(hop|relay|probe)_/ { print $1, $4 }')
	[ -z "$progs" ] || awk '{ print "BPF program", $2 ", id", $1 + 0 }' <<<"$progs"
	bpftool map show | awk -v ours=" $maps" '$3 == "name" && (index(ours, " " $4 " ") ||
		$4 ~ /^(hop|relay|probe)_bpf?\.|^\.data\.config$/) { print "BPF map", $4 ", id", $1 + 0 }'
	bpftool link show | awk -v progs="$progs" '
		BEGIN { n = split(progs, p, "\n"); for (i = 1; i <= n; i++) { split(p[i], f, ": *"); name[f[1]] = f[2] } }
		$3 == "prog" && $4 in name { print "BPF link of", name[$4] ", id", $1 + 0 }'
}

# What runs our programs, whatever it calls itself: the agent and servers of tests.
processes() {
	find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' \
		\( -lname '*/sockhop' -o -lname "$(realpath "$SOCKHOP")" -o -lname "$(realpath "$BUILD")/*" \) \
		-printf '%l %h\n' 2>/dev/null | sed -E 's|.*/([^/ ]+) /proc/([0-9]+)$|process \1, pid \2|'
}

# One line for each thing that a test could leave. systemd's units come and go; in them only our names count.
snapshot() {
	local cg bpf
	cg=$(mount_of cgroup2)
	bpf=$(mount_of bpf)
	[ -z "$cg" ] || find "$cg" -mindepth 1 -type d -printf 'cgroup %p\n' 2>/dev/null |
		awk '/sockhop/ || !/\.(service|scope|slice|socket|mount|swap|target)(\/|$)/'
	# of other hierarchies (cgroup v1) only our names
	awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "cgroup") print $5 }' /proc/self/mountinfo |
		xargs -r -I{} find {} -maxdepth 2 -name 'sockhop-*' -printf 'cgroup %p\n' 2>/dev/null
	[ -z "$bpf" ] || find "$bpf/sockhop" -mindepth 1 -printf 'pin %p\n' 2>/dev/null
	ip netns list 2>/dev/null | awk '{ print "network namespace", $1 }'
	processes
	bpf_objects 2>/dev/null
}

left_behind() { snapshot | sort | comm -13 "$work/before" -; }

# Prints what is left and returns 1; gives what is just ending, or waits for a grace period, time to go.
check_leftovers() {
	local left deadline=$((SECONDS + ${LEFTOVER_WAIT:-10}))
	while left=$(left_behind); [ -n "$left" ] && [ $SECONDS -lt $deadline ]; do sleep 0.1; done
	[ -n "$left" ] || return 0
	echo "not ok: nothing left behind"
	printf '    %s\n' "${left//$'\n'/$'\n'    }"
	return 1
}

# ---- one file ----

# Reads TAP as bats (its extended stream, -F cat) and cmocka write it. Prints failed tests with their output and
# skipped ones with their reason; the last line is "passed failed skipped".
# shellcheck disable=SC2016
read_tap='
function fail(name) { failed++; print "    not ok: " name }
function show_pre(  i) { for (i = 0; i < pre; i++) print "        " text[i] }
function done_with() { pre = 0; running = "" }
/^1\.\.[0-9]+$/ { planned += substr($0, 4); next }
/^suite / { next }
/^begin [0-9]+ / { sub(/^begin [0-9]+ /, ""); running = $0; next }
/^(not )?ok [0-9]+ / {
	bad = /^not/; in_failed = 0; seen++
	sub(/^(not )?ok [0-9]+ (- )?/, "")
	if (match($0, /# (skip|SKIP)( |$)/)) {
		name = substr($0, 1, RSTART - 1); reason = substr($0, RSTART + RLENGTH)
		if (name == "") { name = reason; reason = pre ? text[pre - 1] : "" }
		skipped++
		print "    skipped: " name (name ~ / $/ ? "" : " ") "(" (reason == "" ? "no reason given" : reason) ")"
	} else if (bad) {
		fail($0); show_pre(); in_failed = 1
	} else
		passed++
	done_with(); next
}
in_failed && /^#/ { sub(/^# ?/, ""); print "        " $0; next }
/^# (not )?ok - / { next }
{ text[pre++] = $0 }
END {
	if (rc == 124 || rc == 137) {
		fail("killed after its time limit of " limit " s" (running == "" ? "" : ", in: " running)); show_pre()
	} else if (seen < planned) {
		fail("ended after " seen " of " planned " tests, exit status " rc); show_pre()
	} else if (!seen) {
		fail("has no tests, exit status " rc); show_pre()
	} else if (rc && !failed) {
		fail("exit status " rc " though no test failed"); show_pre()
	}
	print passed + 0, failed + 0, skipped + 0
}'

limit_of() {
	local own
	own=$(sed -n 's/^# timeout: *\([0-9]\+\).*/\1/p;T;q' "$1" 2>/dev/null)
	echo "${own:-$file_limit}"
}

# Sets rc. In the background, so that our own traps work; env undoes what bash does to background jobs' signals.
run_limited() {
	local limit=$1
	shift
	env --default-signal=INT,QUIT timeout -k 10 "$limit" "$@" >"$work/log" 2>&1 </dev/null 8<&- 9>&- &
	child=$!
	wait "$child"
	rc=$?
	child=
}

run_file() {
	local suite=$1 file=$2 name limit start passed failed skipped took
	name=${file#"$root"/}
	limit=$((slow * file_limit))
	start=$EPOCHREALTIME
	if [ "$SECONDS" -ge "$run_limit" ]; then
		echo "Bail out: the whole run is over its limit of $run_limit s" >"$work/log"
		rc=1
	elif [ "$suite" = unit ]; then
		run_limited "$limit" "$file"
	else
		limit=$((slow * $(limit_of "$file")))
		run_limited "$limit" bats -F cat "$file"
	fi
	undo_journal
	took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	awk -v rc="$rc" -v limit="$limit" "$read_tap" "$work/log" >"$work/report"
	read -r passed failed skipped < <(tail -n 1 "$work/report")
	echo "$name: $passed passed, $failed failed, $skipped skipped ($took s)"
	sed '$d' "$work/report"
	echo "$suite $passed $failed $skipped $took" >>"$work/results"
}

# The files of a plan in the background, by another run.sh in a mount namespace with a bpffs of its own: no instance of
# theirs is seen by the others, whose tests, some of which measure time, come first. What it prints comes at the end.
run_beside() {
	local files
	mapfile -t files < <(cut -d' ' -f2- "$1")
	# shellcheck disable=SC2016
	RUN_LOCK=$work/beside-lock RUN_RESULTS=$work/beside-results RUN_SLOW=2 \
		nice -n 19 unshare --mount --propagation private \
		bash -c 'mount -t bpf bpf /sys/fs/bpf && exec "$@"' beside "$root/tests/run.sh" "${files[@]}" \
		>"$work/beside-output" 2>&1 9>&- &
	beside=$!
}
end_beside() {
	[ -n "$beside" ] || return 0
	wait "$beside" || true
	beside=
	cat "$work/beside-output"
	cat "$work/beside-results" >>"$work/results" || echo "repo 0 1 0 0" >>"$work/results"
}

# ---- the whole run ----

# One line for each suite, then the total on a line of its own.
summary() {
	awk '
	!($1 in seconds) { order[++n] = $1 }
	{ p[$1] += $2; f[$1] += $3; s[$1] += $4; seconds[$1] += $5; P += $2; F += $3; S += $4 }
	END {
		printf "\n%-12s %7s %7s %7s %9s\n", "suite", "passed", "failed", "skipped", "seconds"
		for (i = 1; i <= n; i++) {
			x = order[i]
			printf "%-12s %7d %7d %7d %9.1f\n", x, p[x], f[x], s[x], seconds[x]
		}
		printf "\n%d passed, %d failed%s\n", P, F, S ? ", " S " skipped" : ""
		exit F > 0
	}' "$work/results"
}

# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $suites
plan "$@" >"$work/plan"
snapshot | sort >"$work/before"
grep -E '^(process|pin) ' "$work/before" | sed 's/^/there before the run: /' >&2
: >"$work/results"
if grep -q '^repo ' "$work/plan" && grep -vq '^repo ' "$work/plan"; then
	grep '^repo ' "$work/plan" >"$work/plan-beside"
	sed -i '/^repo /d' "$work/plan"
	run_beside "$work/plan-beside"
fi
while read -r suite file <&8; do
	run_file "$suite" "$file"
done 8<"$work/plan"
end_beside
if [ -n "${RUN_RESULTS:-}" ]; then # run_beside() of another run.sh, which sums up and looks for what is left
	cp "$work/results" "$RUN_RESULTS"
	exit
fi

# what only skipped, or found nothing to run, proves nothing
ran=$(awk '{ n += $2 + $3 } END { print n + 0 }' "$work/results")
[ "$ran" -gt 0 ] || echo "not ok: no test ran$([ ! -s "$work/plan" ] || echo ", all were skipped")"
if [ -n "${RUN_SHARED:-}" ]; then
	:
elif ! check_leftovers; then
	echo "leftovers 0 1 0 0" >>"$work/results"
elif [ "$ran" -gt 0 ]; then
	echo "leftovers 1 0 0 0" >>"$work/results"
fi
status=0
summary || status=1
[ "$ran" -gt 0 ] || status=1
exit $status
