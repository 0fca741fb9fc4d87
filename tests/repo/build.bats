#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The Makefile: what it asks for, what it rebuilds, what it installs; and what is generated or said twice agrees.
# timeout: 300

bats_require_minimum_version 1.5.0

setup() {
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	BUILD=${BUILD:-$root/build}
	tmp=$BATS_TEST_TMPDIR
}

# As on the command line, not as part of the `make test` that runs this.
make_() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u CI -u WERROR make --no-print-directory -C "$root" "$@"; }

# A PATH in which apt-get only says that it was called.
without_apt() {
	mkdir "$tmp/bin"
	printf '#!/bin/sh\necho "apt-get $*" >>%s/apt\n' "$tmp" >"$tmp/bin/apt-get"
	chmod 755 "$tmp/bin/apt-get"
	PATH=$tmp/bin:$PATH "$@"
}

has() { grep -qE -- "$1" <<<"$output" || { echo "no '$1' in: $output"; return 1; }; }
lacks() { ! grep -qE -- "$1" <<<"$output" || { echo "'$1' in: $output"; return 1; }; }

@test "make names the tools and libraries that are missing, and installs nothing" {
	run -2 without_apt make_ B="$tmp/b" CLANG=no-such-clang PKGS="libelf no-such-library"
	has '^sockhop: missing to build: no-such-clang no-such-library$'
	has 'make deps'
	[ ! -e "$tmp/apt" ]
	[ ! -e "$tmp/b/sockhop" ]
}

@test "without BTF make says what can be given instead" {
	run -2 make_ B="$tmp/b" VMLINUX_BTF=/nonexistent/vmlinux
	has 'no BTF in /nonexistent/vmlinux: give VMLINUX_BTF=.* VMLINUX_H='
}

# As a packager: another user, no /sys, so no running kernel to ask, no network.
@test "make and make install need no root and no kernel with BTF" {
	local tree
	tree=$(mktemp -d) # where another user may go
	(cd "$root" && tar -c --exclude=./build --exclude=./.git .) | tar -x -C "$tree"
	cp "$BUILD/vmlinux.h" "$tree/the-vmlinux.h"
	chown -R 65534:65534 "$tree"
	run unshare -mn bash -c 'mount -t tmpfs none /sys && cd "$0" &&
		exec setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH=/usr/bin:/bin HOME=/nonexistent \
			make -j2 VMLINUX_H=the-vmlinux.h PREFIX=/usr DESTDIR=out install' "$tree"
	echo "$output"
	find "$tree/out" -type f -printf '/%P\n' | LC_ALL=C sort >"$tmp/installed"
	[ ! -f "$tree/out/usr/lib/systemd/system/sockhop-agent.service" ] ||
		grep -q '^ExecStart=/usr/sbin/sockhop agent$' "$tree/out/usr/lib/systemd/system/sockhop-agent.service" || status=99
	rm -rf "$tree"
	[ "$status" -eq 0 ]
	diff "$tmp/installed" - <<-END
		/usr/lib/systemd/system/sockhop-agent.service
		/usr/lib/systemd/system/sockhop-metrics.service
		/usr/lib/systemd/system/sockhop-metrics.socket
		/usr/lib/systemd/system/sockhop@.service
		/usr/sbin/sockhop
		/usr/share/bash-completion/completions/sockhop
		/usr/share/man/man5/sockhop.conf.5.gz
		$(cd "$root/docs/man" && printf '/usr/share/man/man8/%s.gz\n' *.8.scd | sed 's/\.scd//' | LC_ALL=C sort)
		/usr/share/sockhop/policies/envoy.policy
		/usr/share/sockhop/policies/go.policy
		/usr/share/sockhop/policies/haproxy.policy
		/usr/share/sockhop/policies/java.policy
		/usr/share/sockhop/policies/python.policy
		/usr/share/sockhop/sockhop.dashboard.json
		/usr/share/sockhop/sockhop.rules.yml
	END
}

@test "uninstall removes what install put there, and nothing else" {
	mkdir -p "$tmp/out/opt/sbin"
	touch "$tmp/out/opt/sbin/other"
	make_ install DESTDIR="$tmp/out" PREFIX=/opt
	[ "$(find "$tmp/out" -type f | wc -l)" -eq $((14 + $(find "$root/docs/man" -name "*.scd" | wc -l))) ]
	make_ uninstall DESTDIR="$tmp/out" PREFIX=/opt
	[ "$(find "$tmp/out" -type f)" = "$tmp/out/opt/sbin/other" ]
	[ ! -e "$tmp/out/opt/share/sockhop" ]
}

@test "systemd takes the units" {
	command -v systemd-analyze >/dev/null || skip "no systemd on this host"
	make_ install DESTDIR="$tmp/out" >/dev/null
	sed -i "s|/usr/local/sbin|$tmp/out/usr/local/sbin|" "$tmp"/out/usr/local/lib/systemd/system/sockhop-*.service
	run systemd-analyze verify --man=no "$tmp"/out/usr/local/lib/systemd/system/sockhop-*
	echo "$output"
	lacks 'sockhop-(agent|metrics)'
}

