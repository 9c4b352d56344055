package ws

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// pulse asks the kernel how many bytes have come from the peer, read or not,
// and how many of ours it has acknowledged. Both show life that no read or
// write does: the first while our reader is busy elsewhere, the second inside
// one long write.
func pulse(raw syscall.RawConn) (received, acked uint64, ok bool) {
	if raw == nil {
		return 0, 0, false
	}
	var info *unix.TCPInfo
	err := raw.Control(func(fd uintptr) {
		info, _ = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err != nil || info == nil {
		return 0, 0, false
	}
	return info.Bytes_received, info.Bytes_acked, true
}
