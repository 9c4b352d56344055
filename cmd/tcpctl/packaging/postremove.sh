#!/bin/sh
# After a removal, a purge, or an upgrade. Configuration and state stay until a purge.
set -e

if [ "${1:-}" = purge ]; then
	rm -rf /var/lib/tcpctl /var/log/tcpctl
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
