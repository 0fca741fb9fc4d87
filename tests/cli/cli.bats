#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The command line: help, usage errors, exit statuses, JSON, and that help, man pages and completion agree.
# SOCKHOP names the binary, ../../build/sockhop unless set.
# Each test is a function to bats, though a subshell to shellcheck:
# shellcheck disable=SC2030,SC2031
# and the variables in single quotes are those of jq and of the shell that is being started:
# shellcheck disable=SC2016

setup() {
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	sockhop=${SOCKHOP:-$root/build/sockhop}
	man=$root/docs/man
	completion=$root/docs/completion/sockhop.bash
	instance=cli-$$-$BATS_TEST_NUMBER
}

teardown() {
	[ -z "${traffic:-}" ] || { kill "$traffic" && wait "$traffic"; } 2>/dev/null || true
	[ -z "${attached:-}" ] || "$sockhop" detach --all --instance "$instance" --timeout 10 || true
	[ -z "${kept:-}" ] || rmdir "${kept[@]/#//sys/fs/bpf/sockhop/}" || true
	[ -z "${cg:-}" ] || rmdir "$cg"
	[ -z "${public:-}" ] || rm -rf "$public"
}

# Runs sockhop; sets status, out and err (bats' own run mixes the two).
hop() {
	status=0
	"$sockhop" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || status=$?
	out=$(cat "$BATS_TEST_TMPDIR/out")
	err=$(cat "$BATS_TEST_TMPDIR/err")
}

# fails with what was seen, since bats shows output of a failed test only
expect() {
	"$@" && return
	printf 'failed: %s\nstatus=%s\nstdout: %s\nstderr: %s\n' "$*" "$status" "$out" "$err"
	return 1
}

# bats does not notice a command that fails by `!`
contains() { [[ $1 == *"$2"* ]]; }
lacks() { [[ $1 != *"$2"* ]]; }

commands() { "$sockhop" help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'; }

# The long options that `help CMD` shows, with their argument if they have one.
options_of() { "$sockhop" help "$1" | sed -n '/^options:/,/^$/p' | grep -oE -- '--[a-z-]+( [A-Z:]+)?' ; }

# The expression of jq holds for stdout. (No input at all is a success to jq -e.)
holds() { [ -n "$out" ] && jq -e --argjson port "${port:-0}" --argjson pid "${traffic:-0}" "$@" <<<"$out" >/dev/null; }

require_root() { [ "$(id -u)" -eq 0 ] || skip "needs root"; }

new_cgroup() {
	local mount
	mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
	[ -n "$mount" ] || skip "no cgroup v2 mount"
	cg=$mount/sockhop-$instance
	mkdir "$cg"
}

attach_new_cgroup() {
	require_root
	new_cgroup
	attached=1
	hop attach "$cg" --instance "$instance"
	expect [ "$status" -eq 0 ]
}

# A process in the cgroup that plays ping-pong with itself over a non-blocking connection until it is killed:
# sets traffic (its pid) and port (the server's).
start_traffic() {
	mkfifo "$BATS_TEST_TMPDIR/port"
	bash -c 'echo $$ >"$0/cgroup.procs"; exec python3 -c "$1" "$2"' "$cg" '
import os, select, socket, sys
for port in range(20000 + os.getpid() % 10000, 32768):  # below the ephemeral ports: the client is "a"
    try:
        listener = socket.create_server(("127.0.0.1", port))
        break
    except OSError:
        pass
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
for end in client, server:
    end.setblocking(False)
with open(sys.argv[1], "w") as f:
    print(listener.getsockname()[1], file=f)
while True:
    for sender, reader in (client, server), (server, client):
        sender.send(b"x" * 64)
        select.select([reader], [], [])
        reader.recv(64)
' "$BATS_TEST_TMPDIR/port" 3>&- &
	traffic=$!
	read -r port <"$BATS_TEST_TMPDIR/port"
}

# Looks at `list --json` until the jq expression holds: the kernel side tells nobody else when it does.
await_list() {
	local end=$((SECONDS + 15))
	while hop list --json --instance "$instance"; do
		holds "$1" && return
		[ "$SECONDS" -lt "$end" ] || break
		sleep 0.1
	done
	expect false
}

@test "help lists the commands, in each of its spellings" {
	hop help
	expect [ "$status" -eq 0 ]
	expect [ -z "$err" ]
	local overview=$out c
	for c in attach detach run agent status list check policy pause resume report relay version help; do
		expect grep -qE "^  $c +[a-z]" <<<"$overview"
	done
	hop --help
	expect [ "$status:$out" = "0:$overview" ]
	hop -h
	expect [ "$status:$out" = "0:$overview" ]
}

@test "every command shows its usage, by help and by --help" {
	local c
	[ "$(commands | wc -l)" -ge 11 ]
	for c in $(commands); do
		hop help "$c"
		expect [ "$status" -eq 0 ]
		expect [ -z "$err" ]
		expect contains "$out" "usage: sockhop $c"
		local usage=$out
		hop "$c" --help
		expect [ "$status:$out" = "0:$usage" ]
		expect [ -z "$err" ]
	done
}

@test "every option that help shows is accepted" {
	local c o seen=0
	for c in $(commands); do
		while read -r o; do
			seen=$((seen + 1))
			# an option that is not known fails before --help is read
			case $o in
			*" V") o=${o% *}=v2 ;;
			*" PATH") o=${o% *}=auto ;;
			*" VIEW") o=${o% *}=why ;;
			*" KEY") o=${o% *}=bytes ;;
			*" "*) o=${o% *}=1 ;;
			esac
			hop "$c" "$o" --help
			expect [ "$status" -eq 0 ]
		done < <(options_of "$c")
	done
	[ "$seen" -ge 30 ]
}

