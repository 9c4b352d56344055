#!/bin/sh
# Before a removal, and before the files of an upgrade are replaced: then the
# instance goes on. deb remove|upgrade, rpm 0|1, apk none.
set -e

case "${1:-remove}" in
upgrade | deconfigure | failed-upgrade | 1) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl disable --now tcpctl.service || true
elif [ -S /run/tcpctl/tcpctl.sock ]; then
	tcpctl --socket /run/tcpctl/tcpctl.sock stop || true
fi
