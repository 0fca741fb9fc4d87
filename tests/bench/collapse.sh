#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# collapse.sh [ROUNDS [SIZE [CONNECTIONS]]]: request-response of one client and server: over plain TCP (direct), as
# members of each other (pair), through `sockhop relay` (relay), and past it (collapsed). Interleaved rounds on loopback, medians;
# only ratios within one run mean anything. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/lib.bash

rounds=${1:-5} size=${2:-64} conns=${3:-1}
rr=$BUILD/tests/prog/rr
SOCKHOP_JOURNAL=$(mktemp)
lib_journal=$SOCKHOP_JOURNAL
out=$(mktemp)
cleanup() {
	lib_teardown
	rm -f "$SOCKHOP_JOURNAL" "$out" "${out}".*
}
trap cleanup EXIT

keep_awake || true # where that is allowed

new_cgroup
attach "$CG"
plain=$(free_port) member=$(free_port) through=$(free_port) past=$(free_port)
spawn -o "$out.1" "$rr" rr server -p "$plain" -z "$size"
spawn -c "$CG" -o "$out.2" "$rr" rr server -p "$member" -z "$size"
wait_listen "$plain"
wait_listen "$member"
spawn -o "$out.3" "$SOCKHOP" relay forward --listen "127.0.0.1:$through" --to "127.0.0.1:$member"
spawn -o "$out.4" "$SOCKHOP" relay forward --listen "127.0.0.1:$past" --to "127.0.0.1:$member" --collapse --instance "$INSTANCE"
wait_listen "$through"
wait_listen "$past"

# run NAME PORT [COMMAND...]: one measurement, after the connections had time to join
run() {
	local name=$1 port=$2
	shift 2
	"$@" "$rr" rr client -p "$port" -z "$size" -c "$conns" -s 1 -w 1.5 |
		jq -r "\"$name \(.per_second | floor) \(.p50_us) \(.hop_share)\"" >>"$out"
}
for _ in $(seq "$rounds"); do
	run direct "$plain"
	run pair "$member" in_cgroup "$CG"
	run relay "$through" in_cgroup "$CG"
	run collapsed "$past" in_cgroup "$CG"
done

# the middle one of a NAME's runs, by messages a second
median() { grep "^$1 " "$out" | sort -k2n | sed -n "$(((rounds + 1) / 2))p"; }
direct=$(median direct | cut -d' ' -f2)
{
	echo "path ops/s of-direct p50-us hop-share"
	for name in direct pair relay collapsed; do
		read -r _ rate p50 share < <(median $name)
		echo "$name $rate $(jq -n "$rate / $direct * 100 | round / 100") $p50 $share"
	done
} | column -t