# The ways to call a command, as its usage has them, a line each.
synopses() {
	"$sockhop" help "$1" | sed '/^$/q' | tr '\n' ' ' | sed -E 's/^usage: //; s/ {2,}sockhop/\nsockhop/g; s/ {2,}/ /g; s/ $/\n/'
}

# The options that `help CMD` shows, a line each: "--name ARG: text", unfolded.
described() {
	"$sockhop" help "$1" | sed -n '/^options:/,/^$/p' | sed 's/^  -[a-z], /  /' |
		awk '/^  -/ { if (line) print line; line = $0; next } /^ / { line = line " " $0 } END { print line }' |
		sed -E 's/^  (--[^ ]+( \[?[A-Z:]+\]?)?) +/\1: /; s/ {2,}/ /g'
}

@test "the man pages have every command, synopsis, option and default, and no other" {
	local c o page preset seen=0
	for c in $(commands); do
		page=$man/sockhop-$c.8.scd
		grep -qxF "*sockhop-$c*(8)" "$man/sockhop.8.scd"
		diff <(sed -n '/^# SYNOPSIS/,/^; end/p' "$page" | grep '^\*' | tr -d '*_' | sed 's/++$//') <(synopses "$c")
		while read -r o; do
			grep -qxF "$o" <(sed -n '/^# SYNOPSIS/,/^# DESCRIPTION/p' "$man/sockhop.8.scd" | tr -d '*_' | sed 's/++$//') ||
				{ echo "not in the synopsis: $o"; return 1; }
		done < <(synopses "$c" | sed 's/ \[-v\]//; s/ \[--instance NAME\]//')
		diff <(sed -n '/^# OPTIONS/,/^; end/p' "$page" | grep -E '^\*-' | sed 's/^\*-[a-z]\*, //' | tr -d '*_') \
			<(described "$c" | sed 's/: .*//')
		while read -r o; do
			preset=$(sed -nE 's/.*\(([^ ();:]+)(; 0: [a-z ]+)?\)$/\1/p' <<<"$o")
			[ -n "$preset" ] || continue
			seen=$((seen + 1))
			awk -v o="*${o%%[ :]*}*" '{ sub(/^\*-[a-z]\*, /, "") } index($0, o) == 1 { on = 1 } /^$/ { on = 0 } on' "$page" | tr '\n\t' '  ' |
				tr -s ' ' | grep -qF "default is *$preset*" || { echo "$c: the default of $o"; return 1; }
		done < <(described "$c")
	done
	[ "$seen" -ge 15 ]
}

