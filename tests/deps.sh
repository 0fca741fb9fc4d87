#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# deps.sh [STEP]...: installs the Debian packages that a step (build, test, fuzz, demo, bench, lint, install, package, oci) needs; silent when
# all are there.
# On a system without apt-get it names what is missing and fails.
# The lists are read by name, as ${!step}:
# shellcheck disable=SC2034
set -euo pipefail

# Debian names the test suite by version only
python=python3.11
! grep -qsx 'VERSION_ID="13"' /etc/os-release || python=python3.13

build="clang bpftool libbpf-dev libelf-dev zlib1g-dev libjson-c-dev libinih-dev libcap-ng-dev libseccomp-dev libarchive-dev libmicrohttpd-dev
	libncurses-dev libsystemd-dev pkg-config gcc make libc6-dev"
install="scdoc gzip"
oci="umoci binutils"
demo="redis-server redis-tools nginx-light wrk iproute2 util-linux jq curl"
test="libcmocka-dev liburing-dev bats $demo haproxy memcached socat netcat-openbsd postgresql postgresql-contrib
	apache2-utils nftables iptables conntrack libnginx-mod-stream openssl openssh-server openssh-client curl python3 jq libelf-dev
	procps util-linux crun golang-github-containers-common python3-yaml $oci strace binutils llvm gosu lib$python-testsuite python3-tornado gunicorn default-jdk-headless debootstrap spin prometheus tmux $install"
qemu="qemu-system-x86 busybox-static cpio zstd lz4 xz-utils debootstrap e2fsprogs golang-go"
bench="gnuplot-nox linux-perf redis-server redis-tools nginx-light libnginx-mod-stream wrk haproxy memcached postgresql
	postgresql-contrib iproute2 nftables python3 bpftool"
fuzz="libclang-rt-dev python3"
package="dpkg-dev debhelper fakeroot lintian rpm"
lint="clang-format cppcheck shellcheck python3"

want=
for step in "$@"; do want="$want ${!step}"; done
missing=
for p in $want; do
	[[ " $missing " != *" $p "* ]] || continue
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
	echo "sockhop: please install (Debian names):$missing" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# Packages must not start services on the machine they are installed on.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
	trap 'rm -f $policy' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
