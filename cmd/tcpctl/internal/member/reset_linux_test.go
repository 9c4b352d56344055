package member_test

import (
	"net"

	"golang.org/x/sys/unix"
)

// wasReset reports whether the other end has reset a connection, which what reads it
// may not have noticed yet.
func wasReset(c net.Conn) (yes bool) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		yes = err == nil && info.State == unix.BPF_TCP_CLOSE
	})
	return yes
}
