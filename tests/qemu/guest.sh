# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# guest.sh full|quick|catalogue: what runs inside the guest, under busybox. Programs are in /t. Each step prints
#
#   ROW <behaviour>|<pass, FAIL or skip>|<what was seen, a few words>
#
# after the output of its programs; run.sh makes the table of them. Times are generous: everything is emulated.
suite=$1
export JOIN_WAIT=60

# shellcheck source=steps.sh
. /t/steps.sh
. /t/nginx.sh
. /t/cost.sh
. /t/receive.sh

# ---- what the kernel can do ----

# One row for each thing in which kernels differ, from the lines of `sockhop check`.
check() {
	again=
	run 120 sockhop check
	code=$?
	# its self test gives up after seconds, which an emulated machine on a busy host may need; not silently
	if [ $code -ne 0 ] && grep -q 'took too long' /tmp/out; then
		again=" (second try: the first took too long)"
		run 120 sockhop check
		code=$?
	fi
	cp /tmp/out /tmp/check
	# what it would have shown the rows below show
	if [ $code -ne 0 ] && ! grep '^failed ' /tmp/out | grep -qv 'took too long'; then
		row "sockhop check" skip "self test took too long, twice"
	else
		verdict "sockhop check" $code "$(sed -n 's/^result: //p' /tmp/out)$again"
	fi
	grep -E '^[a-z]+ +(old connections|early joins|receive (queue|guard)|FIONREAD|splice|self test)' /tmp/out >/tmp/lines
	while read -r state rest; do
		name=${rest%%  *}
		case $state in ok | warning) result=pass ;; skipped) result=skip ;; *) result=FAIL ;; esac
		case $rest in *"took too long"*) result=skip ;; esac
		row "check: $name" $result "$state: $(echo "${rest#"$name"}" | sed 's/^ *//')"
	done </tmp/lines
}

# How members are made here: what `sockhop status` says of the instance that was attached.
profile() {
	sockhop status >/tmp/status
	if grep -q '^stream verdict program: *yes' /tmp/status; then queues="one queue"; else queues="two queues, EPOLLET stays out"; fi
	grep -q '^FIONREAD counts hops: *yes' /tmp/status || queues="$queues, FIONREAD stays out"
	if grep -q '^adopts old connections: *yes' /tmp/status; then old="adopts"; else old="does not adopt"; fi
	row "profile" pass "$queues, $old"
}

# ---- behaviours ----

speed() {
	run 30 rr -s 2 -w 1
	plain=$(sed -n 's/.*"per_second":\([0-9]*\).*/\1/p' /tmp/out)
	for warm in 3 15; do
		member 40 rr -s 2 -w $warm
		code=$?
		grep -q '"hop_share":0.000' /tmp/out || break # else a busy host: not chatty enough, or the agent had no time
	done
	hop=$(sed -n 's/.*"hop_share":\([0-9.]*\).*/\1/p' /tmp/out)
	rate=$(sed -n 's/.*"per_second":\([0-9]*\).*/\1/p' /tmp/out)
	case $hop in 1.* | 0.[5-9]*) ;; *) code=1 ;; esac
	verdict "request-response hops" "$code" \
		"share $hop, $(awk -v a="${rate:-0}" -v b="${plain:-0}" 'BEGIN { printf "%.2f", b ? a / b : 0 }') x plain"
}

# stream NAME SECONDS ARGUMENT...: exact bytes while joining and leaving, a share of them hopped
stream() {
	name=$1
	shift
	member 90 stream_check "$@"
	code=$?
	# all bytes right, but too few hopped: a busy host
	if [ $code -ne 0 ] && grep -q 'of the bytes hopped' /tmp/out && ! grep '^stream_check' /tmp/out | grep -qv 'faults=0 .* epipe=0 errors=0 hangs=0'; then
		member 120 stream_check "$@" -s 20
		code=$?
	fi
	verdict "$name" $code "$(field hop_percent) % hopped, $(field faults) faults"
}

half_close() {
	name=$1
	shift
	member 120 half_close "$@"
	verdict "$name" $? "$(field hop_percent) % hopped"
}

