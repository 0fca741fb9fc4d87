#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# fetch.sh SERIES: gets Debian's current cloud kernel of a series (6.1, 6.12; 7: the newest 7.x), without installing it, and
# prints its folder, build/kernels/RELEASE: vmlinux, and the modules the tests use. A release is fetched once.
#
# What the host's own package sources do not have comes from the backports of a newer Debian ($newer), by the host's own mirror
# and key, through a sources list and package lists in build/kernels/apt: those of the host stay as they are.
#
# The package is found through the meta packages: old ABIs leave the mirror. Where the mirror cannot be reached, the
# newest release fetched before is taken. Exit status 77 and a reason on stderr if there is none.
set -euo pipefail

series=${1:?SERIES}
cache=${BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}/kernels
modules="veth tls"
newer=${KERNEL_SUITES:-"trixie-backports forky-backports"}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
apt_options=() # none: the host's own sources

skip() {
	echo "no $series kernel: $*" >&2
	exit 77
}

# The image package that a meta package of this series stands for now. Which series the plain meta package is
# depends on the Debian release.
image_package() {
	local meta image
	for meta in "linux-image-$series-cloud-amd64" linux-image-cloud-amd64; do
		image=$(apt-cache "${apt_options[@]}" depends "$meta" 2>/dev/null |
			awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
		[[ $image != "linux-image-$series".* ]] || { echo "$image"; return; }
	done
	# a series that backports went past: the newest of what is still there
	image=$(apt-cache "${apt_options[@]}" pkgnames "linux-image-$series." 2>/dev/null | grep -- '-cloud-amd64$' |
		sort -V | tail -n1)
	[ -n "$image" ] && echo "$image"
}

# The mirror of Debian that this host uses.
mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
		grep -v -- -security | head -n1
}

update() { timeout 120 apt-get "${apt_options[@]}" -qq update >/dev/null 2>&1; }

# From here on apt looks into this suite only, with state of its own.
use_suite() { # SUITE
	local apt=$cache/apt/$1 uri
	uri=$(mirror)
	[ -n "$uri" ] && [ -r $keyring ] || return 1
	mkdir -p "$apt"/{lists,archives}/partial
	echo "deb [signed-by=$keyring] $uri $1 main" >"$apt/sources.list"
	apt_options=(-o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt" -o "Dir::Cache::Archives=$apt/archives")
}

# Sets image, and apt_options for where it is.
find_image() {
	local suite
	image=$(image_package) && return
	if [ "${1:-}" = update ]; then update && image=$(image_package) && return; fi
	for suite in $newer; do
		use_suite "$suite" || continue
		[ "${1:-}" != update ] || update || continue
		image=$(image_package) && return
	done
	apt_options=()
	image=
	return 1
}

newest_cached() {
	local dir
	dir=$(printf '%s\n' "$cache/$series".*/vmlinux | sort -V | tail -n1)
	[ -s "$dir" ] || return 1
	dirname "$dir"
}

bytes() { od -An -t"u$3" -j "$2" -N "$3" "$1" | tr -d ' '; }

# The ELF kernel out of a bzImage, by its setup header (Documentation/arch/x86/boot.rst: setup_sects, payload_offset,
# payload_length; the last 4 bytes of the payload are its unpacked size). Under emulation the kernel's own unpacker
# would take longer than the rest of the boot.
unpack_bzimage() { # BZIMAGE VMLINUX
	local at=$((($(bytes "$1" $((0x1f1)) 1) + 1) * 512 + $(bytes "$1" $((0x248)) 4)))
	local len=$(($(bytes "$1" $((0x24c)) 4) - 4)) unpack size
	case $(od -An -tx1 -j $at -N 4 "$1" | tr -d ' ') in
	1f8b*) unpack="gzip -dc" ;;
	fd377a58) unpack="xz -dc" ;;
	28b52ffd) unpack="zstd -qdc" ;;
	02214c18) unpack="lz4 -dc" ;;
	*) return 1 ;;
	esac
	# lz4 complains about what follows its data; the size tells whether all is there
	tail -c +$((at + 1)) "$1" | head -c "$len" | $unpack >"$2" 2>/dev/null || true
	size=$(bytes "$1" $((at + len)) 4)
	[ "$(stat -c %s "$2")" -ge $((size * 9 / 10)) ] && [ "$(head -c 4 "$2" | tail -c 3)" = ELF ]
}

take_modules() { # UNPACKED-PACKAGE DIRECTORY
	local name file
	mkdir -p "$2/modules"
	for name in $modules; do
		file=$(find "$1"/lib/modules "$1"/usr/lib/modules -name "$name.ko*" 2>/dev/null | head -n1)
		case $file in
		*.xz) xz -dc "$file" >"$2/modules/$name.ko" ;;
		*.zst) zstd -qdc "$file" >"$2/modules/$name.ko" ;;
		*.ko) cp "$file" "$2/modules/" ;;
		esac
	done
}

# The packages that the kernel and its modules are in: from 7.x on the image package is an empty one.
parts() { # IMAGE-PACKAGE
	local depends
	depends=$(apt-cache "${apt_options[@]}" depends "$1" | awk '$1 == "Depends:" && $2 ~ /^linux-(binary|modules)-[0-9]/ { print $2 }')
	echo "${depends:-$1}"
}

fetch() { # IMAGE-PACKAGE DIRECTORY
	local work deb bzimage
	work=$(mktemp -d)
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	chmod 755 "$work"
	# shellcheck disable=SC2046
	(cd "$work" && timeout 120 apt-get "${apt_options[@]}" -qq download $(parts "$1") >apt.log 2>&1) || return 1
	for deb in "$work"/*.deb; do dpkg -x "$deb" "$work/x"; done
	mkdir -p "$work/out"
	bzimage=$(find "$work/x" -name 'vmlinuz*' -type f | head -n1)
	unpack_bzimage "$bzimage" "$work/out/vmlinux" || skip "cannot unpack $1"
	take_modules "$work/x" "$work/out"
	mkdir -p "$cache"
	rm -rf "$2"
	mv "$work/out" "$2"
}

command -v apt-get >/dev/null || skip "apt-get is not there"
[ "$(dpkg --print-architecture)" = amd64 ] || skip "the tests know Debian's amd64 kernels only"

find_image || find_image update || image=
dir=$cache/${image#linux-image-}
if [ -n "$image" ] && [ ! -s "$dir/vmlinux" ]; then
	fetch "$image" "$dir" || { update && fetch "$image" "$dir"; } || image=
fi
[ -n "$image" ] || dir=$(newest_cached) || skip "the package mirror has none or cannot be reached"
echo "$dir"
