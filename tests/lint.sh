#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lint.sh [CHECK]...: the checks format (clang-format), cppcheck, shellcheck, bats (shellcheck of the bats files), arrows
# (who includes whom: arrows.py), names (files and rules that comments and documents name exist: names.py), prose (its lines have 100
# columns at most) over the sources; all of them without arguments. Fails if one complains or its tool is missing: `make lint` installs them.
set -uo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.." || exit 1

sources=({bpf,agent,cgroup}/*.[ch] {bpf,agent,cgroup}/*/*.[ch] docs/*.c tests/*/*.[ch])
# BPF programs need vmlinux.h and clang's view of things: cppcheck understands neither
user=({agent,cgroup}/*.c {agent,cgroup}/*/*.c docs/*.c tests/*/*.c)
scripts=(tests/*.sh tests/*.bash tests/*/*.sh tests/*/*/*.sh docs/*/*.sh .ci/run docs/completion/*.bash docs/gen-reasons docs/gen-states)
libraries=(tests/*/*.bash)
bats=(tests/*/*.bats)
documents=(*.md docs/*.md docs/*/*.md tests/*.md docs/man/*.scd)
# Results for files that have not changed; a folder of our own, gone with the build.
cache=${BUILD:-build}/cppcheck

# The style is written for 14, and every version sets something differently. Others are told, not obeyed.
check_format() {
	local version
	version=$(clang-format --version | grep -oE 'version [0-9]+' | cut -d' ' -f2)
	[ "$version" = 14 ] || { echo "clang-format $version: not checked, the style is that of 14"; return 0; }
	clang-format --dry-run -Werror "${sources[@]}"
}

# missingIncludeSystem: headers of the system are not looked into, nor should they be.
# missingInclude: build/*.skel.h are generated.
# unusedFunction and style are not asked for: the compiler's -Wall -Wextra does that better.
# checkersReport, normalCheckLevelMaxBranches: remarks about cppcheck itself.
# memleak, resourceLeak: it does not know __attribute__((cleanup)), by which we own things.
# preprocessorErrorDirective, unknownMacro: it does not know cmocka's and X macros in full.
# sys/queue.h is looked into, or it takes what TAILQ_FOREACH sets for uninitialised.
check_cppcheck() {
	local queue
	queue=$(echo '#include <sys/queue.h>' | ${CC:-gcc} -M -xc - | grep -o '/[^ ]*/sys/queue.h')
	mkdir -p "$cache"
	cppcheck -j "$(nproc)" --cppcheck-build-dir="$cache" --quiet --error-exitcode=1 --std=c11 --language=c \
		--enable=warning,portability,performance \
		--inline-suppr --suppress=missingInclude --suppress=missingIncludeSystem \
		--suppress=checkersReport --suppress=normalCheckLevelMaxBranches \
		--suppress=memleak --suppress=resourceLeak \
		--suppress=preprocessorErrorDirective --suppress=unknownMacro \
		--include="$queue" \
		-D_GNU_SOURCE -D__x86_64__ -DVERSION='""' -I. "${user[@]}"
}

# Some at a time on each CPU.
each() { printf '%s\0' "${@:2}" | xargs -0 -P "$(nproc)" -n "$1" shellcheck "${options[@]}"; }

# SC1091: it cannot follow paths that are made at run time. SC2119: functions of lib.bash have optional arguments.
check_shellcheck() {
	local options=(-e "SC1091,SC2119")
	each 4 "${scripts[@]}" || return
	# what these set their users read
	options=(-e "SC1091,SC2119,SC2034")
	each 4 "${libraries[@]}"
}

# In bats files tests are functions, which it believes unreachable, and `run` sets what they read: SC2317, SC2154,
# SC2030 and SC2031 do not fit. SC2016: what is in single quotes is for jq, or for a shell that is started.
check_bats() {
	local options=(-s bats -e "SC1091,SC2016,SC2030,SC2031,SC2119,SC2154,SC2317")
	each 4 "${bats[@]}"
}

# Not tables, pictures, comments and what stands in a fence or is indented like code.
check_prose() {
	awk '
	FNR == 1 { fence = 0 }
	/^```/ { fence = !fence }
	!fence && length($0) > 100 && !/^(\||!|<!--|    )/ { print FILENAME ":" FNR ": " length($0) " columns"; bad = 1 }
	END { exit bad }' ./*.md docs/*.md docs/packages/*.md tests/*.md
}

run_check() {
	case $1 in
	format) check_format ;;
	cppcheck) check_cppcheck ;;
	shellcheck) check_shellcheck ;;
	bats) check_bats ;;
	arrows) tests/arrows.py ;;
	names) tests/names.py "${sources[@]}" "${documents[@]}" ;;
	prose) check_prose ;;
	*) echo "lint.sh: no such check: $1" >&2; exit 2 ;;
	esac
}

failed=0
[ $# -gt 0 ] || set -- format cppcheck shellcheck bats arrows names prose
for check in "$@"; do
	if run_check "$check"; then
		echo "lint: $check: ok"
	else
		echo "lint: $check: see above"
		failed=1
	fi
done
exit $failed