@test "the man pages render" {
	local page
	command -v scdoc >/dev/null || skip "no scdoc"
	for page in "$man"/*.scd; do
		scdoc <"$page" | grep -q '^\.SH NAME'
	done
}

@test "the completion knows exactly the commands and options of help" {
	# shellcheck disable=SC1090
	source "$completion"
	local c
	COMP_WORDS=(sockhop "") COMP_CWORD=1
	_sockhop
	diff <(printf '%s\n' "${COMPREPLY[@]}" | grep -v '^--' | sort) <(commands | sort)
	for c in $(commands); do
		COMP_WORDS=(sockhop "$c" --) COMP_CWORD=2
		_sockhop
		diff <(printf '%s\n' "${COMPREPLY[@]}" | sort -u) <(options_of "$c" | cut -d' ' -f1 | sort -u)
	done
}

# completes WORD... = EXPECTED: the last WORD is being typed
completes() {
	COMP_WORDS=() COMPREPLY=()
	while [ "$1" != = ]; do COMP_WORDS+=("$1") && shift; done
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_sockhop
	expect [ "${COMPREPLY[*]}" = "$2" ]
}

@test "the completion knows verbs, what goes with each, and values" {
	# shellcheck disable=SC1090
	source "$completion"
	completes sockhop policy "" = "show set add del"
	completes sockhop policy add --j = ""
	completes sockhop policy show --j = --json
	completes sockhop relay pair --o = --once
	completes sockhop relay forward --o = ""
	completes sockhop relay forward --path "" = "auto kernel splice copy"
	completes sockhop relay forward --proxy-protocol "" = v2
	completes sockhop relay forward --workers "" = ""
	completes sockhop attach --policy /etc/hostn = /etc/hostname
	completes sockhop policy set /etc/hostn = /etc/hostname
	completes sockhop help sta = status
	completes sockhop run setpri = "$(compgen -c setpri | tr '\n' ' ' | sed 's/ $//')"
}

@test "a typo gets a suggestion and status 2" {
	hop stauts
	expect [ "$status" -eq 2 ]
	expect contains "$err" "did you mean 'status'?"
	expect [ -z "$out" ]
	hop help lits
	expect [ "$status" -eq 2 ]
	expect contains "$err" "did you mean 'list'?"
	hop status --jsno
	expect [ "$status" -eq 2 ]
	expect contains "$err" "did you mean '--json'?"
}

@test "no prefix is guessed" {
	local word
	for word in stat statu l det versio; do
		hop "$word"
		expect [ "$status" -eq 2 ]
		expect [ -z "$out" ]
	done
	hop version --js
	expect [ "$status" -eq 2 ]
}

@test "nonsense gets no suggestion" {
	hop frobnicate
	expect [ "$status" -eq 2 ]
	expect lacks "$err" "did you mean"
	expect contains "$err" "sockhop help"
}

@test "without a command: usage on stderr, status 2" {
	hop
	expect [ "$status" -eq 2 ]
	expect [ -z "$out" ]
	expect contains "$err" "usage: sockhop"
}

@test "unknown options are refused by every command" {
	local c
	for c in $(commands); do
		hop "$c" --no-such-option
		expect [ "$status" -eq 2 ]
		expect contains "$err" "--no-such-option"
		expect [ -z "$out" ]
	done
}

@test "missing and superfluous arguments are refused" {
	local args
	for args in attach run policy relay "policy set" "policy add" "policy del" "relay forward" "relay pair" \
		"status extra" "list extra" "check extra" "agent extra" "version extra" "help list status" \
		"list --instance" "attach --max-connections" "attach --max-connections many /" \
		"detach --timeout -1" "detach --timeout soon" "detach --timeout 25h" "policy add --at 0 never" \
		"attach --max-connections 0 /" "policy show --at 1" "policy del 1 --json" "relay pair --listen 1 --to 2"; do
		# shellcheck disable=SC2086
		hop $args
		expect [ "$status" -eq 2 ]
		expect [ -n "$err" ]
		expect [ -z "$out" ]
	done
}

@test "version names program, ABI and libbpf" {
	hop version --json
	expect [ "$status" -eq 0 ]
	expect holds '(.version | test("^[0-9]+\\.[0-9]+")) and .abi >= 1 and (.libbpf | test("^[0-9]"))'
	local version
	version=$(jq -r .version <<<"$out")
	hop version
	expect contains "$out" "$version"
	hop --version
	expect contains "$out" "$version"
}

@test "a result that cannot be written is a failure" {
	local args
	for args in help version "version --json" "help attach"; do
		status=0
		# shellcheck disable=SC2086
		err=$("$sockhop" $args 2>&1 >/dev/full) || status=$?
		expect [ "$status" -eq 1 ]
		expect contains "$err" "No space left on device"
	done
	status=0
	err=$("$sockhop" version 2>&1 >&-) || status=$?
	expect [ "$status" -eq 1 ]
}

@test "a reader that went away is a failure, where SIGPIPE is ignored" {
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	# open for both first: a fifo without a reader would block its writer
	# shellcheck disable=SC2094
	exec 7<>"$BATS_TEST_TMPDIR/fifo" 8>"$BATS_TEST_TMPDIR/fifo" 7<&-
	status=0
	err=$(trap '' PIPE; "$sockhop" version 2>&1 >&8) || status=$?
	exec 8>&-
	expect [ "$status" -eq 1 ]
	expect contains "$err" "Broken pipe"
}

@test "a stdout closed from the start matters only to who writes there" {
	status=0
	err=$("$sockhop" frobnicate 2>&1 >&-) || status=$?
	expect [ "$status" -eq 2 ]
	expect lacks "$err" "cannot write"
}

@test "pause lasts a second to an hour" {
	local s
	for s in 0 0s 3601 2h 61m 1d -1 1.5 '' x; do
		hop pause --for "$s" --instance "$instance"
		expect [ "$status" -eq 2 ]
		expect contains "$err" "--for wants seconds from 1 to 3600"
	done
	hop pause some.slice
	expect [ "$status" -eq 2 ]
	expect contains "$err" some.slice
}

@test "status, list, pause and resume of what is not attached: status 3 and the remedy, JSON all the same" {
	require_root
	local c
	for c in status list; do
		hop "$c" --instance "$instance"
		expect [ "$status" -eq 3 ]
		expect contains "$err" "run \`sockhop attach"
	done
	for c in pause resume; do
		hop "$c" --instance "$instance"
		expect [ "$status" -eq 3 ]
		expect contains "$err" "run \`sockhop attach"
	done
	hop status --json --instance "$instance"
	expect [ "$status" -eq 3 ]
	expect holds '.attached == false'
	hop list --json --instance "$instance"
	expect [ "$status" -eq 3 ]
	expect holds '. == []'
}

@test "attach of what is no cgroup fails and leaves nothing" {
	require_root
	hop attach /nonexistent/cgroup --instance "$instance"
	expect [ "$status" -eq 1 ]
	expect contains "$err" "/nonexistent/cgroup"
	hop status --instance "$instance"
	expect [ "$status" -eq 3 ]
}

@test "without permission: status 4" {
	attach_new_cgroup
	# the build folder may be out of reach for other users
	public=$(mktemp -d)
	chmod 755 "$public"
	install -m 755 "$sockhop" "$public/sockhop"
	local args
	for args in "status --json" list "detach --all" "attach $cg" pause resume; do
		status=0
		# shellcheck disable=SC2086
		err=$(cd / && setpriv --reuid=65534 --regid=65534 --clear-groups \
			"$public/sockhop" $args --instance "$instance" 2>&1 >/dev/null) || status=$?
		expect [ "$status" -eq 4 ]
		expect grep -qi permission <<<"$err"
	done
}

@test "status of an attached instance has its facts, in JSON and in words" {
	attach_new_cgroup
	hop status --json --instance "$instance"
	expect [ "$status" -eq 0 ]
	expect [ -z "$err" ]
	expect holds --arg cg "$cg" --arg instance "$instance" '
		.attached and .instance == $instance and .state == "attached" and
		.agent.alive and (.agent.pid | type) == "number" and
		(.since | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$")) and .uptime < 600 and
		([.profile[] | type] | length >= 3 and all(. == "boolean")) and
		(.cgroups | length == 1 and .[0].path == $cg and .[0].state == "attached" and .[0].id > 0) and
		.connections == {"candidates": 0, "members": 0, "pairs": 0} and
		.hopped == {"messages": 0, "bytes": 0} and .stayed == {"messages": 0, "bytes": 0} and
		([.counters[] | type] | all(. == "number")) and
		.states == {"watched": 0, "candidate": 0, "member": 0, "leaving": 0, "left": 0, "held": 0, "refused": 0} and
		(.stay_reasons | type) == "array" and (.why_not | type) == "array" and
		([.maps[] | .used == 0 and .max > 0] | all) and
		.vetoed == [] and .policy_rules == 0 and (.other_instances | type) == "array"'
	hop status --instance "$instance"
	expect [ "$status" -eq 0 ]
	expect contains "$out" "$cg"
	expect grep -qE '^agent runs: +yes$' <<<"$out"
}

@test "the list of an idle instance is empty, and succeeds" {
	attach_new_cgroup
	hop list --json --instance "$instance"
	expect [ "$status" -eq 0 ]
	expect holds '. == []'
	hop list --all --instance "$instance"
	expect [ "$status" -eq 0 ]
	expect [ "$(wc -l <<<"$out")" -eq 1 ]
	expect contains "$out" "STATE"
}

@test "a pair that may not hop is listed with its programs and the reason" {
	export SOCKHOP_TEST_FORCE=guard # the veto as it is without a splice guard
	attach_new_cgroup
	start_traffic
	# python imports splice(2)
	await_list 'length == 1 and .[0].reason == "splice-capable"'
	expect holds '.[0] |
		.state == "candidate" and (.meaning | length) > 0 and
		.a.peer == {"address": "127.0.0.1", "port": $port} and .b.local == .a.peer and .a.local == .b.peer and
		.a.pid == $pid and .b.pid == $pid and (.a.program | test("^python3")) and
		.a.netns == .b.netns and .a.cgroup == .b.cgroup and .a.member == false and
		.a.bytes_hopped == 0 and .a.tcp_bytes > 0'
	# the program's end is out for good, and its peer, the same program here, as well, or waits for it
	expect holds '.[0] | [.a.state, .b.state] | any(. == "refused") and all(IN("refused", "candidate"))'
	hop list --instance "$instance"
	expect grep -qE "^candidate +127\.0\.0\.1:[0-9]+ +127\.0\.0\.1:$port .*python3[.0-9]*/$traffic.*splice-capable" <<<"$out"
	hop status --json --instance "$instance"
	expect holds '.connections == {"candidates": 2, "members": 0, "pairs": 1} and
		.states.member == 0 and .states.refused + .states.candidate == 2 and
		(.vetoed | length == 1 and .[0].pid == $pid and .[0].reason == "splice-capable")'
}

