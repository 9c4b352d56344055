package ws

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpCloseWait is TCP_CLOSE_WAIT of the kernel: the peer's FIN has come, and we
// have not closed.
const tcpCloseWait = 8

// readTCPInfo asks the kernel about a TCP connection.
func readTCPInfo(raw syscall.RawConn) (p tcpInfo, ok bool) {
	if raw == nil {
		return p, false
	}
	err := raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		p = tcpInfo{received: info.Bytes_received, acked: info.Bytes_acked, peerFIN: info.State == tcpCloseWait}
		p.unread, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		p.unacked, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		ok = true
	})
	return p, ok && err == nil
}

// hasTCPInfo reports whether readTCPInfo may know about a connection.
func hasTCPInfo(raw syscall.RawConn) bool { return raw != nil }
