// Package proxytest has what tests of proxies, of their backends and of their clients need: ports that are a test's own
// as long as it runs, also while the server behind them is stopped.
//
// A port that was free a moment ago, or one whose server has been closed, is soon given to the next that listens on port
// 0: a test in the same process, or in another package. Whatever then dials the server that is gone meets a stranger,
// and the stranger counts a client that it does not know.
package proxytest

import (
	"net"
	"sync"
	"testing"
)

// FreePort is an address of 127.0.0.1 that no other program is given until the test ends. Who dials it is refused
// until the test listens on it, which it may do as often as it likes. It fails the test where no port is left.
func FreePort(t testing.TB) (addr string) {
	t.Helper()
	p, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p.Addr
}

// Listen listens at a FreePort. The listener is closed when the test ends; if the caller closes it earlier, clients are
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

// Serve has each client of a Listen served by serve, in a goroutine of its own, which owns the connection while serve
// runs; it is closed afterwards. When the test ends the listener is closed, and all goroutines are waited for.
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
