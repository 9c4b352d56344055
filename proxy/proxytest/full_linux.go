package proxytest

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// Full returns an address to which a client cannot connect, and is not refused, until the test ends: nothing accepts,
// and the backlog is full. On systems other than Linux it skips the test.
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
