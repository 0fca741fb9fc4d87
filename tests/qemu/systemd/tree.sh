#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tree.sh: makes an image (image.bash) with systemd, redis and nginx as their packages ship them, and prints its path,
# build/kernels/systemd-HASH.img. It takes about 2 minutes.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../image.bash"

image_begin systemd "$here"
image_end 200 <<'SETUP'
rm /usr/sbin/policy-rc.d
# what takes an emulated machine long, and has nothing to do with us
systemctl mask getty@tty1.service console-getty.service systemd-udevd.service systemd-udev-trigger.service apt-daily.timer \
	apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer systemd-timesyncd.service e2scrub_reap.service
SETUP
