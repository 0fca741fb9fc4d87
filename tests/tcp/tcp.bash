# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# tcp.bash: what the bats files here share, on top of ../lib.bash.

bats_require_minimum_version 1.5.0

K=$BUILD/tests/prog
# A pass that walks a table full of TIME_WAITs on a busy machine takes long, and the agent waits 60 times that.
export JOIN_WAIT=${JOIN_WAIT:-20}

# member CMD...: in the attached cgroup, bounded in time
member() { in_cgroup "$CG" timeout 120 "$@"; }

# plain CMD...: the same program without sockhop, for comparison
plain() { SOCKHOP_PLAIN=1 timeout 120 "$@"; }

# field NAME TEXT: the value of the first NAME=value in TEXT
field() { grep -oE "(^| )$1=[^ ]*" <<<"$2" | head -n1 | cut -d= -f2-; }

# at_least NUMBER MINIMUM, both integers (a fraction is cut off)
at_least() { [ "${1%%.*}" -ge "$2" ] || { echo "$1 is less than $2"; return 1; }; }

detach_all() {
	moves_are_good "$INSTANCE" || return
	"$SOCKHOP" detach --all --instance "$INSTANCE" --timeout "${1:-10}" 3>&-
}

attached_cgroup() {
	new_cgroup
	attach "$CG" "$@"
}

# has FILE PATTERN
has() { grep -q "$2" "$1"; }

# members_are N: so many ends of this instance are members
members_are() {
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -c ".maps[0], .counters"
	[ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq '.maps[] | select(.map == "members").used')" -eq "$1" ]
}
no_members() { members_are 0; }
