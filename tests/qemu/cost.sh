# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2034
# cost.sh: what an operation costs, for guest.sh. Sourced.

# Instructions for an operation (run.sh -i: 8 ns each, one CPU that never idles) on plain TCP, with two receive queues, and with
# one, which the stream verdict program makes; two rounds in turn, the lower (they differ by less than 0.1 %, but for what the
# first finds cold)
cost() {
	: >/tmp/cost
	for _ in 1 2; do
		for mode in plain two one; do
			unset SOCKHOP_TEST_FORCE
			[ $mode != two ] || export SOCKHOP_TEST_FORCE=queues
			[ $mode = plain ] || attach
			work "64 B, 1 connection" rr -z 64
			work "16 KB" rr -z 16000
			work "64 KB" rr -z 64000
			work "stream of 64 KB" stream -z 65536 -s 1
			work "stream of 1 MB" stream -z 1048576 -s 2
			[ $mode = plain ] || detach
		done
	done
	cut -d'|' -f2 /tmp/cost | awk '!seen[$0]++' >/tmp/works
	while read -r name; do
		row "cost: $name" pass "$(lower plain "$name") plain, $(lower two "$name") two queues, $(lower one "$name") one queue"
	done </tmp/works
}

work() { # NAME rr|stream ARGUMENT...: in the current mode
	name=$1 what=$2
	shift 2
	member 300 rr "$what" -s 0.5 -w 1.5 "$@"
	echo "$mode|$name|$(sed -n 's/.*"per_second":\([0-9.]*\).*/\1/p' /tmp/out)|$(sed -n 's/.*"hop_share":\([0-9.]*\).*/\1/p' /tmp/out)" >>/tmp/cost
}

lower() { # MODE NAME: instructions and, of members, the share that hopped
	grep -F "$1|$2|" /tmp/cost | sort -t '|' -k 3nr | head -n 1 |
		awk -F '|' '{ printf "%.0f", 125e6 / $3; if ($1 != "plain") printf " (%.0f %%)", 100 * $4 }'
}
