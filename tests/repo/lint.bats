#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# `make lint`, a test for each of its checks.
# timeout: 600

lint() {
	run "$BATS_TEST_DIRNAME/../lint.sh" "$1"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "clang-format: the C sources are in the house style" { lint format; }

@test "cppcheck finds nothing" { lint cppcheck; }

@test "shellcheck finds nothing in the scripts" { lint shellcheck; }

@test "shellcheck finds nothing in the bats files" { lint bats; }

@test "arrows between the rooms go down, and files form no circle" { lint arrows; }

@test "comments and documents name files that exist" { lint names; }

@test "prose has no line of more than 100 columns" { lint prose; }

# A copy of the headers and sources alone, which the next tests change.
copy() {
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree"
	cp -r --parents -t "$tree" "$root"/{agent,bpf,cgroup}
	tree+=$root
	"$root/tests/arrows.py" "$tree"
}

# refused FILE LINE TEXT: with this line in this file, and only with it, arrows.py fails and says so
refused() {
	sed -i "1a $2" "$tree/$1"
	run "$root/tests/arrows.py" "$tree"
	echo "$output"
	sed -i 2d "$tree/$1"
	[ "$status" -eq 1 ]
	[[ $output == *"$3"* ]]
}

@test "an include that goes up, makes a circle or hides its folder is refused" {
	copy
	refused agent/policy/policy.c '#include "agent/cmd/cmd.h"' \
		"agent/policy/policy.c:2: agent/policy is below agent/cmd and may not include agent/cmd/cmd.h"
	refused agent/instance/netns.h '#include "agent/view/output.h"' \
		"agent/instance/netns.h:2: agent/instance is below agent/view"
	refused cgroup/find.c '#include "agent/instance/instance.h"' "cgroup is below agent/instance"
	refused agent/relay/flow.c '#include "pair.h"' "a circle: agent/relay/flow, agent/relay/pair"
	refused agent/cmd/attach.c '#include "agent.h"' "agent/cmd/attach.c:2: no agent.h beside it, nor from the root"
}
