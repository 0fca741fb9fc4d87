# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# bare.bash: a Debian as it is after its installation, in a folder: for fresh.bats. Needs root, debootstrap, and a package
# mirror that the host's apt knows; names none itself.

bare_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# .deb files, for the next time
bare_cache=${BUILD:-$bare_root/build}/bare

# The host's Debian repositories as lines for sources.list.
bare_sources() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(ORIGIN) deb $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
		sed -n 's/^Debian deb /deb /p' | sort -u
}

# What the host's apt needs to reach them.
bare_proxies() { apt-config dump | grep -iE '^Acquire::.*(Proxy|CaInfo|Verify)' || true; }

# bare_mirror: "URI SUITE" of the host's release. False, with the reason, where it cannot be reached.
bare_mirror() {
	local uri suite probe
	# the suite itself, not its updates
	read -r _ uri suite _ < <(bare_sources | awk '$3 !~ /-/ && $4 == "main"')
	[ -n "$suite" ] || { echo "the host's apt knows no Debian mirror"; return 1; }
	probe=$(mktemp -u /tmp/sockhop-bare.XXXXXX)
	timeout 60 /usr/lib/apt/apt-helper download-file "${uri%/}/dists/$suite/Release" "$probe" >/dev/null 2>&1 || {
		rm -f "$probe"
		echo "the package mirror cannot be reached"
		return 1
	}
	rm -f "$probe"
	echo "$uri $suite"
}

# _bare_own CMD...: in a mount namespace of its own, so that nothing stays mounted, whatever happens
_bare_own() { unshare -m --propagation private "$@"; }

# bare_make FOLDER URI SUITE [PACKAGES]: nothing but git and make (or PACKAGES), and the certificates that a mirror may need
bare_make() {
	local proxy
	mkdir -p "$bare_cache"
	proxy=$(apt-config shell p Acquire::http::Proxy | sed "s/^p='\(.*\)'$/\1/")
	http_proxy=${http_proxy:-$proxy} _bare_own debootstrap --variant=minbase --include="${4:-git,make},ca-certificates" \
		--cache-dir="$bare_cache" "$3" "$1" "$2" >"$1.log" 2>&1 || {
		tail -n 20 "$1.log"
		return 1
	}
	bare_sources >"$1/etc/apt/sources.list"
	bare_proxies >"$1/etc/apt/apt.conf.d/90host"
	cp /etc/hosts /etc/resolv.conf "$1/etc/"
}

# bare_copy FOLDER: the sources as a clone has them, and what is not committed yet; in /root/sockhop
bare_copy() {
	mkdir "$1/root/sockhop"
	(cd "$bare_root" && git -c safe.directory="$bare_root" ls-files -coz --exclude-standard |
		tar --null --ignore-failed-read -T - -c 2>/dev/null) | tar -x -C "$1/root/sockhop"
	[ -f "$1/root/sockhop/Makefile" ]
}

# in_bare FOLDER SECONDS CMD...: there, in the sources, with the kernel, devices and cgroups of the host
# shellcheck disable=SC2016
in_bare() {
	local tree=$1 seconds=$2
	shift 2
	# not chroot alone: to the kernel the folder would still be a part of the host's tree, and show in names of files
	_bare_own bash -c '
		mount --bind "$0" "$0" || exit
		for d in proc sys dev; do mount --rbind "/$d" "$0/$d" || exit; done
		mount --bind "$1" "$0/var/cache/apt/archives" && cd "$0" && pivot_root . . && umount -l . || exit
		exec timeout -k 20 "$2" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
			${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
			sh -c "cd /root/sockhop && exec \"\$@\"" sh "${@:3}"' \
		"$tree" "$bare_cache" "$seconds" "$@" 3>&-
}
