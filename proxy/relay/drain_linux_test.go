package relay_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// eachAddress runs a test over each runner, at an address of each kind.
func eachAddress(t *testing.T, test func(t *testing.T, r relay.Runner, addr string)) {
	t.Parallel()
	for kind, address := range map[string]func(*testing.T) string{
		"127.0.0.1": func(t *testing.T) string { return proxytest.FreePort(t) },
		"unix":      func(t *testing.T) string { return "unix:" + filepath.Join(t.TempDir(), "s") },
		"abstract":  func(t *testing.T) string { return fmt.Sprintf("unix:@tcpctl-test-%d-%s", os.Getpid(), t.Name()) },
	} {
		t.Run(kind, func(t *testing.T) {
			eachRunner(t, func(t *testing.T, r relay.Runner) { test(t, r, address(t)) })
		})
	}
}

// dialListener connects to l.
func dialListener(l *relay.Listener) (net.Conn, error) {
	c, err := net.DialTimeout(l.Addr().Network(), l.Addr().String(), patience)
	if err == nil {
		c.SetDeadline(time.Now().Add(patience))
	}
	return c, err
}

// TestADrainServesTheBacklog: clients in the kernel's backlog are accepted, when the
// budget allows it, and new ones are refused from the first moment.
func TestADrainServesTheBacklog(t *testing.T) {
	eachAddress(t, func(t *testing.T, r relay.Runner, addr string) {
		h := openAt(t, r, addr, newBackend(t).echo().addr(), func(h *harness) { h.l.Share = relay.NewBudget(1).NewShare() })
		var all []net.Conn
		for n := range 100 {
			c, err := dialListener(h.l)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			say(t, c, fmt.Sprint("client ", n))
			all = append(all, c)
		}
		hear(t, all[0], "client 0") // it has the budget
		h.l.Drain()
		if c, err := dialListener(h.l); err == nil {
			c.Close()
			t.Error("a new client was accepted")
		}
		for n, c := range all {
			if n > 0 {
				hear(t, c, fmt.Sprint("client ", n))
			}
			select {
			case <-h.l.Done():
				if n < len(all)-1 {
					t.Fatalf("closed before client %d", n+1)
				}
			default:
			}
			c.Close()
			next(t, h.over)
		}
		receive(t, h.l.Done())
		if used := h.l.Share.Used(); used != 0 {
			t.Errorf("%d sessions of the budget were not released", used)
		}
	})
}

// TestADrainFreesTheAddress, even if a process that is being started has copies of all
// descriptors.
func TestADrainFreesTheAddress(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", newBackend(t).echo().addr())
		held, err := h.l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		h.l.Drain()
		receive(t, h.l.Done())
		l, err := relay.Listen(h.l.Addr().String(), relay.Sock{})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	})
}

// TestACloseEndsADrainInSilence: the socket is shut down then, which must not be reported as trouble of an accept.
func TestACloseEndsADrainInSilence(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		defer r.Shutdown()
		for range 300 {
			l, err := relay.Listen("127.0.0.1:0", relay.Sock{})
			if err != nil {
				t.Fatal(err)
			}
			l.OnError = func(err error) { t.Error(err) }
			r.Serve(l, func(s *relay.Side) { t.Error("a client came") })
			l.Drain()
			l.Close()
		}
	})
}

// isServed checks that a connection is served by an echo, and closes it.
func isServed(t *testing.T, c net.Conn) {
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, "hello")
	if _, err := io.ReadFull(c, make([]byte, 6)); err != nil {
		t.Error("connected and not served:", err)
	}
	c.Close()
}

// TestNobodyIsResetByADrain opens and drains an address while clients keep coming: each
// is refused or served, none is connected and then reset.
func TestNobodyIsResetByADrain(t *testing.T) {
	eachAddress(t, func(t *testing.T, r relay.Runner, addr string) {
		h := openAt(t, r, addr, newBackend(t).echo().addr())
		at, open := h.l, h.l
		var served, refused atomic.Int32
		stop := proxytest.Repeat(t, 4, func() bool {
			c, err := dialListener(at)
			if err != nil {
				refused.Add(1)
				return true
			}
			isServed(t, c)
			served.Add(1)
			return true
		})
		for range 25 {
			before := served.Load()
			within(t, "some are served", func() bool { return served.Load() > before+4 })
			open.Drain()
			receive(t, open.Done())
			l, err := relay.Listen(addr, relay.Sock{})
			if err != nil {
				t.Fatal(err)
			}
			open = l
			t.Cleanup(func() { l.Close() })
			r.Serve(l, h.accept)
		}
		stop()
		for range served.Load() {
			next(t, h.over)
		}
		t.Logf("%d served, %d refused", served.Load(), refused.Load())
	})
}

// TestAnAddressNarrowsAndWidensWithoutAGap: the listener at the new address exists
// before the old one is drained.
func TestAnAddressNarrowsAndWidensWithoutAGap(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := openAt(t, r, "0.0.0.0:0", newBackend(t).echo().addr())
		port := h.l.Addr().(*net.TCPAddr).Port
		open := h.l
		var served atomic.Int32
		stop := proxytest.Repeat(t, 4, func() bool {
			c, err := net.DialTimeout("tcp", fmt.Sprint("127.0.0.1:", port), patience)
			if err != nil {
				t.Error("refused:", err)
				return false
			}
			isServed(t, c)
			served.Add(1)
			return true
		})
		for n := range 20 {
			before := served.Load()
			within(t, "some are served", func() bool { return served.Load() > before+4 || t.Failed() })
			addr := fmt.Sprintf("%s:%d", []string{"127.0.0.1", "0.0.0.0"}[n%2], port)
			if _, err := relay.Listen(addr, relay.Sock{}); err == nil {
				t.Fatal("its port can be shared with any socket")
			}
			l, err := relay.Listen(addr, relay.Sock{}, open)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			r.Serve(l, h.accept)
			open.Drain()
			receive(t, open.Done())
			open = l
		}
		stop()
		for range served.Load() {
			next(t, h.over)
		}
	})
}
