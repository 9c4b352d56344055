package proxy_test

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// unchecked is a service whose backends are always up, so that only dials find out.
func unchecked(relay string) proxy.ServiceConfig {
	return proxy.ServiceConfig{Relay: relay, Balance: "first", Check: proxy.CheckConfig{Type: "none"}}
}

// TestRule05AnotherBackendWithTheSameSlot: a dead backend costs the client only the
// dial.
func TestRule05AnotherBackendWithTheSameSlot(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newServer(t, "a"), newServer(t, "b")
		a.kill()
		c := unchecked(relay)
		c.Lock.Slots = 1
		v := start(t, c, a, b)
		one := v.dial("one")
		one.hears("b one")
		if i := v.svc.Info(); i.Lock.InUse != 1 || i.Backends[0].Active != 0 || i.Backends[1].Active != 1 || i.Backends[0].Failed != 1 {
			t.Errorf("while served %+v", i)
		}
		one.leaves()
		r := v.record()
		if r.Dials != 2 || r.Backend != "b" || !r.Served {
			t.Errorf("record %+v", r)
		}
		if i := v.untilIdle(); i.Queue.Granted != 0 || i.Backends[0].Total != 0 || i.Backends[1].Total != 1 || i.Sessions.Failed != 0 {
			t.Errorf("counted %+v", i)
		}
	})
}

// TestRule05BackToItsOldPlace: if no dial works, the session returns to the head, and
// is first when the backend is back.
func TestRule05BackToItsOldPlace(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		a.kill()
		c := unchecked(relay)
		c.Lock.Slots = 1
		v := start(t, c, a)
		one := v.dial("one")
		v.until("a dial has failed", func(i proxy.ServiceInfo) bool { return i.Backends[0].Failed > 0 && i.Queue.Waiting == 1 })
		two := v.dial("two")
		v.until("two wait", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 2 })
		three := v.dial("three")
		v.until("three wait for the next try", func(i proxy.ServiceInfo) bool {
			return i.Queue.Waiting == 3 && i.Reason == "retry" && i.Backends[0].Failed > 1 && i.Sessions.Active == 0
		})
		if w := v.svc.Waiters(); w[0].Client != one.LocalAddr().String() {
			t.Errorf("the head is %+v", w[0])
		}
		a.restart(t)
		one.hears("a one")
		one.leaves()
		two.hears("a two")
		two.leaves()
		three.hears("a three")
		three.leaves()
		if got := a.order(); !slices.Equal(got, []string{"one", "two", "three"}) || a.most.Load() != 1 {
			t.Errorf("%d at a time, in order %v", a.most.Load(), got)
		}
		if i := v.untilIdle(); i.Queue.Granted != 3 || i.Sessions.Failed != 0 {
			t.Errorf("counted %+v", i)
		}
	})
}

func TestRule05TriedUntilTheQueueTimeout(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		a.kill()
		c := unchecked(relay)
		c.Queue.Timeout = time.Second
		v := start(t, c, a)
		v.dial("one").isReset()
		r := v.record()
		if r.Reason != proxy.ReasonQueueTimeout || r.Dials < 2 || r.Served || r.WaitedSeconds < 1 {
			t.Errorf("record %+v", r)
		}
		if i := v.untilIdle(); i.Queue.TimedOut != 1 || i.Sessions.Failed != 1 || i.Queue.Granted != 1 {
			t.Errorf("counted %+v", i)
		}
	})
}

func TestRule05RejectUntilTheRetriesAreUsedUp(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		a.kill()
		c := unchecked(relay)
		c.NoBackend = proxy.Reject
		v := start(t, c, a)
		v.turnedAway()
		r := v.record()
		if r.Dials != 3 || r.Phase != proxy.PhaseConnect || r.By != proxy.ByProxy || r.Reason != proxy.ReasonConnect || r.Detail != "connection refused" || r.Served {
			t.Errorf("record %+v", r)
		}
		if i := v.untilIdle(); i.Sessions.Failed != 1 || i.Sessions.Rejected != 0 || i.Backends[0].Failed != 3 {
			t.Errorf("counted %+v", i)
		}
	})
}

// TestRule05RejectOnceTheChecksHaveNoticed: after a failed dial a client does not wait
// for a backend that is down.
func TestRule05RejectOnceTheChecksHaveNoticed(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, proxy.ServiceConfig{Relay: relay, NoBackend: proxy.Reject, ConnectRetries: 1000,
			Check: proxy.CheckConfig{Fall: 1, Interval: 400 * time.Millisecond}}, a)
		v.untilUp()
		a.kill()
		v.turnedAway()
		if r := v.record(); r.Served || r.Reason != proxy.ReasonNoBackend || r.By != proxy.ByProxy {
			t.Errorf("record %+v", r)
		}
	})
}

// TestABackendThatAcceptsAndResets cuts a live session, which is not retried: the
// backend may have taken a byte.
func TestABackendThatAcceptsAndResets(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		rude := proxytest.Serve(t, func(c net.Conn) {
			c.Read(make([]byte, 9)) // without it the dial may fail or succeed
			c.(*net.TCPConn).SetLinger(0)
		})
		c := unchecked(relay)
		c.Lock.Slots = 1
		c.Backends = []proxy.BackendConfig{{Name: "rude", Addr: rude}}
		v := start(t, c)
		for range 5 {
			v.dial("x").isReset()
			if r := v.record(); r.Dials != 1 || r.By != proxy.ByBackend || r.Phase != proxy.PhaseRelay || r.Reason != proxy.ReasonReset || !r.Served {
				t.Errorf("record %+v", r)
			}
		}
		if i := v.untilIdle(); i.Sessions.Cut != 5 || i.Sessions.Failed != 0 {
			t.Errorf("counted %+v", i)
		}
	})
}

// TestADialIsGivenUp at once if the client is kicked or the engine stops.
func TestADialIsGivenUp(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c := unchecked("stream")
	c.Dial, c.ConnectTimeout = hang, time.Hour
	c.Backends = []proxy.BackendConfig{{Name: "hang", Addr: "192.0.2.1:1"}}
	v := start(t, c)
	kicked, stays := v.dial("one"), v.dial("two")
	v.until("both dial", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 2 })
	for _, s := range v.Sessions(false) {
		if s.Phase != proxy.PhaseConnect || s.Backend != "hang" {
			t.Errorf("session %+v", s)
		}
		if s.Client == kicked.LocalAddr().String() {
			v.Kick("ana", "", s.ID)
		}
	}
	kicked.isReset()
	if r := v.record(); r.By != proxy.ByOperator || r.Phase != proxy.PhaseConnect || r.Served {
		t.Errorf("record %+v", r)
	}
	v.Close()
	stays.isReset()
	if i := v.svc.Info(); i.Sessions.Failed != 2 || i.Sessions.Active != 0 || i.Sessions.Cut != 0 {
		t.Errorf("counted %+v", i)
	}
}
