#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lint.sh: clang-format, cppcheck and shellcheck over the sources; one that is not installed is named and left
# out. Fails if any complains.
set -uo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.." || exit 1

sources=(bpf/*.[ch] agent/*.[ch] cgroup/*.[ch] tests/*/*.[ch])
# BPF programs need vmlinux.h and clang's view of things: cppcheck understands neither
user=(agent/*.c cgroup/*.c tests/*/*.c)
scripts=(tests/*.sh tests/*.bash tests/*/*.sh .ci/run docs/completion/*.bash)
bats=(tests/*/*.bats)
failed=0

have() {
	command -v "$1" >/dev/null && return
	echo "lint: $1 is not installed: left out"
	return 1
}

check() {
	local what=$1
	shift
	if "$@"; then
		echo "lint: $what: ok"
	else
		echo "lint: $what: see above"
		failed=1
	fi
}

# missingIncludeSystem: headers of the system are not looked into, nor should they be.
# missingInclude: build/*.skel.h are generated.
# unusedFunction and style are not asked for: the compiler's -Wall -Wextra does that better.
# checkersReport, normalCheckLevelMaxBranches: remarks about cppcheck itself.
# memleak, resourceLeak: it does not know __attribute__((cleanup)), by which we own things.
# preprocessorErrorDirective, unknownMacro: it does not know cmocka's and X macros in full.
# sys/queue.h is looked into, or it takes what TAILQ_FOREACH sets for uninitialised.
# shellcheck disable=SC2317 # called through check()
cppcheck_all() {
	local queue
	queue=$(echo '#include <sys/queue.h>' | ${CC:-gcc} -M -xc - | grep -o '/[^ ]*/sys/queue.h')
	cppcheck --quiet --error-exitcode=1 --std=c11 --language=c --enable=warning,portability,performance \
		--inline-suppr --suppress=missingInclude --suppress=missingIncludeSystem \
		--suppress=checkersReport --suppress=normalCheckLevelMaxBranches \
		--suppress=memleak --suppress=resourceLeak \
		--suppress=preprocessorErrorDirective --suppress=unknownMacro \
		--include="$queue" \
		-D_GNU_SOURCE -D__x86_64__ -DVERSION='""' -I. "${user[@]}"
}

# SC1091: it cannot follow paths that are made at run time. SC2119: functions of lib.bash have optional arguments.
if have clang-format; then check clang-format clang-format --dry-run -Werror "${sources[@]}"; fi
if have cppcheck; then check cppcheck cppcheck_all; fi
if have shellcheck; then
	check "shellcheck, scripts" shellcheck -e SC1091,SC2119 "${scripts[@]}"
	# In bats files tests are functions, which it believes unreachable, and `run` sets what they read: SC2317, SC2154,
	# SC2030 and SC2031 do not fit. SC2016: what is in single quotes is for jq, or for a shell that is started.
	[ ${#bats[@]} -eq 0 ] || check "shellcheck, bats" shellcheck -s bats -e SC1091,SC2016,SC2030,SC2031,SC2119,SC2154,SC2317 "${bats[@]}"
fi
exit $failed
