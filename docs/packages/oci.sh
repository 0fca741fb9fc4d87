#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# oci.sh PROGRAM FOLDER: an OCI image of PROGRAM, a sockhop that needs no shared libraries: the image layout FOLDER/image and
# FOLDER/sockhop.tar, the same as one file ("oci-archive"). `make oci` calls it; it needs umoci and binutils, no root and no network.
# The same program, VERSION and SOURCE_DATE_EPOCH (else: the time of the last commit) make the same bytes.
set -euo pipefail

program=$1 out=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
version=$(cat "$root/VERSION")
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || stat -c %Y "$root/VERSION")}
date=$(date -u -d "@$epoch" +%FT%TZ)
machine=$(uname -m)
case $machine in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$machine ;;
esac

for tool in umoci strip readelf; do
	command -v "$tool" >/dev/null || {
		echo "sockhop: missing to make an image: $tool ('tests/deps.sh oci' installs it on Debian)" >&2
		exit 1
	}
done
if readelf -lW "$program" | grep -q INTERP; then
	echo "sockhop: '$program' needs shared libraries, which the image does not have: give build/static/sockhop" >&2
	exit 1
fi

# same FOLDER TARFILE NAME...: an archive in which nothing is of this machine or moment
same() {
	local folder=$1 file=$2
	shift 2
	tar -C "$folder" --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$epoch" -cf "$file" "$@"
}

rm -rf "$out"
tree=$out/tree image=$out/image:$version
# the folders are where volumes go
mkdir -p "$tree"/{usr/sbin,usr/share/doc/sockhop,etc/sockhop,run/sockhop,var/log/pods}
strip -o "$tree/usr/sbin/sockhop" "$program"
cp "$root/docs/packages/debian/copyright" "$root/LICENSE" "$tree/usr/share/doc/sockhop/"
same "$tree" "$out/layer.tar" etc run usr var

umoci init --layout "$out/image"
umoci new --image "$image"
umoci raw add-layer --image "$image" --history.created "$date" --history.created_by "docs/packages/oci.sh" "$out/layer.tar"
umoci config --image "$image" --no-history --created "$date" --architecture "$arch" --os linux \
	--config.entrypoint /usr/sbin/sockhop --config.env PATH=/usr/sbin --config.workingdir / \
	--config.label org.opencontainers.image.title=sockhop \
	--config.label "org.opencontainers.image.version=$version" \
	--config.label org.opencontainers.image.licenses=GPL-2.0-only
umoci gc --layout "$out/image"
same "$out/image" "$out/sockhop.tar" blobs index.json oci-layout
rm -rf "$tree" "$out/layer.tar"
echo "$out/sockhop.tar: sockhop:$version for $arch, $(($(stat -c %s "$out/sockhop.tar") / 1024)) KiB"
