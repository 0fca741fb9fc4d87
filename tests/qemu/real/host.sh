#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# host.sh [STEP]: real.sh on the running kernel instead of in a guest: in a copy of the tree, with mounts and a network of its own,
# in a cgroup that goes with it. Output in build/kernels/host-real.log (STEP: host-STEP.log), rows on stdout. Needs root.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
export BUILD=${BUILD:-$(cd "$here/../../.." && pwd)/build}
step=${1:-real}
log=$BUILD/kernels/host-$step.log
image=$("$here/tree.sh")
tree=$(mktemp -d)
trap 'rm -rf --one-file-system "$tree"' EXIT
trap 'exit 130' INT TERM

debugfs -R "rdump / $tree" "$image" 2>/dev/null
mkdir -p "$tree/t"
cp "$here"/{real.sh,client.py,web.js} "$here/../steps.sh" "$BUILD/static/answers" "$BUILD/release/sockhop" "$tree/t/"
# shellcheck disable=SC2016
unshare --mount --net --propagation private bash -c '
	cd "$0" && mount -t proc proc proc && mount -t sysfs sys sys && mount --rbind /dev dev || exit
	mount -t cgroup2 cgroup2 sys/fs/cgroup && mount -t tmpfs tmp tmp && mount -t tmpfs run run && chmod 1777 tmp || exit
	ip link set lo up
	chroot . env -i PATH=/t:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CG="/sys/fs/cgroup/$1" timeout -k 5 1200 bash /t/real.sh "$2"
	[ -d "sys/fs/cgroup/$1" ] || exit
	echo 1 >"sys/fs/cgroup/$1/cgroup.kill"
	for _ in {1..50}; do ! rmdir "sys/fs/cgroup/$1" 2>/dev/null || break; sleep 0.1; done' \
	"$tree" "kernels-$$" "$step" >"$log" 2>&1 </dev/null || true
echo "RAN $(date -u +%F)" >>"$log"
grep '^ROW' "$log"
grep -q '^DONE' "$log" && ! grep -qE '^ROW [^|]*\|FAIL' "$log"