@test "a pair that hops is listed with what hopped each way" {
	attach_new_cgroup
	hop policy add "trust program python3" --instance "$instance"
	expect [ "$status" -eq 0 ]
	start_traffic
	await_list 'length == 1 and .[0].state == "hopping"'
	expect holds '.[0] | .reason == null and .b.local.port == $port and
		([.a, .b] | all(.member and .messages_hopped > 0 and .bytes_hopped == 64 * .messages_hopped))'
	hop status --json --instance "$instance"
	expect holds '.connections == {"candidates": 0, "members": 2, "pairs": 1} and .hopped.messages > 0 and
		.counters.joined == 2 and .states.member == 2 and ([.states[]] | add) == 2 and .counters.bad_moves == 0'
	hop list --instance "$instance"
	expect grep -qE "^hopping .* member +member +- +-$" <<<"$out"
	hop detach --all --instance "$instance"
	expect [ "$status" -eq 0 ]
	attached=
	# it lives on
	expect kill -0 "$traffic"
}

@test "list --all shows connections that are no candidates" {
	attach_new_cgroup
	hop policy add never --instance "$instance"
	expect [ "$status" -eq 0 ]
	start_traffic
	hop list --all --json --instance "$instance"
	expect [ "$status" -eq 0 ]
	expect holds 'length == 1 and (.[0] | .a.peer.port == $port and .b.local.port == $port and
		.reason != null and .a.member == false)'
	hop list --json --instance "$instance"
	expect holds 'map(select(.state == "hopping")) == []'
}

