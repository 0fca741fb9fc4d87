#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tree.sh: makes an ext4 image of a Debian of the host's release with the packages of `packages`, databases that are ready to start,
# and prints its path, build/kernels/real-HASH.img. It is made once for each state of the files that it depends on (about 4
# minutes), and never written to. Needs root, debootstrap and a package mirror; exit status 77 and a reason on stderr without.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
export BUILD=${BUILD:-$(cd "$here/../../.." && pwd)/build}
. "$here/../../repo/bare.bash"

skip() {
	echo "no userland for guests: $*" >&2
	exit 77
}

image=$BUILD/kernels/real-$(cat "$here"/{packages,tree.sh,Web.java} | sha256sum | head -c 12).img
[ ! -s "$image" ] || { echo "$image"; exit; }
[ "$(id -u)" = 0 ] || skip "it takes root"
for tool in debootstrap mke2fs; do command -v $tool >/dev/null || skip "$tool is not installed (tests/deps.sh qemu)"; done
at=$(bare_mirror) || skip "$at"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
tree=$work/tree
# shellcheck disable=SC2086
bare_make "$tree" $at mawk >&2 || skip "debootstrap failed"

# Inside the tree: no service starts; PostgreSQL's and MariaDB's files as their packages make them, without passwords.
mkdir "$tree/root/sockhop"
cp "$here/Web.java" "$tree/root/"
cat >"$tree/root/setup.sh" <<'SETUP'
set -e
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -qq update
apt-get -qq install --no-install-recommends $*
javac -d /srv /root/Web.java
cd /
pg=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
install -d -o postgres /srv/pg /srv/pg-run
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
$as $pg/initdb -D /srv/pg -A trust -U postgres --no-sync
$as $pg/pg_ctl -D /srv/pg -w -o "-k /srv/pg-run -c listen_addresses= -F" start
$pg/pgbench -h /srv/pg-run -U postgres -i -q -s 1 postgres
$as $pg/pg_ctl -D /srv/pg -w stop
mariadb-install-db --user=mysql --datadir=/srv/maria --skip-test-db
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/man /usr/share/locale
SETUP
# shellcheck disable=SC2046
in_bare "$tree" 900 sh /root/setup.sh $(sed 's/#.*//' "$here/packages") >"$work/log" 2>&1 3>&2 ||
	{ tail -n 20 "$work/log" >&2; skip "its packages cannot be installed"; }
rm -rf "$tree/root/sockhop"
mkdir -p "$BUILD/kernels"
rm -f "$BUILD"/kernels/real-*.img
# room for what the servers write
size=$(($(du -sm "$tree" | cut -f1) * 12 / 10 + 500))
mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$tree" "$image.new" "${size}M" >&2 || skip "mke2fs failed"
mv "$image.new" "$image"
echo "$image"
