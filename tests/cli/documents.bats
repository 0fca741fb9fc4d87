#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What the documents for users say, against the program.

setup() {
	load ../lib
	root=$lib_root
}

commands() { "$SOCKHOP" help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'; }
options_of() { "$SOCKHOP" help "$1" | sed -n '/^options:/,/^$/p' | grep -oE -- '--[a-z-]+( [A-Z:]+)?'; }

# lines of "CMD OPTION...": what the documents for users tell a reader to type, in fences and between backticks
told() {
	awk '/^```/ { fence = !fence; next } fence && sub(/^(# )?sockhop /, "")' "$root"/README.md "$root"/docs/{start,troubleshooting,operations}.md
	grep -hoE '`sockhop [^`]+`' "$root"/README.md "$root"/docs/{start,troubleshooting,operations}.md | sed 's/^`sockhop //; s/`$//'
}

@test "commands and options that the documents tell a reader to type exist" {
	local line cmd word options n=0 known
	known=$(commands)
	while read -r cmd line; do
		[[ $cmd =~ ^[a-z]+$ && ! $line =~ ^[0-9:]{8}\  ]] || continue # a message, the head of `top`
		grep -qx "$cmd" <<<"$known" || { echo "no such command: $cmd $line"; return 1; }
		options=$(options_of "$cmd")
		for word in ${line%%[|#]*}; do
			[ "$word" != -- ] || break
			[[ $word =~ ^--[a-z] ]] || continue
			n=$((n + 1))
			grep -qE -- "^$word( |$)" <<<"$options" || { echo "no such option: $cmd $word"; return 1; }
		done
	done < <(told)
	[ "$n" -ge 30 ]
}