@test "attach twice changes nothing, detach ends it" {
	attach_new_cgroup
	hop attach "$cg" --instance "$instance"
	expect [ "$status" -eq 0 ]
	hop status --json --instance "$instance"
	expect holds '.cgroups | length == 1'
	hop detach --all --instance "$instance"
	expect [ "$status" -eq 0 ]
	attached=
	hop status --instance "$instance"
	expect [ "$status" -eq 3 ]
}

# ---- an attach that is killed ----

pins=/sys/fs/bpf/sockhop

@test "folders of attaches that were killed go with the next attach or detach, and nothing else does" {
	local dead form
	attach_new_cgroup
	dead=$(sh -c 'echo $$')
	kept=("$instance-new-$$" "$instance-new-${dead}x" "$instance-new-x$dead" "$instance-new-0$dead" "$instance-new-" "$instance/x-new-$dead")
	for form in "${kept[@]}" "$instance-new-$dead" "$instance-new-1-new-$dead"; do mkdir "$pins/$form"; done
	hop attach "$cg" --instance "$instance"
	expect [ "$status" -eq 0 ]
	expect [ ! -e "$pins/$instance-new-$dead" ]
	expect [ ! -e "$pins/$instance-new-1-new-$dead" ]
	for form in "${kept[@]}"; do expect [ -d "$pins/$form" ]; done
	mkdir "$pins/$instance-new-$dead"
	hop detach --all --instance "$instance"
	expect [ "$status" -eq 0 ]
	attached=
	expect [ ! -e "$pins/$instance-new-$dead" ]
	unset 'kept[-1]' # went with its instance
	for form in "${kept[@]}"; do expect [ -d "$pins/$form" ]; done
	# with nothing attached
	mkdir "$pins/$instance-new-$dead"
	hop detach --all --instance "$instance"
	expect [ "$status" -eq 3 ]
	expect [ ! -e "$pins/$instance-new-$dead" ]
	hop attach "$cg" --instance "$instance-new-$dead"
	expect [ "$status" -eq 2 ]
}

