# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# image.bash: an ext4 image with a Debian of the host's release, for guests. It is made once for each state of the files that
# it depends on, and never written to. Needs root, debootstrap and a package mirror: exit status 77 and a reason on stderr
# without.

image_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export BUILD=${BUILD:-$image_root/build}
. "$image_root/tests/repo/bare.bash"

image_skip() {
	echo "no userland for guests: $*" >&2
	exit 77
}

# image_begin NAME FOLDER FILE...: prints the path of build/kernels/NAME-HASH.img and ends the script if it is there; else makes
# the folder $image_tree with a bare Debian. FOLDER has tree.sh and `packages`; FILE: what else the image depends on.
image_begin() {
	local tool at
	image_name=$1
	image_from=$2
	shift 2
	image=$BUILD/kernels/$image_name-$(cat "$image_from"/{packages,tree.sh} "$image_root"/tests/qemu/{image.bash,libraries} "$@" | sha256sum | head -c 12).img
	[ ! -s "$image" ] || { echo "$image"; exit; }
	[ "$(id -u)" = 0 ] || image_skip "it takes root"
	for tool in debootstrap mke2fs; do
		command -v $tool >/dev/null || image_skip "$tool is not installed (tests/deps.sh qemu)"
	done
	at=$(bare_mirror) || image_skip "$at"
	image_work=$(mktemp -d)
	trap 'rm -rf "$image_work"' EXIT
	chmod 755 "$image_work"
	image_tree=$image_work/tree
	# shellcheck disable=SC2086
	bare_make "$image_tree" $at mawk >&2 || image_skip "debootstrap failed"
	mkdir "$image_tree/root/sockhop"
}

# image_end MEGABYTES: installs what `packages` and ../libraries name, no service starting, and then runs in the tree the lines of standard
# input; prints the path of the image, which has so much room for what programs write.
image_end() {
	local size
	{
		cat <<-'SETUP'
			set -e
			export DEBIAN_FRONTEND=noninteractive
			printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
			chmod 755 /usr/sbin/policy-rc.d
			apt-get -qq update
			apt-get -qq install --no-install-recommends $*
		SETUP
		cat
		cat <<-'SETUP'
			apt-get clean
			rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/man /usr/share/locale /root/setup.sh
		SETUP
	} >"$image_tree/root/setup.sh"
	# shellcheck disable=SC2046
	in_bare "$image_tree" 900 sh /root/setup.sh $(sed 's/#.*//' "$image_from/packages" "$image_root/tests/qemu/libraries") >"$image_work/log" 2>&1 3>&2 ||
		{ tail -n 20 "$image_work/log" >&2; image_skip "its packages cannot be installed"; }
	rm -rf "$image_tree/root/sockhop"
	mkdir -p "$BUILD/kernels"
	rm -f "$BUILD/kernels/$image_name"-*.img
	size=$(($(du -sm "$image_tree" | cut -f1) * 12 / 10 + $1))
	mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$image_tree" "$image.new" "${size}M" >&2 || image_skip "mke2fs failed"
	mv "$image.new" "$image"
	echo "$image"
}
