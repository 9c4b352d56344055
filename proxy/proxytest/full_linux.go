package proxytest

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// Full is an address at which connecting takes until the test ends: nothing accepts, and the backlog is full. Systems
// other than Linux fill one in ways of their own; there the test skips.
func Full(t testing.TB) (addr string) {
	t.Helper()
	ln := Listen(t)
	t.Cleanup(func() { ln.Close() })
	rc, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if cerr := rc.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	c, err := net.DialTimeout("tcp", ln.Addr().String(), time.Minute) // a backlog of 0 holds one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return ln.Addr().String()
}
