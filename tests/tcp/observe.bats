#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# attach --observe judges all and lets nobody join; advise says what would join, and what keeps the others out.

bats_require_minimum_version 1.5.0

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

advise() { "$SOCKHOP" advise --json --instance "$INSTANCE"; }
advice_is() { advise | tee "$BATS_TEST_TMPDIR/advice" | jq -e "$1" >/dev/null; }
counters() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq -c '[.connections.members, .counters.joined, .counters.joined_early, .hopped.messages]'; }

@test "an instance that observes lets nobody join, and says who would" {
	attached_cgroup --observe
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/rr" rr -s 60
	wait_for 30 advice_is '.observes and .connections == 1 and .would_join == 1 and .would_hop == 100 and
		(.services | length) == 1 and .stay_out == []' || { cat "$BATS_TEST_TMPDIR/advice"; return 1; }
	wait_list 20 'length == 1 and .[0].state == "candidate" and .[0].reason == "observed" and
		all(.[0].a, .[0].b; .state == "candidate" and .member == false)' "$INSTANCE"
	[ "$(counters)" = '[0,0,0,0]' ]
	run -0 "$SOCKHOP" status --instance "$INSTANCE"
	[[ $output =~ 'only observes:'\ +yes ]]
	# what it saw is what happens
	detach_all 10
	attach "$CG"
	wait_list 30 'length == 1 and .[0].state == "hopping"' "$INSTANCE"
	advice_is '(.observes | not) and .would_join == 1 and .would_hop == 100'
}

@test "a service that would join early does not, and shows as one that would join" {
	echo "early all" >"$BATS_TEST_TMPDIR/policy"
	attached_cgroup --observe --policy "$BATS_TEST_TMPDIR/policy"
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/log" "$K/rr" rr -s 60
	wait_for 30 advice_is '.would_join == 1'
	[ "$(counters)" = '[0,0,0,0]' ]
}

@test "advise says who stays out, why, and what would let it in" {
	attached_cgroup --observe
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/blocking" "$K/rr" rr -b -s 60
	spawn -c "$CG" -o "$BATS_TEST_TMPDIR/other" "$K/rr" rr -s 60
	wait_for 30 advice_is '.connections == 2 and .would_join == 1 and .would_hop > 0 and .would_hop < 100 and
		(.stay_out | length == 1 and (.[0] | .reason == "blocking" and .connections == 1 and .share > 0 and
		(.change | test("non-blocking"))))' || { cat "$BATS_TEST_TMPDIR/advice"; return 1; }
	run -0 "$SOCKHOP" advise --instance "$INSTANCE"
	echo "$output"
	[[ $output =~ SERVICE\ +CONNECTIONS\ +WOULD\ JOIN ]]
	[[ $output =~ WHY\ NOT\ +WHAT\ WOULD\ LET\ IT\ IN ]]
}

@test "who acts already cannot be made to observe, and who observes stays so" {
	attached_cgroup
	run -1 "$SOCKHOP" attach --observe "$CG" --instance "$INSTANCE"
	[[ $output =~ "lets connections join already: detach it first" ]]
	detach_all 10
	run -0 "$SOCKHOP" attach --observe "$CG" --instance "$INSTANCE" --no-agent
	run -0 "$SOCKHOP" attach "$CG" --instance "$INSTANCE" --no-agent
	[[ $output =~ "only observes" ]]
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -e .observes
	run -3 "$SOCKHOP" advise --instance none-such
}

@test "what a configuration file attaches is not observed, and attach says so" {
	printf '[attach]\ncgroup = /none\n' >"$BATS_TEST_TMPDIR/x.conf"
	run -2 "$SOCKHOP" attach --config "$BATS_TEST_TMPDIR/x.conf" --observe
	[[ $output =~ "--observe does not go with --config" ]]
}
