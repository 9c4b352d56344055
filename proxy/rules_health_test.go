package proxy_test

import (
	"net"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// doctor is a separate port on which a backend is checked (node-tcp-proxy's
// monitor_port), so that only the test determines its health.
type doctor struct {
	port int
	ln   net.Listener
	addr string
}

func newDoctor(t testing.TB) *doctor {
	t.Helper()
	ln := proxytest.Listen(t)
	d := &doctor{port: ln.Addr().(*net.TCPAddr).Port, ln: ln, addr: ln.Addr().String()}
	t.Cleanup(func() { d.ln.Close() })
	return d
}

func (d *doctor) sick() { proxytest.StopListening(d.ln) }

func (d *doctor) well(t testing.TB) {
	t.Helper()
	var err error
	for range 100 {
		if d.ln, err = net.Listen("tcp", d.addr); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal(err)
}

func (d *doctor) of(s *server) proxy.BackendConfig {
	b := s.backend()
	b.CheckPort = d.port
	return b
}

// quick checks often; the test sets rise and fall.
func quick(rise, fall int) proxy.CheckConfig {
	return proxy.CheckConfig{Interval: 10 * time.Millisecond, Rise: rise, Fall: fall}
}

func TestRule01PriorityOneServesWhenNoneOfZeroIsUp(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b, da := newServer(t, "a"), newServer(t, "b"), newDoctor(t)
		main, spare := da.of(a), b.backend()
		spare.Priority = 1
		v := start(t, proxy.ServiceConfig{Relay: relay, Check: quick(1, 1), Backends: []proxy.BackendConfig{main, spare}})
		v.untilUp()
		if i := v.backend("b"); !i.Eligible || i.Reason != "standby" {
			t.Errorf("the standby is %+v", i)
		}
		v.dial("1").hears("a 1")
		da.sick()
		v.untilHealth("a", proxy.StateDown)
		v.dial("2").hears("b 2")
		da.well(t)
		v.untilHealth("a", proxy.StateUp)
		v.dial("3").hears("a 3")
		v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana"}))
		v.dial("4").hears("b 4")
		v.must(v.svc.Backend("a").Ready("ana", ""))
		v.dial("5").hears("a 5")
		v.must(v.svc.Backend("a").Maint(proxy.DrainOptions{By: "ana"}))
		v.dial("6").hears("b 6")
	})
}

// TestRule01AFullOneIsWaitedFor, not spilled over.
func TestRule01AFullOneIsWaitedFor(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newServer(t, "a"), newServer(t, "b")
		main, spare := a.backend(), b.backend()
		main.MaxSessions, spare.Priority = 1, 1
		v := start(t, proxy.ServiceConfig{Relay: relay, Backends: []proxy.BackendConfig{main, spare}})
		v.untilUp()
		one := v.dial("one")
		one.hears("a one")
		two := v.queue("two")
		if i := v.svc.Info(); i.Reason != "full" || i.Backends[0].Eligible || i.Backends[0].Reason != "full" {
			t.Errorf("while full: %+v", i)
		}
		one.leaves()
		two.hears("a two")
		if b.accepted.Load() != 0 {
			t.Error("spilled over")
		}
	})
}

func TestRule01WeightZeroGetsNobody(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	none := a.backend()
	none.Weight = -1
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{none, b.backend()}})
	v.untilUp()
	for range 20 {
		v.dial("x").hears("b x")
	}
	if i := v.backend("a"); i.Eligible || i.Reason != "weight 0" || i.Weight != 0 {
		t.Errorf("it is %+v", i)
	}
	v.must(v.svc.Backend("b").SetWeight(0, "ana", ""))
	v.must(v.svc.Backend("a").SetWeight(3, "ana", ""))
	v.dial("y").hears("a y")
}

// TestRule02HoldAndReject: what happens to clients while nothing is up.
func TestRule02HoldAndReject(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, how := range []string{proxy.Hold, proxy.Reject} {
			t.Run(how, func(t *testing.T) {
				a, da := newServer(t, "a"), newDoctor(t)
				c := oneSlot(relay)
				c.NoBackend, c.Check, c.Backends = how, quick(1, 1), []proxy.BackendConfig{da.of(a)}
				v := start(t, c)
				v.untilUp()
				live := v.dial("live")
				live.hears("a live")
				waiting := v.queue("waiting")
				da.sick()
				live.leaves() // with a lock a check needs a slot
				if how == proxy.Reject {
					// If it was admitted before the check, it is served.
					if got := waiting.hear(); got == "a waiting" {
						waiting.leaves()
					}
					v.untilHealth("a", proxy.StateDown)
					v.turnedAway()
					return
				}
				if waiting.hear() == "a waiting" {
					waiting.leaves()
				}
				v.untilHealth("a", proxy.StateDown)
				held := v.queue("held")
				// While a check has the slot, the reason is slots.
				v.until("held for lack of a backend", func(i proxy.ServiceInfo) bool { return i.Reason == "no_backend" && i.State == proxy.StateOpen })
				da.well(t)
				held.hears("a held")
			})
		}
	})
}

