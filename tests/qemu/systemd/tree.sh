#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tree.sh: makes an ext4 image of a Debian of the host's release with systemd, redis and nginx as their packages ship them, and
# prints its path, build/kernels/systemd-HASH.img. It is made once (about 2 minutes), and never written to. Needs root, debootstrap
# and a package mirror; exit status 77 and a reason on stderr without.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
export BUILD=${BUILD:-$(cd "$here/../../.." && pwd)/build}
. "$here/../../repo/bare.bash"

skip() {
	echo "no userland for guests: $*" >&2
	exit 77
}

image=$BUILD/kernels/systemd-$(cat "$here"/{packages,tree.sh} | sha256sum | head -c 12).img
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
mkdir "$tree/root/sockhop"
cat >"$tree/root/setup.sh" <<'SETUP'
set -e
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -qq update
apt-get -qq install --no-install-recommends $*
rm /usr/sbin/policy-rc.d
# what takes an emulated machine long, and has nothing to do with us
systemctl mask getty@tty1.service console-getty.service systemd-udevd.service systemd-udev-trigger.service apt-daily.timer \
	apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer systemd-timesyncd.service e2scrub_reap.service
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/man /usr/share/locale /root/setup.sh
SETUP
# shellcheck disable=SC2046
in_bare "$tree" 900 sh /root/setup.sh $(sed 's/#.*//' "$here/packages") >"$work/log" 2>&1 3>&2 ||
	{ tail -n 20 "$work/log" >&2; skip "its packages cannot be installed"; }
rm -rf "$tree/root/sockhop"
mkdir -p "$BUILD/kernels"
rm -f "$BUILD"/kernels/systemd-*.img
size=$(($(du -sm "$tree" | cut -f1) * 12 / 10 + 200))
mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$tree" "$image.new" "${size}M" >&2 || skip "mke2fs failed"
mv "$image.new" "$image"
echo "$image"
