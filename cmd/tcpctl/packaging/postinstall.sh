#!/bin/sh
# After an installation or an upgrade: deb configure [OLD], rpm 1|2.
set -e

if ! id tcpctl >/dev/null 2>&1; then
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers /usr/lib/sysusers.d/tcpctl.conf
	else
		useradd --system --user-group --no-create-home --home-dir /var/lib/tcpctl --shell /usr/sbin/nologin tcpctl
	fi
fi

# The configuration may name secrets; what drain --save keeps stands beside it.
if chgrp tcpctl /etc/tcpctl 2>/dev/null; then
	chmod 0770 /etc/tcpctl
fi

# The unit makes it, too, but tcpctl check looks for it before the unit has run.
install -d -o tcpctl -g tcpctl -m 0755 /var/log/tcpctl

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi

# An instance that runs hands its listeners to the new binary: no client is
# refused, and no live session ends.
if [ -S /run/tcpctl/tcpctl.sock ]; then
	if ! tcpctl --socket /run/tcpctl/tcpctl.sock upgrade; then
		echo "tcpctl: the running instance stays with the old binary; to replace it: tcpctl upgrade, or systemctl restart tcpctl" >&2
	fi
fi
