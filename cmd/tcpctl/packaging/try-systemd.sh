#!/usr/bin/env bash
# Tries the Debian packages under a systemd that is process 1, as root, in a
# container without a network: installs OLD, starts the unit, reloads, upgrades to
# NEW while clients are connected, rotates the logs, restarts, removes and purges.
#
#   debootstrap --variant=minbase --include=systemd-sysv,dbus,logrotate,socat bookworm ROOT
#   cmd/tcpctl/packaging/try-systemd.sh ROOT OLD.deb NEW.deb
set -euo pipefail

if [ "${1:-}" != inside ]; then
	[ $# = 3 ] || { echo "usage: $0 ROOT OLD.deb NEW.deb" >&2; exit 2; }
	root=$1
	cp "$2" "$root/root/old.deb"
	cp "$3" "$root/root/new.deb"
	cp "$0" "$root/root/try.sh"
	rm -f "$root/root/passed"
	cat >"$root/etc/systemd/system/try.service" <<-UNIT
		[Unit]
		After=basic.target
		[Service]
		Type=oneshot
		ExecStart=/bin/bash /root/try.sh inside
		ExecStopPost=/bin/systemctl --no-block poweroff
		StandardOutput=file:/root/log
		StandardError=file:/root/log
		TimeoutStartSec=600
		[Install]
		WantedBy=multi-user.target
	UNIT
	ln -sf ../try.service "$root/etc/systemd/system/multi-user.target.wants/try.service"
	: >"$root/root/log"
	systemd-nspawn --quiet --directory="$root" --private-network --register=no --keep-unit --boot >"$root/root/console" 2>&1 </dev/null || true
	cat "$root/root/log"
	[ -e "$root/root/passed" ] || { echo FAILED; tail -20 "$root/root/console"; exit 1; }
	exit
fi

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root
say() { printf '\n== %s\n' "$*"; }
is() { [ "$2" = "$3" ] || { echo "$1 is '$2', want '$3'"; journalctl -u tcpctl --no-pager | tail -30; exit 1; }; echo "$1: $2"; }
running() { tcpctl status --json | sed -n 's/.*"version": "\([0-9.]*\).*/\1/p' | head -1; }
of() { systemctl show -P "$1" tcpctl; }
echoes() { # that the client on descriptor 5 is served
	echo "$1" >&5
	read -r -t 30 line <&5
	is "the client hears" "$line" "$1"
}
names() { find /etc /usr /var /run /lib -xdev \( -path /var/cache -o -path /var/log/journal -o -path /var/log/apt -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/tmp -o -path /run/systemd -o -path /run/log -o -path /usr/share/man/cat\* \) -prune -o -print | sort; }

ip link set lo up 2>/dev/null || true
names >/tmp/before
say "process 1 is $(cat /proc/1/comm); install"
began=$(date +%s%N)
since() { echo "$1 after $((($(date +%s%N) - began) / 1000000)) ms"; }
apt-get install -y -q --no-install-recommends /root/old.deb 2>&1 | tail -3
since installed
is "the unit" "$(systemctl is-active tcpctl || true), $(systemctl is-enabled tcpctl || true)" "inactive, disabled"
systemd-analyze verify --man=no tcpctl.service && echo "systemd-analyze verify: nothing to say"

say "serve"
printf '[log]\nfile = "/var/log/tcpctl/tcpctl.log"\n[services.db]\nlisten = "127.0.0.1:543"\nbackends = ["127.0.0.1:15433"]\n' >/etc/tcpctl/tcpctl.toml
tcpctl check
systemd-run --quiet --unit=backend socat TCP-LISTEN:15433,bind=127.0.0.1,fork,reuseaddr EXEC:cat
systemctl enable --now tcpctl 2>&1
since "started and ready"
is "the unit" "$(systemctl is-active tcpctl), $(systemctl is-enabled tcpctl)" "active, enabled"
is "its user" "$(ps -o user= -p "$(of MainPID)" 2>/dev/null || stat -c %U "/proc/$(of MainPID)")" tcpctl
old=$(running) first=$(of MainPID)
tcpctl status
exec 5<>/dev/tcp/127.0.0.1/543
echoes before
since "a client served"
systemd-analyze security --no-pager tcpctl.service | tail -1

say "reload"
sed -i 's/^backends.*/&\nmax_sessions = 1000/' /etc/tcpctl/tcpctl.toml
systemctl reload tcpctl
echoes reloaded

say "upgrade, with that client connected and others coming"
(
	n=0 failed=0
	while [ ! -e /tmp/upgraded ]; do
		if exec 6<>/dev/tcp/127.0.0.1/543 && echo "$n" >&6 && read -r -t 30 got <&6 && [ "$got" = "$n" ]; then :; else failed=$((failed + 1)); fi
		exec 6>&-
		n=$((n + 1))
	done
	echo "$n new clients during the upgrade, $failed failed" >/tmp/clients
	[ $failed = 0 ]
) &
clients=$!
dpkg -i /root/new.deb 2>&1 | tail -3
new=$(tcpctl version --json | sed -n 's/.*"version": "\([^"]*\)".*/\1/p')
for _ in $(seq 100); do
	[ "$(running)" = "$new" ] && [ "$(of MainPID)" != "$first" ] && break
	sleep 0.1
done
is "version that serves" "$(running)" "$new"
[ "$new" != "$old" ] || { echo "OLD and NEW are the same version"; exit 1; }
is "the unit" "$(of ActiveState), restarted $(of NRestarts) times" "active, restarted 0 times"
[ "$(of MainPID)" != "$first" ] || { echo "systemd still has the old process for the main one"; exit 1; }
touch /tmp/upgraded
wait $clients || { cat /tmp/clients; exit 1; }
cat /tmp/clients
echoes after

say "logrotate"
logrotate --force /etc/logrotate.d/tcpctl
tcpctl mark rotated
for _ in $(seq 100); do
	grep -q rotated /var/log/tcpctl/tcpctl.log && break
	sleep 0.1
done
is "the new log has the mark" "$(grep -c rotated /var/log/tcpctl/tcpctl.log)" 1
exec 5>&-

say "restart, remove"
systemctl restart tcpctl
is "the unit" "$(systemctl is-active tcpctl)" active
apt-get remove -y -q tcpctl 2>&1 | tail -2
is "the unit" "$(systemctl is-active tcpctl || true)" inactive
is "processes" "$(cat /proc/[0-9]*/comm | grep -cx tcpctl || true)" 0
systemctl stop backend
names >/tmp/after
echo "what is left:"
comm -13 /tmp/before /tmp/after

say "purge"
rm /etc/tcpctl/tcpctl.toml
apt-get purge -y -q tcpctl 2>&1 | tail -1
names >/tmp/after
echo "what is left:"
comm -13 /tmp/before /tmp/after
touch /root/passed
say "done"
