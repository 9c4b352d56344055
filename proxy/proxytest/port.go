// Package proxytest is for tests of proxies, their backends and their clients: it has ports that belong to a test as
// long as it runs, even while the server behind one is stopped.
//
// The system soon gives a port that was free a moment ago, or whose server has been closed, to the next program that
// listens on port 0: a test in the same process, or in another package. A client of the stopped server then reaches
// that other program, which counts a client that it does not know.
package proxytest

import (
	"net"
	"sync"
	"testing"
)

// FreePort returns an address of 127.0.0.1 that no other program gets until the test ends. Clients are refused until
// the test listens on it, which it may do any number of times. The test fails if no port is free.
func FreePort(t testing.TB) (addr string) {
	t.Helper()
	p, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p.Addr
}

// Listen listens on a FreePort. The listener is closed when the test ends; if the caller closes it earlier, clients are
// refused from then on.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", FreePort(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() }) // and kept until then: a listener that is out of reach is closed by a collection
	return ln
}

// Serve listens on a FreePort, and calls serve with each client in a goroutine of its own. serve owns the connection
// while it runs; afterwards it is closed. When the test ends, the listener is closed, and all goroutines are waited
// for.
func Serve(t testing.TB, serve func(net.Conn)) (addr string) {
	t.Helper()
	ln := Listen(t)
	var all sync.WaitGroup
	t.Cleanup(func() { ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	return ln.Addr().String()
}
