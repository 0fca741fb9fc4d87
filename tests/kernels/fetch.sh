#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# fetch.sh SERIES: gets Debian's current cloud kernel of a series (6.1, 6.12), without installing it, and prints its
# folder, build/kernels/RELEASE: vmlinux, and the modules the tests use. A release is fetched once.
#
# The package is found through the meta packages: old ABIs leave the mirror. Where the mirror cannot be reached, the
# newest release fetched before is taken. Exit status 77 and a reason on stderr if there is none.
set -euo pipefail

series=${1:?SERIES}
cache=${BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}/kernels
modules="veth tls"

skip() {
	echo "no $series kernel: $*" >&2
	exit 77
}

# The image package that a meta package of this series stands for now. Which series the plain meta package is
# depends on the Debian release.
image_package() {
	local meta image
	for meta in "linux-image-$series-cloud-amd64" linux-image-cloud-amd64; do
		image=$(apt-cache depends "$meta" 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
		[[ $image != "linux-image-$series".* ]] || { echo "$image"; return; }
	done
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
		file=$(find "$1/lib/modules" -name "$name.ko*" | head -n1)
		case $file in
		*.xz) xz -dc "$file" >"$2/modules/$name.ko" ;;
		*.zst) zstd -qdc "$file" >"$2/modules/$name.ko" ;;
		*.ko) cp "$file" "$2/modules/" ;;
		esac
	done
}

fetch() { # IMAGE-PACKAGE DIRECTORY
	local work
	work=$(mktemp -d)
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	chmod 755 "$work"
	(cd "$work" && timeout 120 apt-get -qq download "$1" >apt.log 2>&1) || return 1
	dpkg -x "$work"/*.deb "$work/x"
	mkdir -p "$work/out"
	unpack_bzimage "$work"/x/boot/vmlinuz-* "$work/out/vmlinux" || skip "cannot unpack $1"
	take_modules "$work/x" "$work/out"
	mkdir -p "$cache"
	rm -rf "$2"
	mv "$work/out" "$2"
}

command -v apt-get >/dev/null || skip "apt-get is not there"
[ "$(dpkg --print-architecture)" = amd64 ] || skip "the tests know Debian's amd64 kernels only"

image=$(image_package) || { timeout 60 apt-get -qq update >/dev/null 2>&1 && image=$(image_package); } || image=
dir=$cache/${image#linux-image-}
if [ -n "$image" ] && [ ! -s "$dir/vmlinux" ]; then
	fetch "$image" "$dir" || { timeout 120 apt-get -qq update >/dev/null 2>&1 && fetch "$image" "$dir"; } || image=
fi
[ -n "$image" ] || dir=$(newest_cached) || skip "the package mirror has none or cannot be reached"
echo "$dir"