@test "an attach that is killed while it makes its instance is no obstacle, and nothing of it stays" {
	local pid killed=0
	require_root
	new_cgroup
	attached=1
	for _ in {1..10}; do
		"$sockhop" attach "$cg" --instance "$instance" 3>&- &
		pid=$!
		while kill -0 "$pid" && [ ! -d "$pins/$instance-new-$pid" ]; do :; done
		kill -KILL "$pid"
		wait "$pid" || true
		[ ! -d "$pins/$instance-new-$pid" ] || killed=$((killed + 1))
		[ "$killed" -lt 3 ] || break
		[ ! -d "$pins/$instance" ] || hop detach --all --instance "$instance" # it was faster
	done
	expect [ "$killed" -eq 3 ]
	hop attach "$cg" --instance "$instance"
	expect [ "$status" -eq 0 ]
	expect lacks "$(echo "$pins"/*)" "$instance-new-"
}

@test "a program under run lives on when others detach its instance" {
	local run
	attached=1 # in case it fails
	"$sockhop" run --instance "$instance" -- sh -c 'trap "exit 9" TERM HUP INT USR1; n=0
		while [ $((n += 1)) -lt 15 ]; do sleep 0.1; done; exit 4' 3>&- &
	run=$!
	for _ in {1..100}; do
		"$sockhop" status --json --instance "$instance" 2>/dev/null | jq -e .agent.alive >/dev/null && break
		sleep 0.02
	done
	hop detach --all --instance "$instance"
	expect [ "$status" -eq 0 ]
	expect [ "$err" = "" ]
	status=0
	wait "$run" || status=$?
	expect [ "$status" -eq 4 ]
	attached=
}

