package main

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// stillThere reports whether the other end has not ended a connection: the system knows of a reset
// before the reader does.
func stillThere(c *net.TCPConn) bool {
	for range 3 {
		state := uint8(0)
		if rc, err := c.SyscallConn(); err == nil {
			rc.Control(func(fd uintptr) {
				if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
					state = info.State
				}
			})
		}
		if state != unix.BPF_TCP_ESTABLISHED {
			return false
		}
		time.Sleep(time.Millisecond) // a reset may be on its way
	}
	return true
}
