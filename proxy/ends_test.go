package proxy_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// by is a service whose backend handles its one client as the test says.
func by(t *testing.T, relay string, do func(c *net.TCPConn)) *visit {
	t.Helper()
	ln := proxytest.Listen(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if c, err := ln.Accept(); err == nil {
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			do(c.(*net.TCPConn))
		}
	}()
	t.Cleanup(func() { ln.Close(); <-ended })
	c := unchecked(relay)
	c.Backends = []proxy.BackendConfig{{Name: "a", Addr: ln.Addr().String()}}
	return start(t, c)
}

// much is more than all buffers in between hold, and must not be changed.
var much = sync.OnceValue(func() []byte {
	b := make([]byte, 8<<20)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
})

// TestTheClientEndsFirst: the backend gets all data and the end, and can still send a
// long answer.
func TestTheClientEndsFirst(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		want := much()
		v := by(t, relay, func(c *net.TCPConn) {
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("the backend got %d bytes, %v", len(got), err)
			}
			time.Sleep(50 * time.Millisecond) // a half-closed session continues
			if _, err := c.Write(want); err != nil {
				t.Error(err)
			}
		})
		c := v.dial("")
		if _, err := c.Write(want); err != nil {
			t.Fatal(err)
		}
		c.fin()
		c.SetReadDeadline(time.Now().Add(patience))
		got, err := io.ReadAll(c.r)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("the client got %d bytes, %v", len(got), err)
		}
		r := v.record()
		if r.By != proxy.ByClient || r.Reason != proxy.ReasonFIN || r.BytesIn != int64(len(want)) || r.BytesOut != int64(len(want)) {
			t.Errorf("record %+v", r)
		}
	})
}

// TestTheBackendEndsFirst, and still receives.
func TestTheBackendEndsFirst(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		want := much()
		v := by(t, relay, func(c *net.TCPConn) {
			c.Write(want)
			c.CloseWrite()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("the backend got %d bytes, %v", len(got), err)
			}
		})
		c := v.dial("")
		c.SetReadDeadline(time.Now().Add(patience))
		got, err := io.ReadAll(c.r)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("the client got %d bytes, %v", len(got), err)
		}
		time.Sleep(50 * time.Millisecond)
		if _, err := c.Write(want); err != nil {
			t.Fatal(err)
		}
		c.fin()
		r := v.record()
		if r.By != proxy.ByBackend || r.Reason != proxy.ReasonFIN || r.BytesIn != int64(len(want)) || r.BytesOut != int64(len(want)) {
			t.Errorf("record %+v", r)
		}
		if i := v.svc.Info(); i.Sessions.Cut != 0 {
			t.Errorf("counted %+v", i.Sessions)
		}
	})
}

func TestTheClientsResetPassesOn(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, proxy.ServiceConfig{Relay: relay}, a)
		c := v.dial("one")
		c.hears("a one")
		c.reset()
		v.eventually("the backend sees it", func() bool { return a.resets.Load() == 1 })
		if r := v.record(); r.By != proxy.ByClient || r.Reason != proxy.ReasonReset || r.Phase != proxy.PhaseRelay {
			t.Errorf("record %+v", r)
		}
		if i := v.untilIdle(); i.Sessions.Cut != 0 {
			t.Errorf("counted %+v", i.Sessions)
		}
	})
}

// TestTheBackendsResetPassesOn, after everything that it has sent before.
func TestTheBackendsResetPassesOn(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := by(t, relay, func(c *net.TCPConn) {
			io.WriteString(c, "last words\n")
			var b [8]byte
			io.ReadFull(c, b[:3]) // the client has read them
			c.SetLinger(0)
		})
		c := v.dial("")
		c.hears("last words")
		io.WriteString(c, "ok\n")
		c.isReset()
		if r := v.record(); r.By != proxy.ByBackend || r.Reason != proxy.ReasonReset || r.BytesOut != int64(len("last words\n")) {
			t.Errorf("record %+v", r)
		}
		if i := v.untilIdle(); i.Sessions.Cut != 1 {
			t.Errorf("counted %+v", i.Sessions)
		}
	})
}

