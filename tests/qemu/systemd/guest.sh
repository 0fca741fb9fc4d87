#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# guest.sh: what runs, as a service of its own, in a guest with systemd, Debian's redis and nginx, and sockhop@default enabled
# before it booted. Rows as in ../guest.sh; the end of it powers the guest off.
export PATH=/t:/usr/sbin:/usr/bin:/sbin:/bin
. /t/steps.sh
cd /

# until SECONDS CMD...: waits for it
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.3
	done
}
attached() { sockhop status | grep -qE "/$1 +[0-9]+ +attached"; }
hopped() { sockhop status --json | tr -d ' \n' | sed 's/.*"hopped":{"messages":\([0-9]*\).*/\1/'; }
hops_on() { local before; before=$(hopped); sleep 1; [ "$(hopped)" -gt "$before" ]; }
main_pid() { systemctl show -P MainPID "$1"; }
pinned() { [ -e /sys/fs/bpf/sockhop/default/config ]; }
another_agent() { local now; now=$(main_pid sockhop@default); [ "$now" != 0 ] && [ "$now" != "$1" ] && systemctl is-active sockhop@default; }
# step NAME CMD...: a row; what the unit said, if it failed
step() {
	local name=$1 code=0
	shift
	"$@" || code=$?
	verdict "$name" $code "$note"
	[ $code -eq 0 ] || { sockhop status; journalctl -u sockhop@default -n 20 --no-pager -o cat; systemctl status --no-pager sockhop@default; }
	note=
}

boots() { until_true 300 systemctl is-active sockhop@default redis-server nginx load && pinned; }
attaches() { until_true 30 attached redis-server.service && until_true 30 attached nginx.service && until_true 30 attached load.service; }
restarts() {
	systemctl restart redis-server nginx && attaches && until_true 90 hops_on
}
killed() {
	local pid
	pid=$(main_pid sockhop@default)
	echo 'this is a mistake' >>/etc/sockhop/default.conf # what is in force counts
	kill -KILL "$pid"
	until_true 200 another_agent "$pid" && until_true 60 hops_on
}
reload_fails() {
	systemctl reload sockhop@default && return 1
	journalctl -u sockhop@default -o cat --no-pager | grep 'default.conf:[0-9]*:1: it is neither' && attached nginx.service
}
reloads() {
	sed -i '/mistake/d;/nginx/d' /etc/sockhop/default.conf
	systemctl reload sockhop@default && ! attached nginx.service && attached redis-server.service && until_true 60 hops_on
}
# another version: the old one takes its instance down, the new one makes its own
upgrades() {
	local client
	client=$(main_pid load)
	systemctl stop sockhop@default && ! pinned && cp /t/sockhop /t/sockhop.new && mv /t/sockhop.new /t/sockhop &&
		systemctl start sockhop@default && until_true 90 hops_on && [ "$client" = "$(main_pid load)" ]
}
disabled() {
	systemctl disable --now sockhop@default && ! pinned && [ ! -e /run/sockhop/default.conf.json ] &&
		! pgrep -x sockhop && systemctl is-active redis-server nginx load
}
secure() {
	systemd-analyze security --no-pager sockhop@default >/tmp/out
	tail -n1 /tmp/out
	note=$(sed -n 's/.*: \([0-9.]* [A-Z]*\).*/\1/p' /tmp/out | tail -n1)
	[ -n "$note" ]
}

echo "RELEASE $(uname -r)"
step "systemd: enabled, it starts at boot" boots
step "systemd: configured services are attached" attaches
step "systemd: redis hops" until_true 180 hops_on
step "systemd: restarted services hop again" restarts
step "systemd: a killed agent is started again" killed
step "systemd: a reload with a mistake fails, and changes nothing" reload_fails
step "systemd: a reload detaches what is no more configured" reloads
step "systemd: an upgrade, the same connections" upgrades
step "systemd: security" secure
step "systemd: disabled, nothing is left" disabled
echo DONE
