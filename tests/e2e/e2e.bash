# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# e2e.bash: what the bats files here share, on top of ../lib.bash: real programs, unmodified, once plain and once
# in an attached cgroup. `list` must say that their connections hop, or why they do not.

bats_require_minimum_version 1.5.0

KV=$BUILD/tests/e2e/kv
POSTS=$BUILD/tests/e2e/posts
# A pass on a busy machine takes long, and the agent waits a multiple of that until the next one.
JOIN_WAIT=${JOIN_WAIT:-20}
# So long a program may take that has a certain number of things to do, and does them in seconds on an idle machine.
LIMIT=${LIMIT:-240}
export no_proxy='*'

# build_tool NAME: a program of this folder
build_tool() {
	local src=$BATS_TEST_DIRNAME/$1.c out=$BUILD/tests/e2e/$1
	[ "$out" -nt "$src" ] || {
		mkdir -p "${out%/*}" && "${CC:-gcc}" -O2 -g -std=gnu11 -D_GNU_SOURCE "$src" -o "$out.$$" &&
			mv "$out.$$" "$out"
	}
}
build_kv() { build_tool kv; }

attached_cgroup() {
	new_cgroup
	attach "$CG" "$@"
}

# member CMD...: in the attached cgroup, bounded in time; plain CMD...: the same without sockhop, for comparison
member() { in_cgroup "$CG" timeout -k 5 "$LIMIT" "$@"; }
plain() { SOCKHOP_PLAIN=1 timeout -k 5 "$LIMIT" "$@"; }

# spawn_member CMD..., spawn_plain CMD...: in the background, ended with the test
spawn_member() { spawn -c "$CG" "$@"; }
spawn_plain() { spawn "$@"; }

# by WHERE CMD...: WHERE is plain or member
by() { "$@"; }
spawn_by() {
	local where=$1
	shift
	"spawn_$where" "$@"
}

# finish [PID]: waits for a spawned program (the last one), shows its output if it failed
finish() {
	local pid=${1:-$SPAWN_PID} status=0
	wait "$pid" || status=$?
	[ "$status" -eq 0 ] || {
		cat "$SPAWN_LOG"
		echo "exit status $status"
		return 1
	}
}

# The pairs of `list` that have PORT at one end.
_of_port() { echo "map(select(.a.local.port == $1 or .b.local.port == $1))"; }

# wait_hops PORT [JQ]: a pair with that port (and for which JQ holds) hops in both directions.
wait_hops() {
	local jq
	jq="$(_of_port "$1") | any(.state == \"hopping\" and .a.messages_hopped > 10 and .b.messages_hopped > 10 and (${2:-true}))"
	wait_list "$JOIN_WAIT" "$jq" "$INSTANCE" || {
		show_list
		return 1
	}
}

# wait_hopped PORT [JQ]: the same of a pair that need not hop any more when it is looked at: answers in many small messages to
# few requests may be taken for a stream now and then, when others have the CPUs in between.
wait_hopped() {
	wait_for "$JOIN_WAIT" _all_is "$(_of_port "$1") | any(.a.messages_hopped > 10 and .b.messages_hopped > 10 and (${2:-true}))" || {
		show_list
		return 1
	}
}

# between A B: a jq condition for wait_hops: the programs of the two ends
between() { echo "[.a.program, .b.program] | sort == ([\"$1\", \"$2\"] | sort)"; }

show_list() {
	"$SOCKHOP" list --all --instance "$INSTANCE"
	"$SOCKHOP" status --instance "$INSTANCE"
}

_all_is() {
	local json
	json=$("$SOCKHOP" list --all --json --instance "$INSTANCE" 2>/dev/null) && jq -e "$1" <<<"$json" >/dev/null
}

# wait_why PORT REASON: `list --all` shows a pair with that port, not a member, with that why-not at one end.
wait_why() {
	wait_for "$JOIN_WAIT" _all_is "$(_of_port "$1") | any(.a.member != true and .b.member != true and (.a.why_not == \"$2\" or .b.why_not == \"$2\"))" || {
		show_list
		return 1
	}
}

# none_hopped: no message of this instance has ever hopped.
none_hopped() {
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -e '.hopped.messages == 0' >/dev/null || {
		show_list
		return 1
	}
}

# counted KIND REASON: `status` has counted that reason (KIND: why_not, stay_reasons) at least once. Unlike what `list`
# shows it does not pass.
counted() {
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -e ".$1 | any(.reason == \"$2\" and .count > 0)" >/dev/null
}

hopped_messages() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq '.hopped.messages'; }

# same A B
same() {
	[ "$1" = "$2" ] || {
		printf 'differs:\n%s\n%s\n' "$1" "$2"
		return 1
	}
}

# A file of SIZE pseudo-random bytes, always the same.
make_file() {
	openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 0 -nosalt </dev/zero 2>/dev/null |
		head -c "$2" >"$1"
	[ "$(stat -c %s "$1")" -eq "$2" ]
}

sha_of() { sha256sum <"$1"; }