// TestClocks: each ends its session with its own reason, and resets both sides.
func TestClocks(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, why := range []proxy.Reason{proxy.ReasonIdle, proxy.ReasonLifetime, proxy.ReasonHalfClose} {
			t.Run(string(why), func(t *testing.T) {
				untilInTime(t, 500*time.Millisecond, func(d time.Duration) bool { return endsByClock(t, relay, why, d) })
			})
		}
	})
}

// untilInTime calls try with a time and, where a busy machine was too slow for it, with longer ones.
func untilInTime(t *testing.T, d time.Duration, try func(time.Duration) (inTime bool)) {
	t.Helper()
	for !try(d) {
		if d *= 2; d > patience {
			t.Fatalf("not within %s", d/2)
		}
	}
}

// endsByClock has a clock of a session end it after d, and reports whether it was answered before.
func endsByClock(t *testing.T, relay string, why proxy.Reason, d time.Duration) (answered bool) {
	ended := make(chan error, 1)
	v := by(t, relay, func(c *net.TCPConn) {
		io.WriteString(c, "hello\n")
		_, err := io.Copy(io.Discard, c)
		ended <- err
		<-t.Context().Done() // it sends nothing more
	})
	c := proxy.ServiceConfig{Relay: relay, Check: proxy.CheckConfig{Type: "none"}}
	c.Backends = []proxy.BackendConfig{{Name: "a", Addr: v.backend("a").Addr}}
	switch why {
	case proxy.ReasonIdle:
		c.IdleTimeout = d
	case proxy.ReasonLifetime:
		c.MaxLifetime = d
	case proxy.ReasonHalfClose:
		c.HalfCloseTimeout = d
	}
	v = start(t, c)
	one := v.dial("")
	if got := one.hear(); got != "hello" {
		if strings.Contains(got, "reset") {
			return false
		}
		t.Fatalf("got %q", got)
	}
	if why == proxy.ReasonHalfClose {
		one.fin()
	}
	one.isReset()
	r := v.record()
	if r.Reason != why || r.By != proxy.ByProxy || r.Phase != proxy.PhaseRelay {
		t.Errorf("record %+v", r)
	}
	select {
	case err := <-ended:
		if reset := err != nil; reset != (why != proxy.ReasonHalfClose) {
			t.Errorf("the backend saw %v", err)
		}
	case <-time.After(patience):
		t.Error("the backend did not notice")
	}
	if i := v.untilIdle(); i.Sessions.Cut != 1 {
		t.Errorf("counted %+v", i.Sessions)
	}
	return true
}

// TestAOneWayStreamIsNotIdle: one clock for both directions.
func TestAOneWayStreamIsNotIdle(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		untilInTime(t, 2*time.Second, func(d time.Duration) bool { return oneWay(t, relay, d) })
	})
}

// oneWay has a backend send for longer than a client may be idle, and reports whether the session was not ended as idle.
func oneWay(t *testing.T, relay string, idle time.Duration) bool {
	const lines = 70
	v := by(t, relay, func(c *net.TCPConn) {
		for range lines {
			io.WriteString(c, "tick\n")
			time.Sleep(idle / 50)
		}
	})
	c := proxy.ServiceConfig{Relay: relay, IdleTimeout: idle, Check: proxy.CheckConfig{Type: "none"}}
	c.Backends = []proxy.BackendConfig{{Name: "a", Addr: v.backend("a").Addr}}
	v = start(t, c)
	one := v.dial("")
	for range lines {
		if got := one.hear(); got != "tick" {
			return false
		}
	}
	return one.hear() == "EOF"
}

// TestAConnectionThatItsDialCloses ends the session, as a reset of the backend would:
// nobody else will end the client's side.
func TestAConnectionThatItsDialCloses(t *testing.T) {
	t.Parallel()
	dialled := make(chan net.Conn, 1)
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			dialled <- c
		}
		return c, err
	}
	v := start(t, proxy.ServiceConfig{Dial: dial, Check: proxy.CheckConfig{Type: "none"}}, newServer(t, "a"))
	c := v.dial("one")
	c.hears("a one")
	(<-dialled).Close()
	c.isReset()
	if r := v.record(); r.By != proxy.ByBackend || r.Reason != proxy.ReasonReset {
		t.Errorf("record %+v", r)
	}
	if i := v.untilIdle(); i.Sessions.Cut != 1 || i.Backends[0].Active != 0 {
		t.Errorf("counted %+v, and %d at the backend", i.Sessions, i.Backends[0].Active)
	}
}