# Words of each case (CASE WORDS) of a program, every line of output "PROG case=CASE [runs=N] [result=]WORDS"
words() { sed -n 's/^[a-z_]* case=\([^ ]*\)\( runs=[0-9]*\)\? \(result=\)\?\(.*\)/\1 \4/p' /tmp/out | sort -u; }

# as_plain NAME KNOWN PROG ARGUMENT...: each case gives its words on plain TCP, but those that KNOWN lists
as_plain() {
	name=$1 known=" $2 "
	shift 2
	SOCKHOP_PLAIN=1 run 60 "$@"
	words >/tmp/plain
	member 300 "$@"
	code=$?
	words >/tmp/member
	differ=
	# shellcheck disable=SC2013
	for case in $(cut -d' ' -f1 /tmp/plain | uniq); do
		[ "$(grep "^$case " /tmp/plain)" = "$(grep "^$case " /tmp/member)" ] || differ="$differ $case"
	done
	for case in $differ; do
		case $known in *" $case "*) ;; *) code=1 ;; esac
	done
	[ -s /tmp/plain ] || code=1
	verdict "$name" $code "$(wc -l </tmp/plain) cases, differ:${differ:- none}"
}

backpressure() {
	member 60 backpressure "$@"
	code=$?
	[ "$(field hop)" -gt 0 ] || code=1
	verdict "backpressure is bounded" $code "$(field max_taken) bytes taken"
}

# edge NAME ARGUMENT...: an edge-triggered reader that was busy; bytes wait no longer for their event than on plain TCP
edge() {
	name=$1
	shift
	SOCKHOP_PLAIN=1 run 60 edge -W 100000 "$@"
	plain=$(field longest_ms)
	member 100 edge -W "$(awk -v p="${plain:-0}" 'BEGIN { print int(p < 80 ? 80 : p) }')" "$@"
	code=$?
	# where no such reader may be a member, it stays on TCP
	if [ $code -eq 77 ] && sockhop status | grep -q edge-triggered; then code=0; fi
	verdict "$name" $code "stalled $(field stalled), longest wait $(field longest_ms) ms (plain $plain), $(field hop_percent) % hopped"
}

# Connections older than the attach join, where passes may set their callbacks.
existing() {
	detach
	background existing -n 10 -s 20 -u 10
	wait_line ready /tmp/log 10
	attach
	adopts=$(sockhop status | sed -n 's/^adopts old connections: *//p')
	wait "$pid"
	code=$?
	cat /tmp/log
	[ "$adopts" = no ] && [ $code -ne 0 ] && row "old connections join" skip "stay on TCP" && return
	verdict "old connections join" $code "$(tail -n1 /tmp/log | grep -oE 'hopping=[0-9]+')"
}

# Members leave when the policy says so, and come back when it no longer does.
policy() {
	background existing -n 5 -s 60
	echo never >/tmp/never
	: >/tmp/empty
	wait_last hopping=5 /tmp/log 20 && run 10 sockhop policy set /tmp/never && wait_last hopping=0 /tmp/log 20 &&
		run 10 sockhop policy set /tmp/empty && wait_last hopping=5 /tmp/log 30
	code=$?
	kill "$pid"
	wait "$pid"
	cat /tmp/log
	verdict "policy takes out and lets in again" $code
}

# Attach and detach in turn under load: nothing is lost, doubled or reordered, each detach is complete.
storm() {
	faults=0 hop=0
	for cycle in $(seq "$1"); do
		background stream_check -n 20 -s 8
		usleep 4000000
		detach || faults=$((faults + 1))
		attach || faults=$((faults + 1))
		wait "$pid" || faults=$((faults + 1))
		cat /tmp/log
		cp /tmp/log /tmp/out
		hop=$((hop + $(field hop)))
	done
	[ $hop -gt 0 ] || faults=$((faults + 1))
	verdict "attach and detach under load" $faults "$cycle cycles, $((hop / 1024)) KiB hopped, $faults faults"
}

