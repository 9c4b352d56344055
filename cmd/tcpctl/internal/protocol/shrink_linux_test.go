package protocol

import (
	"net"
	"syscall"
	"testing"
)

// shrink gives a listener a backlog of nothing.
func shrink(t *testing.T, ln *net.TCPListener) {
	rc, err := ln.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	rc.Control(func(fd uintptr) { syscall.Listen(int(fd), 0) })
}
