#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# sidecar.sh [ROUNDS [SIZE [CONNECTIONS]]]: request-response of an application and a service, each with a proxy beside it
# to which rules redirect its connections (a service mesh), plain and hopping. Each variant has a cgroup and two
# network namespaces of its own, with haproxy on both sides and again with nginx; they take turns. Prints medians of what
# the pairs of samples give, and their quartiles; only ratios mean anything. CPU: of all programs of the variant. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/lib.bash
source tests/mesh.bash

rounds=${1:-7} size=${2:-64} conns=${3:-1}
rr=$BUILD/tests/prog/rr
SOCKHOP_JOURNAL=$(mktemp)
# shellcheck disable=SC2034 # lib.bash uses it
lib_journal=$SOCKHOP_JOURNAL
tmp=$(mktemp -d)
cleanup() {
	lib_teardown
	rm -rf "$SOCKHOP_JOURNAL" "$tmp"
}
trap cleanup EXIT

declare -A cgroup from to
# mesh VARIANT PROXY: sets up one
mesh() {
	new_netns_pair
	new_cgroup
	cgroup[$1-$2]=$CG from[$1-$2]=$NS_A to[$1-$2]=$ADDR_B
	mesh_redirect "$NS_A" output 7777 15001
	mesh_redirect "$NS_B" prerouting 7778 15006
	mesh_proxy "$2" "$NS_A" 15001 "$ADDR_B:7778" "$tmp"
	mesh_proxy "$2" "$NS_B" 15006 127.0.0.1:7000 "$tmp"
	spawn -c "$CG" -n "$NS_B" -o "$tmp/server-$1-$2" "$rr" rr server -p 7000 -z "$size"
	wait_listen 7000 "$NS_B"
}

cpu_us() { sed -n 's/^usage_usec //p' "$1/cpu.stat"; }

# sample VARIANT PROXY: appends a line PROXY VARIANT RATE P50 P99 CPU-PER-OPERATION HOP-SHARE to the results
sample() {
	local key=$1-$2 before after since until
	spawn -c "${cgroup[$key]}" -n "${from[$key]}" -o "$tmp/rr" "$rr" rr client -a "${to[$key]}" -p 7777 -z "$size" -c "$conns" -w 1.8 -s 1
	sleep 2 # all have joined, and the measurement goes on
	before=$(cpu_us "${cgroup[$key]}") since=$EPOCHREALTIME
	sleep 0.6
	after=$(cpu_us "${cgroup[$key]}") until=$EPOCHREALTIME
	wait "$SPAWN_PID"
	jq -r --arg p "$2" --arg v "$1" --argjson us "$((after - before))" --argjson s "$(jq -n "$until - $since")" \
		'"\($p) \($v) \(.per_second) \(.p50_us) \(.p99_us) \($us / $s / .per_second) \(.hop_share)"' "$tmp/rr" >>"$tmp/results"
}

keep_awake || echo "the CPUs may sleep" >&2
proxies=haproxy
! mesh_has_nginx || proxies+=" nginx"
for p in $proxies; do
	mesh plain "$p"
	mesh sockhop "$p"
done
read -ra attached < <(for p in $proxies; do printf '%s ' "${cgroup[sockhop-$p]}"; done; echo)
attach "${attached[@]}"
"$SOCKHOP" policy add --instance "$INSTANCE" trust program haproxy
for ((round = 0; round < rounds; round++)); do
	for p in $proxies; do
		if ((round % 2)); then
			sample sockhop "$p"
			sample plain "$p"
		else
			sample plain "$p"
			sample sockhop "$p"
		fi
	done
done

# of the samples of one proxy: a plain line and a sockhop line make a pair
awk '
function quantile(a, n, q,   i, j, t) {
	for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j - 1] > a[j]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
	return a[int((n - 1) * q + 1.5)]
}
{ n[$1, $2]++; for (f = 3; f <= 7; f++) v[$1, $2, f, n[$1, $2]] = $f; seen[$1] = 1 }
function middle(p, x, f,   i, a) { for (i = 1; i <= n[p, x]; i++) a[i] = v[p, x, f, i]; return quantile(a, n[p, x], 0.5) }
function ratio(p, f,   i, a, k) {
	k = n[p, "plain"]
	for (i = 1; i <= k; i++) a[i] = v[p, "sockhop", f, i] / v[p, "plain", f, i]
	return sprintf("%.2f (%.2f-%.2f)", quantile(a, k, 0.5), quantile(a, k, 0.25), quantile(a, k, 0.75))
}
END {
	print "| proxy | plain, 1/s | rate | p50 | p99 | CPU | hop share |\n|---|---:|---|---|---|---|---:|"
	for (p in seen)
		printf "| %s | %d | %s | %s | %s | %s | %.2f |\n", p, middle(p, "plain", 3), ratio(p, 3), ratio(p, 4), ratio(p, 5),
			ratio(p, 6), middle(p, "sockhop", 7)
}' "$tmp/results"
