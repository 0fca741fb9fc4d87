#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# `sockhop report`: one archive with what a bug report needs, nothing that is secret, whole or not at all.

bats_require_minimum_version 1.5.0

setup() {
	load ../lib
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	dir=$BATS_TEST_TMPDIR/reports
	mkdir "$dir"
	INSTANCE=$lib_id
}

teardown() {
	[ -z "${mounted:-}" ] || umount "$mounted"
	[ -z "${public:-}" ] || rm -rf "$public"
	lib_teardown
}

report() { timeout 120 "$SOCKHOP" report --instance "$INSTANCE" "$@"; }

# part FILE NAME: a file of the archive
part() { tar -xzOf "$1" "sockhop-report/$2"; }

# A program in the attached cgroup with a secret in its environment, its arguments and what it sends.
talk() {
	spawn -c "$CG" env TOKEN=secret-of-environment python3 -c '
import select, socket
server = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(server.getsockname())
b, _ = server.accept()
for end in a, b:
    end.setblocking(False)
while True:
    for sender, reader in (a, b), (b, a):
        sender.send(b"secret-of-payload")
        select.select([reader], [], [])
        reader.recv(64)
' secret-of-arguments
}

@test "the report of an attached instance has all parts, mode 0600, below one folder" {
	new_cgroup
	attach "$CG"
	"$SOCKHOP" policy add never port 22 --instance "$INSTANCE"
	talk
	wait_list 15 'length == 1' "$INSTANCE"
	run -0 --separate-stderr report "$dir/r.tar.gz"
	[ "$output" = "$dir/r.tar.gz" ]
	[ -z "$stderr" ]
	[ "$(stat -c %a "$dir/r.tar.gz")" = 600 ]
	[ "$(ls "$dir")" = r.tar.gz ]
	run -0 tar -tzf "$dir/r.tar.gz"
	[ "$(grep -cv '^sockhop-report/' <<<"$output")" -eq 0 ]
	part "$dir/r.tar.gz" summary.json | jq -e --arg i "$INSTANCE" '
		.attached and .instance == $i and (.parts | length == 5 and all(.error == null))'
	part "$dir/r.tar.gz" status.json | jq -e '.attached and .state == "attached"'
	part "$dir/r.tar.gz" list.json | jq -e 'length == 1 and (.[0].a.program | test("python"))'
	part "$dir/r.tar.gz" policy.json | jq -e '.rules[0].rule == "never port 22"'
	part "$dir/r.tar.gz" check.json | jq -e '(.checks | length > 10) and (.advisories | length > 0)'
	part "$dir/r.tar.gz" version.json | jq -e .abi
	part "$dir/r.tar.gz" uname.txt | grep -qF "$(uname -r)"
	part "$dir/r.tar.gz" os-release | grep -q ^ID=
	part "$dir/r.tar.gz" bpf.json | jq -e '
		([.programs[].name] | index("hop_sockops") and index("hop_setsockopt") and
			any(startswith("hop_msg")) and index("hop_visit") and index("hop_poke")) and
		([.links[] | select(.attach_type == "cgroup_sock_ops")] | length == 1) and
		([.maps[].pin] | index("config") and index("members"))'
	if [ -e "/boot/config-$(uname -r)" ] || [ -e /proc/config.gz ]; then
		part "$dir/r.tar.gz" kernel-config.txt | grep -q ^CONFIG_BPF_SYSCALL=y
	fi
}

@test "no payload, environment, command line or host name is in it" {
	new_cgroup
	attach "$CG"
	talk
	wait_list 15 'length == 1' "$INSTANCE"
	TOKEN=secret-of-caller report "$dir/r.tar.gz"
	mkdir "$dir/x"
	tar -xzf "$dir/r.tar.gz" -C "$dir/x"
	grep -rq python "$dir/x" # it has been looked at
	run -1 grep -r secret-of "$dir/x"
	run -1 grep -rwF "$(hostname)" "$dir/x/sockhop-report/uname.txt"
}

