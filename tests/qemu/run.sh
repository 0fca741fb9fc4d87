#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# run.sh [-q|-c|-r|-d|-i|-t|-s STEP] [SERIES]...: boots Debian's current 6.1, 6.12 and newest 7.x cloud kernels (or SERIES) in QEMU, one
# after the other, with the static programs of build/static, runs guest.sh in each and prints one table, behaviour x kernel.
#
#   -q  the quick suite: what fits in CI
#   -c  the behaviour catalogue (tests/lab), plain and attached; without an option: all but that, -r and -i
#   -r  Debian's servers, clients and drivers (real/), with the sockhop that is installed
#   -d  sockhop@.service under systemd, with Debian's redis and nginx (systemd/)
#   -i  what the stream verdict program costs, in instructions
#   -t  boots nothing: what the last runs of all suites found (but -i), on SERIES or all, as a table for docs/kernels.md
#   -s  one function of guest.sh, or of real/real.sh (real_nginx, real_proxies, real_echoes, real_databases)
#
# ICOUNT=1 (or 3): an instruction takes 2 (8) ns of the guest's clock, so that nothing is late however busy the host is. LIMIT: seconds
# for a guest, instead of 120 (-q) to 2400.
# KERNEL_APPEND: more for the kernel's command line, such as lsm=lockdown, so that no LSM program acts.
# Output of a run: build/kernels/SERIES-SUITE.log (the tests) and .console (the kernel). Exit status: 0 all passed,
# 1 something failed or a kernel complained, 77 no kernel, no QEMU, or a host so slow that the guest did not get to its
# tests in time (with -q: to the end of them; LIMIT).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
export BUILD=${BUILD:-$here/../../build}
out=$BUILD/kernels
suite=full limit=900
case ${1:-} in
-q) suite=quick limit=120 && shift ;;
-c) suite=catalogue limit=600 && shift ;;
-r) suite=real limit=2400 && shift ;;
-d) suite=systemd limit=1500 && shift ;;
-i) suite=cost limit=1500 && shift ;;
-t) suite=table && shift ;;
-s) suite=${2:?STEP} && shift 2 ;;
esac
if [ "$suite" = table ]; then exec "$here/table.sh" "$@"; fi
[ $# -gt 0 ] || set -- 6.1 6.12 7

for tool in qemu-system-x86_64 busybox cpio; do
	command -v $tool >/dev/null || { echo "run.sh: $tool is not installed (tests/deps.sh qemu)" >&2; exit 77; }
done
work=$(mktemp -d)
qemu=
# shellcheck disable=SC2317
stop() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

# with_libraries ROOT PROGRAM: the host's own program, if there is one, and the shared libraries it names
with_libraries() {
	local program file
	program=$(command -v "$2") || return 0
	cp "$program" "$1/bin/"
	for file in $(ldd "$program" | grep -oE '/[^ ]+'); do
		mkdir -p "$1$(dirname "$file")"
		cp -L "$file" "$1$file"
	done
	echo 'root:x:0:0::/root:/bin/sh' >"$1/etc/passwd"
	echo 'root:x:0:' >"$1/etc/group"
}

# initrd KERNEL-DIRECTORY FILE
initrd() {
	local root=$work/root
	rm -rf "$root"
	mkdir -p "$root"/{bin,t,proc,sys,dev,tmp,run,root,etc,disk}
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$here/init" "$root/init"
	cp "$here"/{guest,steps,nginx,cost,receive}.sh "$BUILD"/static/* "$root/t/"
	mv "$root/t/sockhop-test" "$root/t/sockhop" # the one with the test switches
	cp -r "$1/modules" "$root/modules"
	case $suite in
	quick | cost) ;;
	systemd)
		rm -f "$root"/t/*
		cp "$here"/systemd/{guest.sh,load.service,guest.service} "$here/steps.sh" "$BUILD/release/sockhop" "$root/t/"
		sed 's|/usr/local/sbin|/t|' "$here/../../docs/examples/sockhop@.service" >"$root/t/sockhop@.service"
		cp "$here/systemd/init" "$root/init"
		;;
	real*) cp "$here"/real/{real.sh,client.py,web.js} "$BUILD/release/sockhop" "$root/t/" ;;
	*) with_libraries "$root" nginx ;;
	esac
	(cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$2"
}

# machine: what QEMU gets beyond a kernel. Real programs come on a disk that keeps nothing. Where instructions make the time, waiting
# takes none of the host's, and the guest's CPUs take turns.
machine() {
	local cpus=2 memory=768M shift=${ICOUNT:-}
	case $suite in
	real* | systemd) memory=2G && echo -drive "file=$image,if=none,id=tree,format=raw,snapshot=on" -device nvme,drive=tree,serial=tree ;;
	cost) cpus=1 shift=3 ;;
	guard_cost) cpus=1 shift=0 ;; # a nanosecond an instruction
	esac
	if [ -n "$shift" ]; then echo -accel tcg,thread=single -icount "shift=$shift,sleep=off"; else echo -accel tcg,thread=multi; fi
	echo -smp $cpus -m $memory
}

# boot SERIES KERNEL-DIRECTORY: QEMU without KVM takes 6 to 10 s to user space.
boot() {
	local append="console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off random.trust_cpu=on suite=$suite ${KERNEL_APPEND:-}"
	initrd "$2" "$work/initrd"
	# shellcheck disable=SC2046
	timeout -k 5 "${LIMIT:-$limit}" qemu-system-x86_64 -M q35 -cpu max,la57=off $(machine) -nodefaults \
		-display none -no-reboot -kernel "$2/vmlinux" -initrd "$work/initrd" -append "$append" \
		-serial "file:$out/$1-$suite.console" -serial "file:$out/$1-$suite.log" </dev/null >"$work/qemu" 2>&1 &
	qemu=$!
	ended=0
	wait $qemu || ended=$?
	[ $ended -eq 0 ] || echo "QEMU: exit status $ended $(cat "$work/qemu")" >>"$out/$1-$suite.console"
	qemu=
}

splat='GUEST splat|Kernel panic|BUG:|WARNING:'

# Rows that the guest could not print itself; sets slow to what was too slow, if anything.
judge() { # SERIES
	local log=$out/$1-$suite.log console=$out/$1-$suite.console
	slow=
	if ! grep -aqE "$splat" "$console" && [ "$ended" -eq 124 ]; then
		grep -aq '^RELEASE' "$log" || slow="the guest did not get to its tests within ${LIMIT:-$limit} s"
		[ "$suite" != quick ] || slow=${slow:-"the guest did not get through its tests within ${LIMIT:-$limit} s"}
	fi
	if grep -aq '^DONE' "$log"; then
		echo "ROW all steps ran|pass|" >>"$log"
	elif [ -n "$slow" ]; then
		echo "ROW all steps ran|skip|$slow" >>"$log"
	else
		echo "ROW all steps ran|FAIL|the guest died or ran out of time" >>"$log"
	fi
	if [ -z "$slow" ] && grep -aq "^CATALOGUE plain" "$log"; then
		"$here/catalogue.py" "$log" >"$work/judged" || echo "ROW behaviour catalogue|FAIL|cannot be judged" >"$work/judged"
		cat "$work/judged" >>"$log"
	fi
	if grep -aqE "$splat" "$console"; then
		echo "ROW kernel log is clean|FAIL|see $1-$suite.console" >>"$log"
	else
		echo "ROW kernel log is clean|pass|" >>"$log"
	fi
}

# One line a behaviour, in the order of its first appearance: a column a kernel with result and what was seen.
table() {
	local series files=()
	for series in "$@"; do files+=("$out/$series-$suite.log"); done
	awk -F '|' '
	FNR == 1 { kernels++ }
	/^RELEASE / { sub(/\r/, ""); release[kernels] = substr($0, 9) }
	/^ROW / {
		sub(/\r$/, ""); name = substr($1, 5)
		if (!(name in seen)) { seen[name] = ++rows; order[rows] = name }
		cell[name, kernels] = $2 ($3 == "" ? "" : ": " $3)
	}
	END {
		printf "%-38s", "behaviour"
		for (k = 1; k <= kernels; k++) printf " | %-52s", release[k]
		print ""
		for (r = 1; r <= rows; r++) {
			printf "%-38s", order[r]
			for (k = 1; k <= kernels; k++)
				printf " | %-52s", (order[r], k) in cell ? cell[order[r], k] : "-"
			print ""
		}
	}' "${files[@]}" | sed 's/ *$//'
}

[ -x "$BUILD/static/sockhop-test" ] || { echo "run.sh: make static builds the programs first" >&2; exit 1; }
mkdir -p "$out"
too_slow=
image=
if [[ $suite = real* ]]; then
	[ -x "$BUILD/release/sockhop" ] || { echo "run.sh: make builds the program first" >&2; exit 1; }
	image=$("$here/real/tree.sh") || exit
elif [ "$suite" = systemd ]; then
	image=$("$here/systemd/tree.sh") || exit
fi
for series in "$@"; do
	dir=$("$here/fetch.sh" "$series") || exit
	rm -f "$out/$series-$suite".{log,console}
	: >"$out/$series-$suite.log"
	start=$SECONDS
	boot "$series" "$dir"
	echo "RAN $(date -u +%F)" >>"$out/$series-$suite.log"
	judge "$series"
	[ -z "$slow" ] || too_slow="$too_slow $series: $slow."
	echo "$(basename "$dir"): $((SECONDS - start)) s" >&2
done
table "$@"
for series in "$@"; do
	! grep -aqE '^ROW [^|]*\|FAIL' "$out/$series-$suite.log" || exit 1
done
[ -z "$too_slow" ] || { echo "run.sh:$too_slow" >&2; exit 77; }
