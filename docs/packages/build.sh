#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# build.sh deb|rpm FOLDER: builds the package from the sources as they are, in FOLDER, where the result lies, too.
# `make deb` and `make rpm` call it. The version is that of the file VERSION, with a tilde for its dash: 0.2.0~dev comes
# before 0.2.0.
set -euo pipefail

kind=$1 out=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
version=$(tr - '~' <"$root/VERSION")
tree=$out/sockhop-$version

# What a commit would hold; outside a repository, all but what was built.
sources() {
	if git -C "$root" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git -C "$root" ls-files -coz --exclude-standard
	else
		(cd "$root" && find . -path ./build -prune -o -type f -print0)
	fi
}

rm -rf "$out"
mkdir -p "$tree"
(cd "$root" && sources | tar --null --ignore-failed-read -T - -c 2>/dev/null) | tar -x -C "$tree"

case $kind in
deb)
	tar -C "$out" --sort=name --owner=0 --group=0 -czf "$out/sockhop_$version.orig.tar.gz" "sockhop-$version"
	cp -r "$root/docs/packages/debian" "$tree/debian"
	cd "$tree"
	exec dpkg-buildpackage -us -uc
	;;
rpm)
	mkdir -p "$out"/{SOURCES,SPECS}
	tar -C "$out" -czf "$out/SOURCES/sockhop-$version.tar.gz" "sockhop-$version"
	cp "$root/docs/packages/rpm/sockhop.spec" "$out/SPECS/"
	# shellcheck disable=SC2086 # flags, as --nodeps where rpm is not the package manager
	exec rpmbuild --define "_topdir $out" --define "upstream $version" ${VMLINUX_H:+--define "vmlinux_h $VMLINUX_H"} \
		${RPM_FLAGS:-} -ba "$out/SPECS/sockhop.spec"
	;;
esac
