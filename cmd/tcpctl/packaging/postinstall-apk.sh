#!/bin/sh
# After an installation or an upgrade on Alpine, which has BusyBox and no systemd.
set -e

if ! id tcpctl >/dev/null 2>&1; then
	addgroup -S tcpctl
	adduser -S -D -H -h /var/lib/tcpctl -s /sbin/nologin -G tcpctl tcpctl
fi
chgrp tcpctl /etc/tcpctl
chmod 0770 /etc/tcpctl
mkdir -p /var/log/tcpctl
chown tcpctl:tcpctl /var/log/tcpctl

# As in postinstall.sh.
if [ -S /run/tcpctl/tcpctl.sock ]; then
	tcpctl --socket /run/tcpctl/tcpctl.sock upgrade ||
		echo "tcpctl: the running instance stays with the old binary; to replace it: tcpctl upgrade" >&2
fi
