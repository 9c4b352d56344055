package ws

import "golang.org/x/sys/unix"

// tcpCloseWait is TCP_CLOSE_WAIT of the kernel: the peer's FIN has arrived, and we
// have not closed.
const tcpCloseWait = 8

// readTCPInfo asks the kernel about a TCP connection.
func readTCPInfo(c controller) (p tcpInfo, ok bool) {
	if c == nil {
		return p, false
	}
	err := c.Control(func(fd uintptr) {
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
func hasTCPInfo(c controller) bool { return c != nil }
