#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The memory of a freed socket is used again by another one: who still sends to the dead reaches no stranger.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# among_the_dead: in a network namespace of its own, all joining at ESTABLISHED; first as usual, then without resets: who
# sends never hears that its peer is gone
among_the_dead() {
	echo "early port 1-65535" >"$BATS_TEST_TMPDIR/policy"
	attached_cgroup --policy "$BATS_TEST_TMPDIR/policy"
	"$SOCKHOP" check --json | jq -e '.checks[] | select(.check == "early joins") | .state == "ok"' >/dev/null ||
		skip "this kernel has no bpf_cast_to_kern_ctx()"
	new_netns
	in_cgroup_netns "$CG" "$NS" timeout 60 "$K/reuse" -s 2
	in_netns "$NS" nft -f - <<-NFT
		table ip t {
			chain c {
				type filter hook input priority filter;
				tcp flags rst drop
			}
		}
	NFT
	in_cgroup_netns "$CG" "$NS" timeout 60 "$K/reuse" -s 2
	in_netns "$NS" nft delete table ip t # so that what is left of it comes to its end
}

@test "sockets in the memory of freed ones get no byte that is sent to the dead" {
	among_the_dead
}

@test "the same without the rules on order and on the state of the peer, which would keep such bytes away too" {
	export SOCKHOP_TEST_FORCE=order,shutdown
	among_the_dead
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -e '[.stay_reasons[] | select(.reason == "refused").count] | add > 1000'
}
