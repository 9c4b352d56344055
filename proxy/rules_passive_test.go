package proxy_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func passive(relay string) proxy.ServiceConfig {
	c := proxy.ServiceConfig{Relay: relay, Check: quick(2, 3)}
	c.Check.Type = "passive"
	return c
}

// TestPassiveMakesNoConnectionOfItsOwn while its clients reach the backend, not even
// when a reload requests a check.
func TestPassiveMakesNoConnectionOfItsOwn(t *testing.T) {
	t.Parallel()
	var dials atomic.Int32
	a := newServer(t, "a")
	c := passive("stream")
	c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	v := start(t, c, a)
	v.untilUp()
	one := v.dial("one")
	one.hears("a one")
	one.leaves()
	v.untilIdle()
	time.Sleep(200 * time.Millisecond)
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections for one client", n)
	}
	if text, err := v.svc.Backend("a").Probe(); err != nil || dials.Load() != 2 {
		t.Errorf("a probe: %s, %v", text, err)
	}
}

// TestPassiveIsJudgedByItsClients: down after as many failures as with checks, and
// checked from the first failure until it is up again.
func TestPassiveIsJudgedByItsClients(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, passive(relay), a)
		v.untilUp()
		a.kill()
		one := v.queue("one")
		v.untilHealth("a", proxy.StateDown)
		b := v.backend("a")
		if b.Check == nil || b.Check.Detail != "connection refused" || b.Transitions != 1 || b.Failed == 0 || b.Eligible {
			t.Errorf("it is %+v, check %+v", b, b.Check)
		}
		page, _ := v.Events(0)
		if n := countEvents(page, proxy.EventBackendDown, "connection refused (3 of 3 connections failed)"); n != 1 {
			t.Errorf("%d such events: %+v", n, page.Events)
		}
		a.restart(t)
		one.hears("a one")
		v.untilHealth("a", proxy.StateUp)
	})
}

// TestPassiveBeginsAnewAfterMaint: its state is then unknown.
func TestPassiveBeginsAnewAfterMaint(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	v := start(t, passive("auto"), a)
	v.untilUp()
	v.must(v.svc.Backend("a").Maint(proxy.DrainOptions{By: "ana"}))
	a.kill()
	v.must(v.svc.Backend("a").Ready("ana", ""))
	v.untilHealth("a", proxy.StateDown)
	a.restart(t)
	v.untilHealth("a", proxy.StateUp)
	c := passive("auto")
	c.Name, c.Listen, c.Backends = "db", []string{"127.0.0.1:0"}, []proxy.BackendConfig{a.backend()}
	c.Check.Type = "tcp"
	v.apply(c)
	v.untilBackend("a", "checked again", func(b proxy.BackendInfo) bool {
		return b.Check != nil && strings.HasPrefix(b.Check.Detail, "connected in ")
	})
	a.kill()
	v.untilHealth("a", proxy.StateDown)
	c.Check.Type = "passive"
	v.apply(c)
	a.restart(t)
	v.untilHealth("a", proxy.StateUp)
}

// TestUpIsNotSaidWhereClientsSeeOtherwise, although connects succeed: the backend ends
// each session without a byte.
func TestUpIsNotSaidWhereClientsSeeOtherwise(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"none", "passive", "tcp"} {
		t.Run(kind, func(t *testing.T) {
			if kind == "tcp" && runtime.GOOS != "linux" {
				t.Skip("the listener would see the checks")
			}
			eachRelay(t, func(t *testing.T, relay string) {
				var answer atomic.Pointer[string]
				answer.Store(new(string))
				// Each connection gets it: on a busy machine a check may be one that the listener sees.
				addr := proxytest.Serve(t, func(c net.Conn) { io.WriteString(c, *answer.Load()) })
				c := passive(relay)
				c.Check.Type = kind
				c.Backends = []proxy.BackendConfig{{Name: "a", Addr: addr}}
				v := start(t, c)
				v.untilUp()
				visit := func() {
					client := v.dial("")
					io.Copy(io.Discard, client) // it ends second
					client.Close()
					v.record()
				}
				for range 2 {
					visit()
				}
				if b := v.backend("a"); b.State != proxy.StateUp {
					t.Errorf("after two of them: %+v", b)
				}
				visit()
				b := v.backend("a")
				if b.State != proxy.StateChecking || !b.Eligible || b.Reason != "" || b.Check.Detail != "ends every client without a byte" || b.Check.Consecutive != 3 || b.Check.OK {
					t.Errorf("after three of them: %+v, check %+v", b, b.Check)
				}
				page, _ := v.Events(0)
				if n := countEvents(page, proxy.EventDial, "ends every client without a byte (3 of 3)"); n != 1 {
					t.Errorf("%d such events", n)
				}
				hello := "hello"
				answer.Store(&hello)
				visit()
				v.untilHealth("a", proxy.StateUp)
			})
		})
	}
}

// TestUpIsNotSaidWhereDialsFail: without checks the backend still gets clients.
func TestUpIsNotSaidWhereDialsFail(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, unchecked(relay), a)
		v.untilUp()
		a.kill()
		one := v.queue("one")
		v.untilHealth("a", proxy.StateChecking)
		if b := v.backend("a"); b.Check == nil || b.Check.Detail != "dial failed: connection refused" || !b.Eligible {
			t.Errorf("it is %+v, check %+v", b, b.Check)
		}
		a.restart(t)
		one.hears("a one")
		v.untilHealth("a", proxy.StateUp)
		if b := v.backend("a"); b.Check != nil {
			t.Errorf("it is reported as checked: %+v", b.Check)
		}
	})
}

// TestPassiveAfterAnUpgrade: a backend that was not up before is checked first.
func TestPassiveAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	b.kill()
	c := passive("auto")
	c.Name, c.Listen, c.Backends = "db", []string{"127.0.0.1:0"}, []proxy.BackendConfig{a.backend(), b.backend()}
	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}})
	if err != nil {
		t.Fatal(err)
	}
	if err = proxy.HandoverOf(e).Open(); err == nil {
		proxy.HandoverOf(e).TakeOver(proxy.HandoverState{Up: map[string]map[string]string{"db": {"a": a.addr()}}})
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	v := &visit{TB: t, Engine: e, Operator: e.Operator(), svc: e.Service("db")}
	defer e.Close()
	if i := v.backend("a"); i.State != proxy.StateUp {
		t.Errorf("a is %s", i.State)
	}
	v.untilHealth("b", proxy.StateDown)
}
