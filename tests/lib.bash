# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# lib.bash: what bats files share:
#
#   setup() { load ../lib; }
#   teardown() { lib_teardown; }
#
# and in a file whose tests share things, the same in setup_file() and teardown_file().
#
# Whatever these functions make is noted in a journal; lib_teardown undoes it, last first, ending only
# processes that were noted (pid and start time). tests/run.sh does the same for a file that was cut short.
# Needs root, iproute2, util-linux, jq.

lib_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BUILD=${BUILD:-$lib_root/build}
export SOCKHOP=${SOCKHOP:-$BUILD/sockhop}
# One journal a test, and one a file: what setup_file() makes lives until lib_teardown in teardown_file().
lib_journal=${SOCKHOP_JOURNAL:-${BATS_RUN_TMPDIR:-/tmp}/sockhop-journal}.${BATS_TEST_NUMBER:-file}
lib_journal=${SOCKHOP_JOURNAL_FILE:-$lib_journal}
# Unique to this file and test, and safe in names of cgroups, namespaces and instances.
lib_id=sh$$-${BATS_TEST_NUMBER:-0}
lib_count=0

_lib_note() { echo "$*" >>"$lib_journal"; }

# ---- waiting ----

# wait_for SECONDS CMD...: true as soon as CMD succeeds, false when it has not in time.
wait_for() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$deadline" ] || {
			echo "waited in vain for: $*"
			return 1
		}
		sleep 0.03
	done
}

# listens PORT [NETNS]: somebody listens on that TCP port. Looks, does not connect.
listens() {
	local in=()
	[ -z "${2:-}" ] || in=(nsenter --net="/run/netns/$2")
	[ -n "$("${in[@]}" ss -Hltn "sport = :$1")" ]
}

# wait_listen PORT [NETNS [SECONDS]]
wait_listen() { wait_for "${3:-10}" listens "$1" "${2:-}"; }

# list_is JQ [INSTANCE]: the expression holds for the JSON of `sockhop list`.
list_is() {
	local json
	json=$("$SOCKHOP" list --json ${2:+--instance "$2"} 2>/dev/null) && jq -e "$1" <<<"$json" >/dev/null
}

# wait_list SECONDS JQ [INSTANCE]
wait_list() { wait_for "$1" list_is "$2" "${3:-}"; }

# A TCP port below the ephemeral range that nobody listens on now.
free_port() {
	local port
	for _ in {1..100}; do
		port=$((20000 + RANDOM % 10000))
		listens "$port" || { echo "$port"; return; }
	done
	return 1
}

# ---- cgroups ----

# The cgroup2 mount point.
cgroup2_mount() {
	awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "cgroup2" && $4 == "/") { print $5; exit } }' \
		/proc/self/mountinfo
}

# new_cgroup [PARENT]: makes one with a unique name, below the mount or PARENT; sets CG.
new_cgroup() {
	lib_count=$((lib_count + 1))
	CG=${1:-$(cgroup2_mount)}/sockhop-$lib_id-$lib_count
	mkdir "$CG" && _lib_note cgroup "$CG"
}

_is_empty() { grep -qx 'populated 0' "$1/cgroup.events"; }

# remove_cgroup PATH: with its descendants, once nobody is in them; waits 10 s at most.
remove_cgroup() {
	[ -d "$1" ] || return 0
	wait_for 10 _is_empty "$1" || {
		echo "still in $1: $(cat "$1"/cgroup.procs "$1"/*/cgroup.procs 2>/dev/null | xargs -r ps -o pid=,args= -p)"
		return 1
	}
	find "$1" -depth -type d -exec rmdir {} \; 2>/dev/null
	# somebody else may have been faster: bats' teardown and that of run.sh, when a run is interrupted
	[ ! -d "$1" ] || rmdir "$1"
}

# shellcheck disable=SC2016
_lib_enter=(bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"')

# in_cgroup PATH CMD...
in_cgroup() { "${_lib_enter[@]}" "$@"; }

# ---- network namespaces ----

# in_netns NAME CMD...: only the network namespace changes (ip netns exec would hide the cgroups and pins)
in_netns() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$ns" "$@"
}

# in_cgroup_netns PATH NAME CMD...
in_cgroup_netns() {
	local cg=$1 ns=$2
	shift 2
	"${_lib_enter[@]}" "$cg" nsenter --net="/run/netns/$ns" "$@"
}

# new_netns: makes one with lo up; sets NS.
new_netns() {
	lib_count=$((lib_count + 1))
	NS=$lib_id-$lib_count
	ip netns add "$NS" && _lib_note netns "$NS" && ip -n "$NS" link set lo up
}

_lib_plug() { # NAMESPACE DEVICE ADDRESS...
	local ns=$1 dev=$2 addr
	shift 2
	for addr in "$@"; do ip -n "$ns" addr add "$addr" dev "$dev" || return; done
	ip -n "$ns" link set "$dev" up
}

# new_netns_pair: two namespaces joined by veth; sets NS_A, NS_B, ADDR_A, ADDR_B and ADDR6_A, ADDR6_B.
new_netns_pair() {
	local net=10.$((RANDOM % 200 + 20)).$((RANDOM % 250))
	new_netns && NS_A=$NS && new_netns && NS_B=$NS || return
	ADDR_A=$net.1 ADDR_B=$net.2 ADDR6_A=fd00:5::1 ADDR6_B=fd00:5::2
	ip link add veth0 netns "$NS_A" type veth peer name veth0 netns "$NS_B" || return
	_lib_plug "$NS_A" veth0 "$ADDR_A/24" || return
	_lib_plug "$NS_B" veth0 "$ADDR_B/24" || return
	# nodad: usable at once
	ip -n "$NS_A" addr add "$ADDR6_A/64" dev veth0 nodad && ip -n "$NS_B" addr add "$ADDR6_B/64" dev veth0 nodad
}

