#!/usr/bin/env bash
# Tries the Debian packages in a clean root, as root, without touching the
# machine or any network: installs OLD, serves clients, upgrades to NEW while
# they are connected, removes and purges.
#
#   debootstrap --variant=minbase bookworm ROOT
#   cmd/tcpctl/packaging/try-deb.sh ROOT OLD.deb NEW.deb
set -euo pipefail

if [ "${1:-}" != inside ]; then
	[ $# = 3 ] || { echo "usage: $0 ROOT OLD.deb NEW.deb" >&2; exit 2; }
	exec unshare --mount --pid --net --fork --mount-proc "$0" inside "$@"
fi
root=$2 old=$3 new=$4
dir=$(mktemp -d)
jobs=()
finish() {
	local status=$?
	kill "${jobs[@]}" 2>/dev/null || true
	[ $status = 0 ] || { echo "FAILED"; cat "$dir/log" 2>/dev/null; }
	rm -rf "$dir"
}
trap finish EXIT

say() { printf '\n== %s\n' "$*"; }
here() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
is() { [ "$2" = "$3" ] || { echo "$1 is '$2', want '$3'"; exit 1; }; echo "$1: $2"; }
names() { (cd "$root" && find . -xdev \( -path ./proc -o -path ./var/cache -o -path ./var/log/apt -o -path ./var/log/dpkg.log -o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path ./tmp \) -prune -o -print | sort); }

ip link set lo up
mount --bind /proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
cp "$old" "$root/tmp/old.deb"
cp "$new" "$root/tmp/new.deb"
names >"$dir/before"

say "install"
here apt-get install -y -q --no-install-recommends /tmp/old.deb 2>&1 | tail -4
here tcpctl version
here getent passwd tcpctl
is "owner and mode of /etc/tcpctl" "$(here stat -c '%U:%G %a' /etc/tcpctl)" "root:tcpctl 770"
here sh -c 'test -r /usr/share/man/man1/tcpctl.1.gz -a -r /usr/share/bash-completion/completions/tcpctl -a -r /usr/lib/systemd/system/tcpctl.service'
here tcpctl check -c /usr/share/doc/tcpctl/examples/tcpctl.toml

say "serve, as the unit does"
printf '[services.db]\nlisten = "127.0.0.1:15432"\nbackends = ["127.0.0.1:15433"]\n' >"$root/etc/tcpctl/tcpctl.toml"
socat TCP-LISTEN:15433,bind=127.0.0.1,fork,reuseaddr EXEC:cat &
jobs+=($!)
here install -d -o tcpctl -g tcpctl /run/tcpctl # RuntimeDirectory
here install -d -o tcpctl -g tcpctl -m 0700 /var/lib/tcpctl # StateDirectory
here install -d -o tcpctl -g tcpctl /var/log/tcpctl # LogsDirectory
here env STATE_DIRECTORY=/var/lib/tcpctl setpriv --reuid=tcpctl --regid=tcpctl --init-groups --bounding-set=-all --no-new-privs \
	/usr/bin/tcpctl run --no-ui --socket /run/tcpctl/tcpctl.sock -c /etc/tcpctl/tcpctl.toml >"$dir/log" 2>&1 &
jobs+=($!)
answers() { # that the instance answers, as root
	for _ in $(seq 300); do
		here tcpctl status >/dev/null 2>&1 && return
		sleep 0.1
	done
	here tcpctl status
}
answers
running() { here tcpctl status --json | sed -n 's/.*"version": "\([0-9.]*\).*/\1/p' | head -1; }
first=$(here tcpctl version --json | sed -n 's/.*"version": "\([^"]*\)".*/\1/p')
is "version that serves" "$(running)" "$first"
exec 5<>/dev/tcp/127.0.0.1/15432
echo "before" >&5
read -r -t 30 line <&5
is "a client hears" "$line" before

say "upgrade, with that client connected and others coming"
(
	n=0 failed=0
	while [ ! -e "$dir/upgraded" ]; do
		if exec 6<>/dev/tcp/127.0.0.1/15432 && echo "$n" >&6 && read -r -t 30 got <&6 && [ "$got" = "$n" ]; then :; else failed=$((failed + 1)); fi
		exec 6>&-
		n=$((n + 1))
	done
	echo "$n new clients during the upgrade, $failed failed" >"$dir/clients"
	[ $failed = 0 ]
) &
clients=$!
here dpkg -i /tmp/new.deb
second=$(here tcpctl version --json | sed -n 's/.*"version": "\([^"]*\)".*/\1/p')
answers
is "version that serves" "$(running)" "$second"
[ "$first" != "$second" ] || { echo "OLD and NEW are the same version"; exit 1; }
touch "$dir/upgraded"
wait $clients || { cat "$dir/clients"; exit 1; }
cat "$dir/clients"
echo "after" >&5
read -r -t 30 line <&5
is "the client from before hears" "$line" after
exec 5>&-

say "remove"
here apt-get remove -y -q tcpctl 2>&1 | tail -3
for _ in $(seq 300); do
	pgrep -x tcpctl >/dev/null || break
	sleep 0.1
done
is "processes" "$(pgrep -c -x tcpctl || true)" 0
names >"$dir/after"
echo "what is left:"
comm -13 "$dir/before" "$dir/after"

say "purge"
rm "$root/etc/tcpctl/tcpctl.toml" # the operator's own
here apt-get purge -y -q tcpctl 2>&1 | tail -1
names >"$dir/after"
echo "what is left:"
comm -13 "$dir/before" "$dir/after"
say "done"
