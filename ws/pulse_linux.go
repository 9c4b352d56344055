package ws

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpCloseWait is TCP_CLOSE_WAIT of the kernel: the peer's FIN has come, and
// we have not closed.
const tcpCloseWait = 8

// pulseOf asks the kernel of a TCP connection.
func pulseOf(raw syscall.RawConn) (p pulse, ok bool) {
	if raw == nil {
		return p, false
	}
	err := raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		p = pulse{received: info.Bytes_received, acked: info.Bytes_acked, ended: info.State == tcpCloseWait}
		p.unread, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		p.unsent, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		ok = true
	})
	return p, ok && err == nil
}

// hasPulse says whether pulseOf may know of a connection.
func hasPulse(raw syscall.RawConn) bool { return raw != nil }