// TestRule02TheLastBackendGoesDownWhileClientsWait: they are rejected under reject, and
// continue to wait under hold.
func TestRule02TheLastBackendGoesDownWhileClientsWait(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, how := range []string{proxy.Hold, proxy.Reject} {
			t.Run(how, func(t *testing.T) {
				a, da := newServer(t, "a"), newDoctor(t)
				b := da.of(a)
				b.MaxSessions = 1
				v := start(t, proxy.ServiceConfig{Relay: relay, NoBackend: how, Check: quick(1, 1), Backends: []proxy.BackendConfig{b}})
				v.untilUp()
				live := v.dial("live")
				live.hears("a live")
				one, two := v.queue("one"), v.queue("two")
				da.sick()
				v.untilHealth("a", proxy.StateDown)
				if how == proxy.Reject {
					one.isReset()
					two.isReset()
					v.untilWaiting(0)
					v.eventually("two failed", func() bool { return v.svc.Info().Sessions.Failed == 2 })
				} else {
					v.until("they continue to wait", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 2 && i.Reason == "no_backend" })
					da.well(t)
					live.leaves()
					one.hears("a one")
					return
				}
				live.says("still here") // going down does not cut
				live.hears("still here")
			})
		}
	})
}

func TestRule10ANewBackendIsCheckingUntilTheFirstGoodCheck(t *testing.T) {
	t.Parallel()
	a, da := newServer(t, "a"), newDoctor(t)
	da.sick()
	v := start(t, proxy.ServiceConfig{Check: quick(1000, 1000), NoBackend: proxy.Reject, Backends: []proxy.BackendConfig{da.of(a)}})
	v.untilBackend("a", "checked", func(b proxy.BackendInfo) bool { return b.Check != nil })
	one := v.queue("one") // not rejected: nothing is known yet
	if b := v.backend("a"); b.State != proxy.StateChecking || b.Reason != "checking" || b.Eligible || b.Check.OK || b.Check.Detail != "connection refused" {
		t.Errorf("it is %+v", b)
	}
	da.well(t)
	one.hears("a one") // after one successful check, however high rise is
	if b := v.backend("a"); b.State != proxy.StateUp || !b.Check.OK || b.Transitions != 0 {
		t.Errorf("it is %+v", b)
	}
}

func TestRule10RiseCountsAfterADown(t *testing.T) {
	t.Parallel()
	a, da := newServer(t, "a"), newDoctor(t)
	v := start(t, proxy.ServiceConfig{Check: quick(3, 2), Backends: []proxy.BackendConfig{da.of(a)}})
	v.untilUp()
	da.sick()
	v.untilBackend("a", "down", func(b proxy.BackendInfo) bool {
		if b.State == proxy.StateUp && !b.Check.OK && b.Check.Consecutive > 1 || b.State == proxy.StateDown && b.Check.Consecutive < 2 {
			t.Fatalf("fall is 2: %+v", b.Check)
		}
		return b.State == proxy.StateDown
	})
	da.well(t)
	v.untilBackend("a", "up", func(b proxy.BackendInfo) bool {
		if b.State == proxy.StateDown && b.Check.OK && b.Check.Consecutive > 2 || b.State == proxy.StateUp && b.Check.Consecutive < 3 {
			t.Fatalf("rise is 3: %+v", b.Check)
		}
		return b.State == proxy.StateUp
	})
	if b := v.backend("a"); b.Transitions != 1 {
		t.Errorf("flaps %d", b.Transitions)
	}
	var kinds []string
	page, _ := v.Events(0)
	for _, ev := range page.Events {
		if ev.Backend == "a" {
			kinds = append(kinds, ev.Kind)
		}
	}
	if len(kinds) != 3 || kinds[0] != proxy.EventBackendUp || kinds[1] != proxy.EventBackendDown || kinds[2] != proxy.EventBackendUp {
		t.Errorf("events %v", kinds)
	}
}

// TestRule10AfterMaintItIsCheckingAgain: checks stop, and start afresh.
func TestRule10AfterMaintItIsCheckingAgain(t *testing.T) {
	t.Parallel()
	a, da := newServer(t, "a"), newDoctor(t)
	v := start(t, proxy.ServiceConfig{Check: quick(1000, 1000), Backends: []proxy.BackendConfig{da.of(a)}})
	v.untilUp()
	v.must(v.svc.Backend("a").Maint(proxy.DrainOptions{By: "ana", Reason: "disk"}))
	if b := v.backend("a"); b.Admin != proxy.AdminMaint || b.Reason != "maint" || b.Eligible {
		t.Errorf("in maint: %+v", b)
	}
	da.sick()
	time.Sleep(50 * time.Millisecond)
	if b := v.backend("a"); !b.Check.OK {
		t.Errorf("it was checked in maint: %+v", b.Check)
	}
	v.must(v.svc.Backend("a").Ready("ana", ""))
	if b := v.backend("a"); b.State != proxy.StateChecking || b.Admin != proxy.AdminReady {
		t.Errorf("after maint: %+v", b)
	}
	one := v.queue("one")
	da.well(t)
	one.hears("a one")
}

// TestRule10WithoutChecksItIsUp, even after maint.
func TestRule10WithoutChecksItIsUp(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{Check: proxy.CheckConfig{Type: "none"}}, newServer(t, "a"))
	v.dial("one").hears("a one")
	b := v.svc.Backend("a")
	v.must(b.Maint(proxy.DrainOptions{By: "ana"}))
	two := v.queue("two")
	v.must(b.Ready("ana", ""))
	if i := b.Info(); i.State != proxy.StateUp || !i.Eligible || i.Check != nil {
		t.Errorf("it is %+v", i)
	}
	two.hears("a two")
}
