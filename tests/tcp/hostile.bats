#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Tenants who make the examination of their programs as dear as they can: the agent stays within its share, and others
# join as ever.

setup() {
	load ../lib
	load tcp
	TMP=$BATS_TEST_TMPDIR
	chmod 755 "$TMP"
	mkdir "$TMP/files"
}
teardown() { lib_teardown; }

# maps.so: a program that has it preloaded maps every file of $HOSTILE_FILES executable.
build_maps() {
	cat >"$TMP/maps.c" <<-'C'
		#include <dirent.h>
		#include <fcntl.h>
		#include <stdlib.h>
		#include <sys/mman.h>
		#include <unistd.h>
		__attribute__((constructor)) static void map_all(void)
		{
			DIR *d = opendir(getenv("HOSTILE_FILES"));
			for (struct dirent *e; d && (e = readdir(d));) {
				int fd = openat(dirfd(d), e->d_name, O_RDONLY);
				mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
				close(fd);
			}
		}
	C
	cc -shared -fPIC -o "$TMP/maps.so" "$TMP/maps.c"
}

watched_agent() {
	LOG="$TMP/agent"
	attached_cgroup --no-agent
	spawn -o "$LOG" "$SOCKHOP" agent -vv --instance "$INSTANCE"
	AGENT=$SPAWN_PID
}

# CPU time of the agent and all that it has started, in ms; what has ended is in the agent's own line once it was reaped
agent_cpu() {
	local p
	for p in "$AGENT" $(pgrep -P "$AGENT"); do
		sed 's/.*) //' "/proc/$p/stat" 2>/dev/null
	done | awk -v hz="$(getconf CLK_TCK)" '{ t += $12 + $13 + $14 + $15 } END { print int(t * 1000 / hz) }'
}

looks() { grep -c examined "$LOG"; }
examined() { grep -q 'examined [1-9]' "$LOG"; }

# Files as often new as can be.
touch_all() { while touch "$TMP"/files/*; do :; done; }

@test "files that are dear to examine and change all the time cost the agent no more than its share" {
	local before spent
	build_maps
	"$lib_root/tests/prog/hostile.py" "$TMP/files" 40 32
	chown 12345 "$TMP"/files/*
	watched_agent
	spawn touch_all
	spawn -c "$CG" env HOSTILE_FILES="$TMP/files" LD_PRELOAD="$TMP/maps.so" "$K/rr" -w 0 -s 100
	wait_for 20 examined
	# what was saved is spent at first; then the share is 1/20 for these files, and 1/60 for passes
	calm() { local t; t=$(agent_cpu); sleep 2; [ "$(($(agent_cpu) - t))" -lt 400 ]; }
	wait_for 40 calm
	before=$(agent_cpu)
	sleep 10
	spent=$(($(agent_cpu) - before))
	echo "CPU time in 10 s: $spent ms"
	[ "$spent" -lt 1500 ]
	# another program joins as ever
	spawn -c "$CG" "$K/rr" -w 0 -s 20
	wait_for 5 members_are 2
	[ "$(pgrep -c -P "$AGENT")" -le 8 ]
}

@test "an examiner that hangs does not keep others from joining, and ends with the agent" {
	local children child before
	watched_agent
	spawn -c "$CG" "$K/rr" -w 0 -s 40
	wait_for 20 members_are 2
	children=$(pgrep -P "$AGENT")
	[ -n "$children" ]
	# as one that waits for a file system: the next process that is looked at hangs in it
	for child in $children; do kill -STOP "$child"; done
	before=$(looks)
	spawn -c "$CG" "$K/rr" -w 0 -s 30
	looked() { [ "$(looks)" -gt "$before" ]; }
	wait_for 5 looked
	members_are 2
	spawn -c "$CG" "$K/rr" -w 0 -s 30
	wait_for 5 members_are 4
	kill -KILL "$AGENT"
	gone() { for child in $children; do [ ! -e "/proc/$child" ] || return 1; done; }
	wait_for 5 gone
}