# Early joins, where the kernel has what they need: from the first byte.
early() {
	detach
	echo "early port 7100" >/tmp/policy
	attach --policy /tmp/policy
	member 30 rr -p 7100 -s 2 -w 0
	code=$?
	sockhop status >/tmp/status
	detach
	joined=$(sed -n 's/^joined early: *//p' /tmp/status)
	[ "${joined:-0}" -eq 0 ] && [ $code -eq 0 ] && row "early joins" skip "rule acts as late" && return
	verdict "early joins" $code "$joined ends"
}

forged() {
	member 60 forge -r 1000
	verdict "forged sequence numbers get nothing" $? "$(tail -n1 /tmp/out | grep -oE 'stolen=.*')"
}

# relay PATH SCENARIO COUNT
relay() {
	timeout 90 sockhop relay forward --listen 127.0.0.1:7200 --to 127.0.0.1:7201 --path "$1" >/tmp/relay 2>&1 &
	pid=$!
	wait_line 7200 /tmp/relay 10
	run 60 relay_load "$2" 7200 7201 "$3"
	code=$?
	kill "$pid"
	wait "$pid"
	cat /tmp/relay
	# its kernel path finds bytes that were sent again by bpf_cast_to_kern_ctx(), as early joins do
	if [ $code -ne 0 ] && [ "$1" = kernel ] && ! grep -q '^ok *early joins' /tmp/check; then
		row "relay, $1" skip "no bpf_cast_to_kern_ctx()"
		return
	fi
	verdict "relay, $1" $code
}