@test "what is built is up to date, and a header rebuilds what includes it" {
	make_ all
	run -0 make_ -n all
	has 'Nothing to be done'
	run -0 make_ -n -W bpf/relay.h all
	has 'bpf/relay\.bpf\.o'
	lacks 'bpf/sockops\.bpf\.o'
	run -0 make_ -n -W bpf/abi.h all
	has 'bpf/sockops\.bpf\.o'
}

@test "warnings are errors with WERROR=1 and where CI is set only; V=1 shows the commands" {
	run -0 make_ -n B="$tmp/b" "$tmp/b/agent/view/reasons.o" VMLINUX_H="$BUILD/vmlinux.h"
	lacks '-Werror'
	run -0 make_ -n B="$tmp/b" "$tmp/b/agent/view/reasons.o" VMLINUX_H="$BUILD/vmlinux.h" WERROR=1
	has '-Werror'
	run -0 env CI=true bash -c "unset MAKEFLAGS MAKELEVEL; make -n -C '$root' B='$tmp/b' VMLINUX_H='$BUILD/vmlinux.h' '$tmp/b/agent/view/reasons.o'"
	has '-Werror'
	run -0 make_ B="$tmp/c" "$tmp/c/vmlinux.h" VMLINUX_H="$BUILD/vmlinux.h"
	lacks '^cp '
	rm "$tmp/c/vmlinux.h"
	run -0 make_ B="$tmp/c" "$tmp/c/vmlinux.h" VMLINUX_H="$BUILD/vmlinux.h" V=1
	has '^cp '
}

@test "docs/reasons.md is what docs/gen-reasons makes of bpf/reasons.h" {
	"$root/docs/gen-reasons" | diff "$root/docs/reasons.md" -
	# each has its row, whatever gen-reasons makes of the header; "none" has none
	diff <(grep -oE '^\| `[a-z-]+`' "$root/docs/reasons.md" | tr -d '|` ' | sort) \
		<(sed -n '/define HOP_STAYS/,/^enum hop_why /p' "$root/bpf/reasons.h" | grep -oE '"[a-z-]+"' | tr -d '"' |
			grep -vx none | sort)
}

@test "man pages and completion are what docs/gen-commands makes of the tables of the commands" {
	local file seen=0
	make_ build/docs/gen-commands >/dev/null
	for file in "$root"/docs/man/*.scd "$root/docs/completion/sockhop.bash"; do
		seen=$((seen + $(grep -cE '^[;#] generated: ' "$file" || true)))
		diff "$file" <("$root/build/docs/gen-commands" <"$file")
	done
	for file in $("$root/build/docs/gen-commands" names); do
		[ -e "$root/docs/man/sockhop-$file.8.scd" ]
		seen=$((seen - 2))
	done
	[ "$seen" -eq 4 ] # of the main page and the completion
}

# What happened goes up as an error number and a report (agent/report.h); util.c and output.c write what commands say.
@test "below the commands nothing prints errors or results, or knows exit statuses" {
	local files
	files=$(cd "$root" && grep -rlE '\b(EXIT_[A-Z]+|exit_status|msg_error|stdout)\b|[^a-z]printf\([^)]' --include='*.[ch]' agent cgroup)
	grep -q main.c <<<"$files"
	run -1 grep -vE '^agent/(cmd[/_.]|main\.c)|/(output|util|screen)\.[ch]$' <<<"$files"
}

# rows_of TABLE: how many rows an X macro of bpf/end.h has
rows_of() { sed -n "/define $1(X)/,/^$/p" "$root/bpf/end.h" | grep -c '^	X('; }

@test "the states in docs/design.md are what docs/gen-states makes of bpf/end.h" {
	"$root/docs/gen-states" | diff "$root/docs/design.md" -
	# each state and each move has its row, whatever gen-states makes of the header
	[ "$(grep -cE '^    [A-Z]+ --> [A-Z]+: .' "$root/docs/design.md")" -eq "$(rows_of HOP_MOVES)" ]
	[ "$(sed -n '/^<!-- states/,/mermaid/p' "$root/docs/design.md" | grep -cE '^\| [a-z]+ \|')" -eq \
		$(($(rows_of HOP_STATES) + 1)) ]
}

@test "the version stands in VERSION alone, and the change log knows it" {
	local version
	version=$(cat "$root/VERSION")
	[ "$("${SOCKHOP:-$BUILD/sockhop}" version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+(-dev)?' | head -n1)" = "$version" ]
	run -0 grep -m1 '^## ' "$root/CHANGELOG.md"
	has "^## ${version%-dev}( \(unreleased\))?$"
	run ! grep -rnF "$version" "$root/Makefile" "$root/agent" "$root/bpf" "$root/docs/man" "$root/docs/completion"
}