# bpf_msg_apply_bytes (61), cork_bytes (62), push_data (90), pop_data (91): docs/design.md, I10
@test "the programs call no helper that has corrupted memory, as far as their code shows" {
	local code
	code=$(for o in "$BUILD"/bpf/*.bpf.o; do llvm-objdump -d "$o"; done)
	grep -q '85 00 00 00 47 00 00 00' <<<"$code" # bpf_msg_redirect_hash: what we look for would be found
	if grep -E '85 00 00 00 (3d|3e|5a|5b) 00 00 00' <<<"$code"; then return 1; fi
}

@test "each policy that is installed is understood, and says what the operator vouches for" {
	local file
	attach_new_cgroup
	for file in "$BATS_TEST_DIRNAME"/../../docs/policies/*.policy; do
		echo "$file"
		hop policy set "$file" --instance "$instance"
		expect [ "$status" -eq 0 ]
		# those that are commented out, too
		sed 's/^#trust/trust/' "$file" >"$BATS_TEST_TMPDIR/all"
		hop policy set "$BATS_TEST_TMPDIR/all" --instance "$instance"
		expect [ "$status" -eq 0 ]
		hop policy show --json --instance "$instance"
		expect holds '.rules | length > 0 and all(.action == "trust")'
		expect grep -q '^# You vouch for: ' "$file"
	done
}

@test "the program that is installed refuses the test switches; elsewhere they are named, loudly" {
	require_root
	new_cgroup
	attached=1
	make -s -C "$BATS_TEST_DIRNAME/../.." install DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/usr 3>&- >/dev/null ||
		skip "make install does not work here"
	run env SOCKHOP_TEST_FORCE=order "$BATS_TEST_TMPDIR/root/usr/sbin/sockhop" attach "$cg" --instance "$instance"
	expect [ "$status" -eq 5 ]
	expect contains "$output" "SOCKHOP_TEST_FORCE is set"
	# nor has the one without shared libraries, where it was built (make static)
	[ ! -x "$BUILD/static/sockhop" ] || {
		run env SOCKHOP_TEST_FORCE=order "$BUILD/static/sockhop" attach "$cg" --instance "$instance"
		expect [ "$status" -eq 5 ]
		expect contains "$output" "SOCKHOP_TEST_FORCE is set"
	}
	run env SOCKHOP_TEST_FORCE=ordr "$sockhop" attach "$cg" --instance "$instance"
	expect [ "$status" -eq 1 ]
	expect contains "$output" "not a list of test switches"
	run env SOCKHOP_TEST_FORCE=order,4 "$sockhop" attach "$cg" --no-agent --instance "$instance"
	expect [ "$status" -eq 0 ]
	expect contains "$output" "TEST ONLY"
	for cmd in status list; do
		run "$sockhop" $cmd --instance "$instance"
		expect contains "$output" "TEST ONLY: instance '$instance' lacks rules that keep bytes safe (trim,order)"
	done
	run bash -c "$sockhop status --json --instance $instance 2>/dev/null | jq -r .test_switches"
	expect [ "$output" = trim,order ]
}