# new_netns_bridge N: N namespaces on a bridge, which lives in one of its own; sets arrays NS_N and ADDR_N,
# and NS_BRIDGE.
# shellcheck disable=SC2034
new_netns_bridge() {
	local i net=10.$((RANDOM % 200 + 20)).$((RANDOM % 250))
	NS_N=() ADDR_N=()
	new_netns && NS_BRIDGE=$NS || return
	ip -n "$NS_BRIDGE" link add br0 type bridge && ip -n "$NS_BRIDGE" link set br0 up || return
	for ((i = 0; i < $1; i++)); do
		new_netns || return
		NS_N[i]=$NS ADDR_N[i]=$net.$((i + 1))
		ip link add veth0 netns "$NS" type veth peer name "port$i" netns "$NS_BRIDGE" || return
		ip -n "$NS_BRIDGE" link set "port$i" master br0 up || return
		_lib_plug "$NS" veth0 "${ADDR_N[i]}/24" || return
	done
}

# ---- processes ----

# Field 22 of /proc/PID/stat tells a process from a later one with its pid; comm may hold spaces.
_lib_start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# note_pid PID: lib_teardown ends it.
note_pid() { _lib_note pid "$1" "$(_lib_start_time "$1")"; }

# spawn [-c CGROUP] [-n NETNS] [-o FILE] CMD...: starts a program in the background, in that cgroup and network
# namespace, its output to FILE (none: a file that failed tests may print, $SPAWN_LOG). Sets SPAWN_PID.
spawn() {
	local opt OPTARG OPTIND=1 wrap=()
	lib_count=$((lib_count + 1))
	SPAWN_LOG=${BATS_TEST_TMPDIR:-/tmp}/spawn.$lib_count
	while getopts c:n:o: opt; do
		case $opt in
		c) wrap=("${_lib_enter[@]}" "$OPTARG" "${wrap[@]}") ;;
		n) wrap+=(nsenter "--net=/run/netns/$OPTARG") ;;
		o) SPAWN_LOG=$OPTARG ;;
		*) return 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	# bash makes background jobs ignore these
	[ "$(type -t "$1")" = function ] || wrap+=(env "--default-signal=INT,QUIT")
	# bats waits until its fd 3 is closed
	"${wrap[@]}" "$@" </dev/null >"$SPAWN_LOG" 2>&1 3>&- &
	SPAWN_PID=$!
	note_pid "$SPAWN_PID"
}

_lib_ended() { [ "$(_lib_start_time "$1")" != "$2" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# end_pid PID [START_TIME]: TERM, after 5 s KILL; returns when it has ended.
end_pid() {
	local pid=$1 since=${2:-$(_lib_start_time "$1")}
	if [ -n "$since" ] && ! _lib_ended "$pid" "$since"; then
		kill "$pid" 2>/dev/null
		wait_for 5 _lib_ended "$pid" "$since" || kill -KILL "$pid" 2>/dev/null
		wait_for 5 _lib_ended "$pid" "$since" || return
	fi
	wait "$pid" 2>/dev/null || true
}

# ---- measuring ----

# keep_awake: the CPUs do not sleep from now on, by a request to the kernel's PM QoS for no latency (four zero bytes) that
# holds while the file is open: until let_sleep or our end. Else one outstanding request measures how long an idle
# CPU takes to wake. False where that is not allowed.
keep_awake() {
	[ -c /dev/cpu_dma_latency ] && exec {awake_fd}>/dev/cpu_dma_latency && printf '\0\0\0\0' >&"$awake_fd" && return
	awake_fd=
	return 1
}

let_sleep() {
	[ -z "$awake_fd" ] || exec {awake_fd}>&-
}

# ---- instances ----

# attach CGROUP... [OPTION...]: `sockhop attach` as an instance of this test's own, which lib_teardown detaches;
# sets INSTANCE, for `--instance`.
attach() {
	INSTANCE=$lib_id
	grep -qsx "instance $INSTANCE" "$lib_journal" || _lib_note instance "$INSTANCE"
	"$SOCKHOP" attach --instance "$INSTANCE" "$@" 3>&-
}

_lib_del_netns() { ip netns del "$1" 2>/dev/null || [ ! -e "/run/netns/$1" ]; }

# No end of this instance was moved as bpf/end.h does not allow.
moves_are_good() {
	local bad
	bad=$("$SOCKHOP" status --json --instance "$1" 2>/dev/null | jq '.counters.bad_moves // 0')
	[ "${bad:-0}" -eq 0 ] || { echo "$bad moves of ends that are not in bpf/end.h"; return 1; }
}

_lib_detach() {
	local status=0 moves=0
	moves_are_good "$1" || moves=1
	"$SOCKHOP" detach --all --instance "$1" --timeout 10 >/dev/null 3>&- || status=$?
	# 3: not attached (any more)
	[ "$moves" -eq 0 ] && { [ "$status" -eq 0 ] || [ "$status" -eq 3 ]; }
}

# ---- teardown ----

# Undoes all that the journal says, last first. Non-zero if something did not go; it says what, and leaves it in
# the journal.
lib_teardown() {
	local kind what since left=
	[ -e "$lib_journal" ] || return 0
	while read -r kind what since; do
		case $kind in
		pid) end_pid "$what" "${since:-0}" ;;
		instance) _lib_detach "$what" ;;
		netns) _lib_del_netns "$what" ;;
		cgroup) remove_cgroup "$what" ;;
		esac || {
			echo "teardown: cannot undo: $kind $what"
			left="$kind $what $since"$'\n'$left
		}
	done < <(tac "$lib_journal")
	printf %s "$left" >"$lib_journal"
	[ -z "$left" ]
}
