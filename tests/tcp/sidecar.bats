#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A proxy beside its application, in one network namespace (a service mesh's sidecar): a rule redirects what the
# application connects to, so the addresses of the two ends do not mirror.

setup() {
	load ../lib
	load tcp
}
teardown() { lib_teardown; }

# redirect TOOL FAMILY NAMESPACE CHAIN PORT TO: in that namespace connections to PORT go to the local port TO.
# TOOL: nft, iptables-legacy or iptables-nft; FAMILY: 4 or 6; CHAIN: output or prerouting
redirect() {
	local tool=$1
	if [ "$tool" = nft ]; then
		in_netns "$3" nft -f - <<-NFT
			table ip${2/4/} mesh {
				chain $4 {
					type nat hook $4 priority -100;
					tcp dport $5 redirect to :$6
				}
			}
		NFT
		return
	fi
	[ "$2" -eq 4 ] || tool=${tool/iptables/ip6tables}
	command -v "$tool" >/dev/null || skip "no $tool here"
	in_netns "$3" "$tool" -w -t nat -A "${4^^}" -p tcp --dport "$5" -j REDIRECT --to-ports "$6"
}

# A namespace with a way to others, as an application has it, and an attached cgroup.
beside() {
	new_netns_pair
	attached_cgroup "$@"
}

# streams LOCAL REMOTE [PORT]: between a server at LOCAL:7000 and a client that connects to REMOTE:PORT (7777), in NS_A;
# hops, and no byte goes astray
streams() {
	local log=$BATS_TEST_TMPDIR/server
	spawn -c "$CG" -n "$NS_A" -o "$log" "$K/stream_check" server -a "$1" -p 7000 -n 10 -s 4
	wait_listen 7000 "$NS_A"
	run -0 in_cgroup_netns "$CG" "$NS_A" timeout 60 "$K/stream_check" client -a "$2" -p "${3:-7777}" -n 10 -s 4
	echo "$output"
	wait "$SPAWN_PID"
	cat "$log"
	at_least "$(field hop_percent "$output")" 5
}

# What conntrack says of connections to port 7777 of that family.
outbound() {
	beside
	redirect "$1" 4 "$NS_A" output 7777 7000
	streams 127.0.0.1 "$ADDR_B"
	redirect "$1" 6 "$NS_A" output 7777 7000
	streams ::1 "$ADDR6_B"
}

@test "an application and the proxy that its connections are redirected to: nft" { outbound nft; }
@test "an application and the proxy that its connections are redirected to: iptables-legacy" { outbound iptables-legacy; }
@test "an application and the proxy that its connections are redirected to: iptables-nft" { outbound iptables-nft; }

@test "IPv4 over sockets of IPv6" {
	beside
	redirect nft 4 "$NS_A" output 7777 7000
	streams :: "::ffff:$ADDR_B"
}

@test "what comes in is redirected to a proxy" {
	local log=$BATS_TEST_TMPDIR/server tool port=7776
	beside
	for tool in nft iptables-legacy; do
		port=$((port + 1))
		redirect "$tool" 4 "$NS_A" prerouting "$port" 7000
		spawn -c "$CG" -n "$NS_A" -o "$log" "$K/stream_check" server -a "$ADDR_A" -p 7000 -n 10 -s 4
		wait_listen 7000 "$NS_A"
		run -0 in_cgroup_netns "$CG" "$NS_B" timeout 60 "$K/stream_check" client -a "$ADDR_A" -p "$port" -n 10 -s 4
		echo "$output"
		wait "$SPAWN_PID"
		at_least "$(field hop_percent "$output")" 5
	done
}

@test "both addresses and both ports are translated" {
	beside
	in_netns "$NS_A" nft -f - <<-NFT
		table ip mesh {
			chain output {
				type nat hook output priority -100;
				tcp dport 7777 dnat to $ADDR_A:7000
			}
			chain input {
				type nat hook input priority 100;
				tcp dport 7000 snat to 10.250.0.1:30000-60000
			}
		}
	NFT
	streams "$ADDR_A" "$ADDR_B"
}

# why_is REASON...: one of the ends that are out is so for one of these reasons
why_is() {
	local r
	for r in "$@"; do
		"$SOCKHOP" list --all --json --instance "$INSTANCE" | jq -e --arg r "$r" '[.. | .why_not? // empty] | index($r)' \
			>/dev/null && return
	done
	return 1
}
no_hops() { [ "$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.messages)" -eq 0 ]; }
# talk PORT [SECONDS]: request-response from an application in NS_A to ADDR_B:PORT, which is redirected; sets CLIENT
talk() {
	spawn -c "$CG" -n "$NS_A" -o "$BATS_TEST_TMPDIR/rr-server" "$K/rr" server -a 127.0.0.1 -p 7000
	wait_listen 7000 "$NS_A"
	spawn -c "$CG" -n "$NS_A" -o "$BATS_TEST_TMPDIR/rr" "$K/rr" client -a "$ADDR_B" -p "$1" -w 0.1 -s "${2:-60}"
	CLIENT=$SPAWN_PID
}
talks_by_hops() { wait_list "$JOIN_WAIT" 'map(select(.state == "hopping")) | length == 1' "$INSTANCE"; }

# Connection tracking knows these connections in a zone of its own only, which nobody asks about.
track_elsewhere() {
	in_netns "$NS_A" nft -f - <<-NFT
		table ip zones {
			chain output {
				type filter hook output priority -300;
				tcp dport { 7777, 7000 } ct zone set 5
				tcp sport 7000 ct zone set 5
			}
		}
	NFT
}

