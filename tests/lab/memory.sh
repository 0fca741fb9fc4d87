#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# memory.sh [-l] [CONNECTIONS]: is the kernel's memory back where it was after so many short connections (5000), and
# 400 members for each 10 000 of them? Prints what is left, per kind. Exit status 1 if something is.
#   -l: leave 200 connections of members open: then something must be left (a check of the check)
#
# It looks at the maps and the socket storages of its instance, at the TCP sockets of its network namespace, at the
# slab caches (which others use too: a leak shows in each of three rounds, their noise does not) and, where there is
# a memory controller of cgroup v1, at the kernel memory charged to the programs and to whoever attached. Needs root.
# Functions are called by trap and wait_for; what is in single quotes is for awk, or a shell that is started:
# shellcheck disable=SC2016,SC2317
set -uo pipefail

leave=
[ "${1:-}" != -l ] || { leave=1; shift; }
connections=${1:-5000}
# shellcheck source=tests/lib.bash
. "$(dirname "$0")/../lib.bash"
work=$(mktemp -d)
trap 'end; exit 2' INT TERM
trap end EXIT
memcg=()
rr=$BUILD/tests/prog/rr

# A group of the memory controller goes when its last process has gone.
end() {
	trap - EXIT
	lib_teardown
	[ ${#memcg[@]} -eq 0 ] || wait_for 10 rmdir "${memcg[@]}" 2>/dev/null
	rm -rf "$work"
}

setup_failed() { echo "memory.sh: $*" >&2; exit 2; }

# ---- what is looked at ----

# Kernel memory by cache; partly used slabs that a CPU holds count as used in full, so they are given back first.
slab() {
	local cache
	for cache in /sys/kernel/slab/{kmalloc-*,TCP,TCPv6,sock_inode_cache,skbuff_*,filp}; do
		[ ! -w "$cache/shrink" ] || echo 1 >"$cache/shrink"
	done 2>/dev/null
	awk '$1 ~ /^(kmalloc.*|TCP|TCPv6|sock_inode_cache|skbuff_.*|filp)$/ { s += $2 * $4 } END { print s + 0 }' /proc/slabinfo
}

charged() { cat "$1/memory.kmem.usage_in_bytes"; }
# pages of buffers; of the whole host
tcp_pages() { awk '$1 == "TCP:" { print $NF }' /proc/net/sockstat; }
# sockets of our network namespace, without those in TIME_WAIT
sockets() { [ ! -e "/run/netns/$NS" ] || in_netns "$NS" awk '$1 == "TCP:" { print $3 }' /proc/net/sockstat; }
no_sockets() { [ "$(sockets)" = 0 ]; }
map_used() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq ".maps[] | select(.map == \"$1\").used"; }
counter() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq ".counters.$1"; }
# storages of sockets, candidates or not
storages() { "$SOCKHOP" list --all --json --instance "$INSTANCE" | jq length; }

look() { # sets now, an array
	now=([members]=$(map_used members) [ends]=$(map_used ends) [storages]=$(storages)
		[tcp_pages]=$(tcp_pages) [slab]=$(slab))
	[ ${#memcg[@]} -eq 0 ] || {
		now[programs]=$(charged "${memcg[0]}")
		now[instance]=$(charged "${memcg[1]}")
	}
}

# What may be left: nothing of our own, and of what others use too less than any leak per connection would be.
declare -A now before bound=([members]=0 [ends]=0 [storages]=0 [tcp_pages]=256
	[slab]=$((200000 + 16 * connections)) [programs]=$((200000 + 2 * connections)) [instance]=$((100000 + connections)))

# Back at the baseline?
is_back() {
	local kind
	look
	for kind in "${!now[@]}"; do
		[ $((now[$kind] - before[$kind])) -le "${bound[$kind]}" ] || return 1
	done
}

# ---- the load ----

enter=(nsenter)
program() { in_cgroup "$CG" "${enter[@]}" --net="/run/netns/$NS" timeout 60 "$@"; }

# Connect, one request and response, close; in slices, until there were so many. Sets done.
short_connections() {
	local n
	for ((done = 0; done < $1; done += n)); do
		n=$(program "$rr" crc -s 0.4 -w 0 | jq .operations)
		[ "${n:-0}" -gt 0 ] || setup_failed "no connections"
	done
}

# 200 connections that hop and are closed.
some_members() {
	local since want tries
	since=$(counter joined)
	want=$((since + 300))
	for ((tries = 0; tries < 10 && $(counter joined) < want; tries++)); do
		program "$rr" -c 200 -w 1 -s 1 >/dev/null || setup_failed "rr failed"
	done
	[ "$(counter joined)" -ge $want ] || setup_failed "too few joined: $(($(counter joined) - since))"
}

# In a network namespace that is deleted afterwards: with it go the connections in TIME_WAIT and their ports.
load() {
	local left=$1
	total=0
	new_netns || exit 2
	for (( ; left > 0; left -= 10000)); do
		short_connections $((left < 10000 ? left : 10000))
		total=$((total + done))
		some_members
	done
	wait_for 10 no_sockets || { echo "sockets are left: $(sockets)"; exit 1; }
	ip netns del "$NS"
}

many_members() { [ "$(map_used members)" -ge 200 ]; }
leave_some_open() {
	new_netns || exit 2
	spawn -c "$CG" "${enter[@]}" --net="/run/netns/$NS" "$rr" -c 200 -s 60
	wait_for 30 many_members || setup_failed "no members"
}

# ---- ----

v1=$(awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "cgroup" && $NF ~ /(^|,)memory(,|$)/) { print $5; exit } }' \
	/proc/self/mountinfo)
if [ -n "$v1" ] && [ -e "$v1/memory.kmem.usage_in_bytes" ]; then
	memcg=("$v1/sockhop-$lib_id-programs" "$v1/sockhop-$lib_id-instance")
	mkdir "${memcg[@]}" || exit 2
	enter=(bash -c 'echo $$ >"$0/cgroup.procs" && exec nsenter "$@"' "${memcg[0]}")
fi
new_cgroup || exit 2
[ ${#memcg[@]} -eq 0 ] || (echo $BASHPID >"${memcg[1]}/cgroup.procs" && attach "$CG") || exit 2
attach "$CG" || exit 2
load $((connections < 20000 ? connections : 20000)) # what is allocated once is not a leak

for round in 1 2 3; do
	look
	for kind in "${!now[@]}"; do before[$kind]=${now[$kind]}; done
	before[members]=0 before[ends]=0 before[storages]=0
	joined=$(counter joined)
	load "$connections"
	[ -z "$leave" ] || leave_some_open
	echo "round $round: $total short connections, $(($(counter joined) - joined)) members"
	# what waits for a grace period or a worker is given a moment
	back=1
	wait_for "${leave:-10}" is_back >/dev/null || back=0
	for kind in "${!now[@]}"; do
		echo "$kind: before=${before[$kind]} after=${now[$kind]} growth=$((now[$kind] - before[$kind]))" \
			"at_most=${bound[$kind]}"
	done | sort
	[ $back -eq 0 ] || exit 0
	[ -z "$leave" ] || break
done
echo "kernel memory is not back"
exit 1