@test "where nothing is attached the report says so, exit status 0" {
	report "$dir/r.tar.gz"
	part "$dir/r.tar.gz" summary.json | jq -e '.attached == false and
		(.parts[] | select(.file == "status.json").exit_status == 3)'
	part "$dir/r.tar.gz" status.json | jq -e '.attached == false'
	part "$dir/r.tar.gz" policy.json.err | grep -q 'not attached'
	run -0 tar -tzf "$dir/r.tar.gz"
	[[ $output != *bpf.json* ]]
	part "$dir/r.tar.gz" check.json | jq -e .checks
}

@test "without a name it is one of the working directory, with the time" {
	cd "$dir"
	run -0 --separate-stderr report
	[[ $output =~ ^sockhop-report-[0-9]{8}-[0-9]{6}\.tar\.gz$ ]]
	[ "$(ls)" = "$output" ]
}

@test "a file that exists is replaced with --force only" {
	echo mine >"$dir/r.tar.gz"
	run -1 report "$dir/r.tar.gz"
	[[ $output == *"r.tar.gz' exists already: give another name, or --force" ]]
	[ "$(cat "$dir/r.tar.gz")" = mine ]
	report --force "$dir/r.tar.gz"
	part "$dir/r.tar.gz" summary.json | jq -e .sockhop
	[ "$(stat -c %a "$dir/r.tar.gz")" = 600 ]
	# of a link the name is replaced, not what it leads to
	echo other >"$dir/other"
	ln -sf other "$dir/link.tar.gz"
	run -1 report "$dir/link.tar.gz"
	report --force "$dir/link.tar.gz"
	[ "$(cat "$dir/other")" = other ]
	[ ! -L "$dir/link.tar.gz" ]
	run -1 report --force "$dir"
	[ -d "$dir" ]
}

@test "a full disk: an error, and nothing half-written is left" {
	mkdir "$dir/full"
	mount -t tmpfs -o size=64k tmpfs "$dir/full" || skip "cannot mount a tmpfs"
	mounted=$dir/full
	head -c 65536 /dev/zero >"$dir/full/ballast"
	run -1 report "$dir/full/r.tar.gz"
	echo "$output"
	[[ $output == *"cannot write '$dir/full/r.tar.gz': No space left on device"* ]]
	[ "$(ls "$dir/full")" = ballast ]
	# the same where a file may not be that large
	run -1 bash -c 'ulimit -f 1 && exec "$0" report "$1"' "$SOCKHOP" "$dir/r.tar.gz"
	echo "$output"
	[[ $output == *"cannot write '$dir/r.tar.gz': File too large"* ]]
	[ ! -e "$dir/r.tar.gz" ]
}

@test "a folder that is not there or may not be written: an error at once" {
	local since=$SECONDS
	run -1 report "$dir/none/r.tar.gz"
	[[ $output == *"cannot write '$dir/none/r.tar.gz': No such file or directory" ]]
	public=$(mktemp -d)
	chmod 755 "$public"
	install -m 755 "$SOCKHOP" "$public/sockhop"
	run -4 setpriv --reuid=65534 --regid=65534 --clear-groups "$public/sockhop" report "$public/r.tar.gz"
	[[ $output == *"cannot write '$public/r.tar.gz': Permission denied" ]]
	[ "$(ls "$public")" = sockhop ]
	[ $((SECONDS - since)) -lt 5 ]
}

@test "without privileges there is a report, which says what is missing" {
	public=$(mktemp -d)
	chmod 777 "$public"
	install -m 755 "$SOCKHOP" "$public/sockhop"
	cd "$public"
	run -0 --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups ./sockhop report r.tar.gz
	[[ $stderr == *"run it as root"* ]]
	part r.tar.gz summary.json | jq -e '.uid == 65534 and any(.parts[]; .exit_status == 4)'
	part r.tar.gz uname.txt
}

@test "a report that is interrupted leaves nothing" {
	local start child
	spawn "$SOCKHOP" report "$dir/r.tar.gz"
	start=$(_lib_start_time "$SPAWN_PID")
	has_child() { child=$(pgrep -P "$SPAWN_PID"); }
	wait_for 10 has_child # it is under way
	kill -TERM "$SPAWN_PID"
	wait_for 10 _lib_ended "$SPAWN_PID" "$start"
	no_child() { [ ! -e "/proc/$child" ]; }
	wait_for 10 no_child
	[ -z "$(ls "$dir")" ]
}
