package main

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// stillThere says whether the other end of a connection has not ended it: the
// system knows of a reset before the one who reads does.
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
