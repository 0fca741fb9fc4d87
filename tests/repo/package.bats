#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The Debian package in a bare Debian: built, installed, upgraded over members, removed, purged.
# timeout: 900

bats_require_minimum_version 1.5.0

setup_file() {
	load bare
	export TREE=$BATS_FILE_TMPDIR/bare OUT=$BATS_FILE_TMPDIR/deb MIRROR LOG=$BATS_FILE_TMPDIR/build.log
	"$bare_root/tests/deps.sh" package || return
	timeout 300 "$bare_root/docs/packages/build.sh" deb "$OUT" >"$LOG" 2>&1 || {
		tail -n 30 "$LOG"
		return 1
	}
	MIRROR=$(bare_mirror) || return 0
	# shellcheck disable=SC2086
	bare_make "$TREE" $MIRROR
	mkdir -p "$TREE/root/sockhop"
}

setup() {
	load bare
	load ../lib
	bare_root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
}
teardown() { lib_teardown; }
teardown_file() { rm -rf --one-file-system "$TREE" "$OUT"; }

version=$(tr - '~' <"$BATS_TEST_DIRNAME/../../VERSION")
deb() { echo "$OUT/sockhop_$version-1_$(dpkg --print-architecture).deb"; }

# there CMD...: in the bare tree
there() { in_bare "$TREE" 120 "$@"; }

# made_as VERSION: the same package under another version, in the bare tree's /root/sockhop
hopping='map(select(.state == "hopping")) | length == 1'

made_as() {
	local tree=$BATS_TEST_TMPDIR/$1
	dpkg-deb -R "$(deb)" "$tree"
	sed -i "s/^Version: .*/Version: $1/" "$tree/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$tree" "$TREE/root/sockhop/sockhop_$1.deb" >/dev/null
}

@test "its version is that of VERSION" {
	[ -s "$(deb)" ]
	[ "$(dpkg-parsechangelog -l "$bare_root/docs/packages/debian/changelog" -S Version)" = "$version-1" ]
}

@test "lintian finds nothing" {
	run lintian --allow-root --fail-on error,warning,info "$OUT"/*.changes
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "installed, upgraded over members, removed, purged: members stay, then nothing is left" {
	[[ $MIRROR == *:/* ]] || skip "$MIRROR"
	local client port
	port=$(free_port)
	made_as "$version-1"
	made_as "$version-2"
	there apt-get update -qq
	run there apt-get install -y -qq --no-install-recommends "./sockhop_$version-1.deb"
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	there sockhop version | grep -q "$(cat "$bare_root/VERSION")"

	# programs of the host, attached by the program of the package
	new_cgroup
	INSTANCE=package-$$
	_lib_note instance "$INSTANCE"
	there sockhop attach --instance "$INSTANCE" "$CG"
	spawn -c "$CG" "$BUILD/tests/prog/rr" rr -p "$port" -w 0.1 -s 60
	client=$SPAWN_PID
	wait_list 20 "$hopping" "$INSTANCE"

	run there apt-get install -y -qq --no-install-recommends "./sockhop_$version-2.deb"
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	list_is "$hopping" "$INSTANCE"

	run there apt-get remove -y -qq sockhop
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	[ ! -e "/sys/fs/bpf/sockhop/$INSTANCE" ]
	[ ! -e "$TREE/usr/sbin/sockhop" ]
	kill -0 "$client"
	run there sh -c 'echo >/etc/default/sockhop; apt-get purge -y -qq sockhop'
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	[ -z "$(find "$TREE" -xdev -name '*sockhop*' -not -path "$TREE/root/*" -not -path "$TREE/proc/*" -not -path "$TREE/var/*")" ]
}

@test "the rpm spec builds" {
	RPM_FLAGS=--nodeps run timeout 300 "$bare_root/docs/packages/build.sh" rpm "$BATS_TEST_TMPDIR/rpm"
	[ "$status" -eq 0 ] || { tail -n 20 <<<"$output"; return 1; }
	rpm -qlp "$BATS_TEST_TMPDIR"/rpm/RPMS/*/sockhop-*.rpm | grep -qx /usr/sbin/sockhop
}