# Client and server hop past the relay: exact bytes, every way to end
collapse() {
	attach
	timeout 150 sockhop relay forward --listen 127.0.0.1:7202 --to 127.0.0.1:7203 --collapse >/tmp/relay 2>&1 &
	pid=$!
	wait_line 7202 /tmp/relay 10
	code=0
	for scenario in "hop 3" "half 1" "reset 1" "unread 1" "sleeper 1"; do
		# shellcheck disable=SC2086
		member 60 collapse ${scenario% *} 7202 7203 ${scenario#* } || code=1
	done
	kill "$pid"
	wait "$pid"
	cat /tmp/relay
	detach
	verdict "relay, hop collapse" $code
}

# columns PROGRAM CASE...: cases of a behaviour catalogue (--all: all) on plain TCP and attached; catalogue.py compares
columns() {
	for column in plain default; do
		echo "CATALOGUE $column"
		# shellcheck disable=SC2016
		timeout -s KILL 120 sh -c '[ $1 = plain ] || echo $$ >"$0/cgroup.procs"; column=$1; shift
			program=$1; shift; exec $program -c $column -j 8 --json "$@"' "$CG" "$column" "$@" 2>/tmp/err
		echo "CATALOGUE end $?"
	done
}

# catalogue_columns CASE...: those of the catalogue, and the whole of its themes that are programs of their own
catalogue_columns() {
	# its splices are for the veto; those of members are splicer's
	SOCKHOP_TEST_FORCE=guard attach --instance lab
	export SOCKHOP=/t/sockhop SOCKHOP_INSTANCE=lab
	columns catalogue "$@"
	columns catalogue_fionread --all
	columns catalogue_splice --all
	run 30 sockhop detach --all --instance lab --timeout 10
}

# A blocking file never joins. (What its calls give, EINTR and short MSG_WAITALL under signals, is plain TCP's.)
blocking() {
	member 60 blocking_client -s 0.5
	if grep -q 'kind=' /tmp/out && ! grep 'kind=' /tmp/out | grep -qv 'hop=0$'; then code=0; else code=1; fi
	verdict "blocking readers stay on TCP" $code "$(grep -c kind= /tmp/out) kinds"
}

# The programs that ask FIONREAD are let in all the same: what differs then is what this shows.
trusted() {
	detach
	printf '%s\n' "trust program close_cases" "trust program flip" >/tmp/policy
	attach --policy /tmp/policy
	as_plain "ways to close" "unread pollout blocked-send peek" close_cases -n 1
	as_plain "options set on a member" "repair zerocopy" flip lowat oobinline zerocopy ulp repair
	member 30 flip ulp-queued
	grep -q 'waiting=EBUSY read=ok:waiting later=ok ' /tmp/out
	verdict "kTLS only once hop bytes are read" $? "$(tail -n1 /tmp/out)"
	detach
	attach
}

# A receiver whose cgroup is full but for 2 MB, and one on a host whose TCP has hardly any memory (net.ipv4.tcp_mem is
# the host's, so only here): the sender sees counts and EAGAIN, nobody is killed, and every byte arrives.
starved() {
	mkdir -p /sys/fs/cgroup/full
	echo 48M >/sys/fs/cgroup/full/memory.max || { row "receiver out of memory" skip "no memory controller"; return; }
	SOCKHOP_PLAIN=1 run 60 starved -n 4 -g /sys/fs/cgroup/full
	on_plain=$(field errors):$(field receiver)
	run 60 sockhop attach /sys/fs/cgroup/full
	member 90 starved -n 4 -g /sys/fs/cgroup/full
	verdict "receiver at memory.max" $? "errors $(field errors):$(field receiver), plain $on_plain, hop $(field hop)"
	short=$(sockhop status --json | grep -c peer-memory)
	member 90 starved -n 4 -t '300 560 700'
	verdict "tcp_mem used up" $? "errors $(field errors):$(field receiver), hop $(field hop)"
	run 10 sockhop status
	verdict "short of memory was noticed" $((! short))
}

# A segment that the verdict program cannot hand over: a reset. With two receive queues (hole: 77) nothing is cut.
broken() {
	SOCKHOP_TEST_FORCE="cut" attach
	member 60 hole -s 10
	code=$?
	note=$(tail -n1 /tmp/out)
	if [ $code -eq 77 ] && sockhop status | grep -q '^stream verdict program: no'; then code=0; fi
	verdict "a segment that cannot be cut" $code "$note"
	detach
}

# splicer NAME SECONDS CASE ARGUMENT...: the last line of the program decides, and its exit status
splicer() {
	name=$1 limit=$2
	shift 2
	member "$limit" splicer "$@"
	verdict "$name" $? "$(field refused) refused, $(field late) late, $(field spliced) spliced, $(field hop_percent) % hopped"
}

# expect NAME CONDITION...: of the shell's test
expect() {
	name=$1
	shift
	if [ "$@" ]; then row "$name" pass ""; else row "$name" FAIL "$*"; fi
}

status_value() { sockhop status | sed -n "s/^$1: *//p"; }

# guard_up: somebody who can splice runs until the guard is there; connections from then on may join. 1: there is none
guard_up() {
	if grep -q '^warning *splice guard' /tmp/check; then
		row "splice guard" skip "$(grep -o 'none: .*' /tmp/check)"
		return 1
	fi
	background splicer marked -n 1 -s 60
	n=0
	until status_value "splice guard" | grep -q / || [ $((n += 1)) -gt 200 ]; do usleep 100000; done
	kill "$pid"
	wait "$pid"
	row "splice guard" "$([ $n -le 200 ] && echo pass || echo FAIL)" "$(status_value "splice guard")"
}

# A Go program joins and hops, io.Copy() on its members goes on by read and write, a proxy that only copies stays on TCP.
real_go() {
	[ -x /t/gotalk ] || { row "guard: a Go program" skip "the host has no go"; return; }
	before=$(status_value "splices refused")
	member 150 gotalk -n 300 -s 20 -b 102400
	verdict "guard: a Go program" $? "$(tail -n1 /tmp/out)"
	refused=$(($(status_value "splices refused") - before))
	if [ $refused -eq 0 ] && sockhop status | grep -q 'edge-triggered '; then
		row "guard: Go is refused, once a copy" skip "edge-triggered, so it stays out here"
		return
	fi
	expect "guard: Go is refused, once a copy" $refused -eq 3
}

# Programs that can splice are members: the first splice of a copy is refused, and nothing else is noticed.
guard() {
	attach
	guard_up || { detach; return; }
	splicer "guard: copies as Go" 120 go -n 10
	expect "guard: Go, refused and hopping" "$(field refused)" -eq 30 -a "$(field hop_percent)" -gt 80
	splicer "guard: copies as HAProxy" 120 sticky -n 10
	expect "guard: HAProxy, refused and hopping" "$(field refused)" -eq 10 -a "$(field hop_percent)" -gt 80
	splicer "guard: spliced before it could join" 120 marked -n 10 -s 5
	expect "guard: never joins" "$(field refused)$(field hop_percent)" = 00
	sockhop status | grep -q 'splices '
	verdict "guard: why not" $? "$(sockhop status | grep -oE '[0-9]+ +splices ')"
	splicer "guard: sendfile, io_uring, tee, vmsplice" 60 calls
	real_go
	background splicer go -n 5 -w 4
	wait_line 'splicer joined' /tmp/log 40
	kill -9 "$(status_value 'agent pid')"
	wait "$pid"
	code=$?
	cp /tmp/log /tmp/out
	cat /tmp/log
	verdict "guard: the agent is dead" $code "$(field refused) refused, $(field hop_percent) % hopped"
	expect "guard: acts without an agent" "$(field refused)" -eq 15
	detach
	verdict "guard: detach" $? "$(tail -n1 /tmp/out)"
	expect "guard: nothing is left" ! -e /sys/fs/bpf/sockhop
	splicer "guard: spliced after the detach" 60 marked -n 2 -s 0
	expect "guard: gone" "$(field refused)" -eq 0
}

# Joins and splices at once, and the same where the mark does not count: that must be seen.
guard_race() {
	for rule in young young,mark; do
		SOCKHOP_TEST_FORCE=$rule attach
		guard_up || { detach; return; }
		member 100 splicer race -n 6 -s 20
		code=$?
		sockhop status | grep -E 'splice|joined'
		if [ $rule = young ]; then
			verdict "guard: race of splice and join" $code "$(field refused) refused, $(field late) late, $(field spliced) spliced"
		else
			expect "guard: seen without the mark" $code -eq 1 -a "$(field late)" -gt 0
		fi
		detach
	done
}

vouches() { sockhop status --json | grep -qE '"vouches": *true'; }

# A splice that cannot be marked takes place, and ends the trust in this generation of the guard; then comes the next one.
guard_unmarked() {
	attach
	guard_up || { detach; return; }
	optmem=$(cat /proc/sys/net/core/optmem_max)
	echo 1 >/proc/sys/net/core/optmem_max
	splicer "guard: no memory for a mark" 60 marked -n 1 -s 0
	if vouches; then code=1; else code=0; fi
	verdict "guard: vouches for nobody then" $code ""
	echo "$optmem" >/proc/sys/net/core/optmem_max
	background splicer marked -n 1 -s 60
	n=0
	until vouches || [ $((n += 1)) -gt 200 ]; do usleep 100000; done
	kill "$pid"
	wait "$pid"
	splicer "guard: the next generation" 120 go -n 2
	expect "guard: refuses" "$(field refused)" -eq 6
	detach
}

no_guard() { ! status_value "splice guard" | grep -q / && ! ls /sys/fs/bpf/sockhop/default/guard* >/dev/null 2>&1; }

# Nobody needs the guard any more (young: for 2 s): it goes, and comes back.
guard_goes() {
	SOCKHOP_TEST_FORCE=young attach
	guard_up || { detach; return; }
	n=0
	until no_guard || [ $((n += 1)) -gt 300 ]; do usleep 100000; done
	no_guard
	verdict "guard: goes when nobody needs it" $? ""
	guard_up
	splicer "guard: comes back" 120 go -n 2
	expect "guard: refuses again" "$(field refused)" -eq 6
	detach
}

# The guard cannot be had: the veto stands.
unguarded() {
	SOCKHOP_TEST_FORCE=guard attach
	member 60 splicer go -n 2
	expect "no guard: never joins" $? -eq 77
	sockhop status | grep -q 'splice-capable'
	verdict "no guard: the veto stands" $? ""
	detach
}

# What the guard costs programs outside of the attached cgroup; nanoseconds are instructions, see run.sh.
guard_cost() {
	: >/tmp/check
	attach
	run 100 guard_cost
	run 100 guard_cost
	row "cost: no guard" pass "$(tail -n1 /tmp/out)"
	guard_up
	run 100 guard_cost
	row "cost: guard" pass "$(tail -n1 /tmp/out)"
	detach
	run 100 guard_cost
	row "cost: detached" pass "$(tail -n1 /tmp/out)"
}

guard_only() {
	check
	guard
	guard_unmarked
	guard_goes
	guard_race
	unguarded
}

quick() {
	check
	attach || { row attach FAIL "$(tail -n1 /tmp/out)"; return; }
	profile
	speed
	stream "exact bytes, two processes" -n 10 -s 4 -H 1
	half_close "half-close, both busy" -n 50 -c 100
	JOIN_WAIT=5 edge "edge-triggered reader" -n 2 -d 500 -b 120000
	detach
	verdict "detach" $? "$(tail -n1 /tmp/out)"
	catalogue_columns read recvmsg recv-many-small peek writev sendmmsg both-ways slow-reader poll epoll-edge-many \
		blocking-recv-waitall turns-blocking turns-blocking-asleep-recv reconnect-unread half-close-reply close-unread reset-queued shutdown-rdwr fork second-thread \
		ipv4-mapped tcp-info
}

full() {
	check
	attach || { row attach FAIL "$(tail -n1 /tmp/out)"; return; }
	profile
	speed
	stream "exact bytes, two processes" -n 10 -s 6 -H 2
	stream "exact bytes, two threads a socket" -T -n 8 -s 4 -H 2
	stream "exact bytes, IPv4-mapped" -m -n 8 -s 4 -H 2
	half_close "half-close, both busy" -n 50 -c 150
	half_close "half-close, then a reply" -m reply -n 50 -c 50
	backpressure -z 4096
	starved
	member 60 share -k 500
	verdict "fork, SCM_RIGHTS, dup, two readers" $?
	blocking
	edge "edge-triggered reader, 2 MB" -n 4 -d 500
	edge "edge-triggered reader, 120 KB" -n 4 -d 500 -b 120000
	forged
	policy
	trusted
	storm 2
	existing
	early
	relay kernel mixed 2
	relay splice mixed 2
	relay auto mixed 2
	collapse
	broken
	guard
	guard_unmarked
	guard_goes
	guard_race
	unguarded
	receive_guard
	real_nginx 100
}

# What an older version attached is detached by this one, under load: run.sh -s upgrade_only, with the static program of
# that version as build/static/sockhop-old.
upgrade_only() {
	run 60 sockhop-old attach "$CG" || { row "attach, older version" FAIL "$(tail -n1 /tmp/out)"; return; }
	background stream_check -n 10 -s 20 -H 1
	sleep 8
	sockhop-old status | grep -E '^(members|messages hopped)' | tee /tmp/members
	run 10 sockhop status
	verdict "an older version's instance is refused" $(($? != 1)) "$(tail -n1 /tmp/out | cut -c1-60)"
	detach
	code=$?
	[ ! -e /sys/fs/bpf/sockhop/default ] || code=9
	verdict "its members are taken out" $code "$(tr -s ' \n' ' ' </tmp/members)"
	wait "$pid"
	verdict "every byte arrived" $? "$(tail -n1 /tmp/log | cut -c1-60)"
}

broken_only() {
	check
	broken
}

edge_only() {
	check
	attach
	edge "edge-triggered, busy, 2 MB" -n 8 -d 500
	edge "edge-triggered, busy, 120 KB" -n 8 -d 500 -b 120000
}

catalogue_only() {
	check
	catalogue_columns --all
}

mkdir -p "$CG" /sys/fs/cgroup/rest
echo +memory >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
echo $$ >/sys/fs/cgroup/rest/cgroup.procs
echo "RELEASE $(uname -r)"
echo "VERSION $(uname -v)"
case $suite in
catalogue) catalogue_only ;;
*) $suite ;;
esac
echo DONE