@test "a translation that connection tracking does not confirm stays out, and the reason is said" {
	beside
	redirect nft 4 "$NS_A" output 7777 7000
	track_elsewhere
	talk 7777
	wait_for "$JOIN_WAIT" why_is address
	# every time that it is judged anew
	"$SOCKHOP" policy add --instance "$INSTANCE" never port 1
	wait_for "$JOIN_WAIT" why_is unconfirmed waiting address peer
	wait_for "$JOIN_WAIT" why_is address
	no_hops
	end_pid "$CLIENT"
}

questions() { bpftool -j map dump pinned "/sys/fs/bpf/sockhop/$INSTANCE/translations" | jq length; }
no_questions() { [ "$(questions)" -eq 0 ]; }

@test "questions and answers go with their connections" {
	beside
	redirect nft 4 "$NS_A" output 7777 7000
	talk 7777
	talks_by_hops
	no_questions
	end_pid "$CLIENT"
	spawn -c "$CG" -n "$NS_A" "$K/stream_check" server -a 127.0.0.1 -p 7001 -n 40 -s 2
	redirect iptables-legacy 4 "$NS_A" output 7778 7001
	wait_listen 7001 "$NS_A"
	in_cgroup_netns "$CG" "$NS_A" timeout 60 "$K/stream_check" client -a "$ADDR_B" -p 7778 -n 40 -s 2
	wait_for 10 no_questions
}

hopped() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.messages; }
hops_stand() {
	local before
	before=$(hopped)
	sleep 0.5 # a span of time is what is looked at
	[ "$(hopped)" -eq "$before" ]
}

@test "a rule that is removed, or leads elsewhere, leaves the connections that it made" {
	beside --heartbeat 1
	redirect nft 4 "$NS_A" output 7777 7000
	talk 7777 8
	talks_by_hops
	# another one stays: without any rule that needs it the kernel tracks, and translates, nothing
	in_netns "$NS_A" nft -f - <<-NFT
		flush chain ip mesh output
		add rule ip mesh output tcp dport 1 redirect to :2
	NFT
	sleep 1.5 # a span of time, longer than a heartbeat, is what is looked at
	in_netns "$NS_A" nft add rule ip mesh output tcp dport 7777 redirect to :7001
	wait "$CLIENT" || { cat "$BATS_TEST_TMPDIR/rr"; return 1; }
	cat "$BATS_TEST_TMPDIR/rr"
	# eight heartbeats went by TCP and found their way
	jq -e '.hop_share > 0.5' "$BATS_TEST_TMPDIR/rr"
}

@test "a connection that is no longer translated ends its hops within the heartbeat" {
	command -v conntrack >/dev/null || skip "no conntrack here"
	beside --heartbeat 1
	redirect nft 4 "$NS_A" output 7777 7000
	talk 7777
	talks_by_hops
	run ! hops_stand
	in_netns "$NS_A" nft delete table ip mesh
	in_netns "$NS_A" conntrack -D -p tcp --dport 7777
	wait_for 10 hops_stand
	end_pid "$CLIENT"
}

ends() { bpftool -j map dump pinned "/sys/fs/bpf/sockhop/$INSTANCE/ends"; }

refused() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq --arg r "$1" '[.why_not[] | select(.reason == $r).count] | add // 0'; }
refused_more() { [ "$(refused address)" -gt "$1" ]; }

# An answer that was written for another connection lies under the key of an end that is judged anew.
@test "the answer to another question serves nobody" {
	local key cookie before i
	beside
	redirect nft 4 "$NS_A" output 7777 7000
	track_elsewhere
	talk 7777
	wait_for "$JOIN_WAIT" why_is address
	for i in 1 2 3; do
		while IFS=$'\t' read -r key cookie; do
			# shellcheck disable=SC2086,SC2046
			bpftool map update pinned "/sys/fs/bpf/sockhop/$INSTANCE/translations" key hex $key \
				value hex $cookie $cookie $(printf '00 %.0s' {1..96})
		done < <(ends | jq -r '.[] | [.key, .value[:8]] | map(map(ltrimstr("0x")) | join(" ")) | @tsv')
		before=$(refused address)
		"$SOCKHOP" policy add --instance "$INSTANCE" never port "$i"
		wait_for "$JOIN_WAIT" refused_more "$before"
	done
	no_hops
	end_pid "$CLIENT"
}


# The server is outside, so the forged end is the only one with its key. It is older than the attach of its cgroup, or
# nobody would look at it.
@test "who forges the end of a redirected connection beside its victim gets no byte and gives none" {
	local victims outside
	beside
	victims=$CG
	new_cgroup
	outside=$CG
	redirect nft 4 "$NS_A" output 7777 7000
	for _ in {1..30}; do
		new_cgroup
		run in_cgroup_netns "$victims" "$NS_A" timeout 60 "$K/forge" -N -R 7777 -T 7000 -r 10000 -o \
			-g "$outside/cgroup.procs" -G "$CG/cgroup.procs" \
			-x "'$SOCKHOP' attach --instance '$INSTANCE' '$CG' 3>&-"
		echo "$output"
		[[ $output == *"stolen=0 injected=0"* ]]
		# until a pass saw nothing wrong but the addresses
		[ "$(refused address)" -eq 0 ] || break
	done
	[ "$(refused unconfirmed)" -gt 0 ]
	[ "$(refused address)" -gt 0 ]
}
