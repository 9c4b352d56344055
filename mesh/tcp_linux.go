package mesh

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// lastAck returns how long ago the other side's kernel acknowledged something on c, if known.
func lastAck(c net.Conn) (ago time.Duration, known bool) {
	if a, ok := c.(acker); ok {
		return a.LastAck(), true
	}
	t, ok := c.(*net.TCPConn)
	if !ok {
		return 0, false
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return 0, false
	}
	var info *unix.TCPInfo
	if ctlErr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); ctlErr != nil || err != nil {
		return 0, false
	}
	if info.Unacked == 0 {
		return 0, true // its kernel has all that was sent; the rest waits for its process to read
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond, true
}

// hasUnread reports whether c has received data that this process has not read yet: then this side is the slow one.
func hasUnread(c net.Conn) bool {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return false
	}
	waiting := 0
	if ctlErr := raw.Control(func(fd uintptr) { waiting, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); ctlErr != nil || err != nil {
		return false
	}
	return waiting > 0
}

// setUserTimeout makes the system drop c once data has been unacknowledged for d, even after Close.
func setUserTimeout(c net.Conn, d time.Duration) {
	if t, ok := c.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
			})
		}
	}
}
