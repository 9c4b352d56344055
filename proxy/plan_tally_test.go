package proxy_test

import (
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// whileRestarting is a visit during the restart of one backend, which waits for a live
// session; the other backend cannot be reached, and no check notices.
func whileRestarting(t *testing.T, relay string, timeout time.Duration) (v *visit, p *proxy.Plan) {
	a, b := newServer(t, "a"), newServer(t, "b")
	c := unchecked(relay)
	c.Queue.Timeout = timeout
	back := b.backend()
	back.Restart = []string{"true"}
	c.Backends = []proxy.BackendConfig{back, a.backend()}
	a.kill()
	v = start(t, c)
	v.dial("live").hears("b live")
	p, err := v.svc.Backend("b").StartRestart(proxy.PlanOptions{By: "ana", Limit: time.Hour, Max: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	v.untilBackend("b", "it is drained", func(b proxy.BackendInfo) bool { return b.Admin == proxy.AdminDrain })
	return v, p
}

// TestRule09ManyTriesAreOneHeld: a client that returns to the queue after each failed
// dial is counted as held once, for the total time.
func TestRule09ManyTriesAreOneHeld(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v, p := whileRestarting(t, relay, patience)
		dialed := time.Now()
		one := v.dial("one")
		v.until("it waits", func(i proxy.ServiceInfo) bool { return i.Backends[1].Failed >= 1 || i.Queue.Waiting == 1 })
		began := time.Now()
		v.until("three dials have failed", func(i proxy.ServiceInfo) bool { return i.Backends[1].Failed >= 3 && i.Queue.Waiting == 1 })
		if n := p.Report().Numbers; n.Held != 1 || n.Abandoned != 0 || n.Failed != 0 {
			t.Errorf("while it waits: %+v", n)
		}
		waited := time.Since(began)
		one.reset()
		v.until("it has left", func(i proxy.ServiceInfo) bool { return i.Queue.Abandoned == 1 })
		n := p.Report().Numbers
		if n.Held != 1 || n.Abandoned != 1 || n.Failed != 0 {
			t.Errorf("when it has left: %+v", n)
		}
		if longest := time.Duration(n.LongestSeconds * float64(time.Second)); longest < waited || longest > time.Since(dialed) {
			t.Errorf("longest %s, and it waited for %s", longest, waited)
		}
	})
}

// TestRule09WhoTimedOutHasWaited: the longest wait is of all held clients, not only of
// those that were served.
func TestRule09WhoTimedOutHasWaited(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		const timeout = 300 * time.Millisecond
		v, p := whileRestarting(t, relay, timeout)
		v.dial("one")
		v.until("it has timed out", func(i proxy.ServiceInfo) bool { return i.Queue.TimedOut == 1 })
		// Its timeout runs from the accept, its wait from joining the queue, which may be much later on a busy machine.
		if n := p.Report().Numbers; n.Held != 1 || n.TimedOut != 1 || n.Failed != 1 || n.LongestSeconds <= 0 || n.P50Seconds != n.LongestSeconds {
			t.Errorf("%+v", n)
		}
	})
}
