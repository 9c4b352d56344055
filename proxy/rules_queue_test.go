package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// oneSlot is a service that serves one client at a time. On a busy machine the last of hundreds waits for longer than a
// queue's timeout is by default.
func oneSlot(relay string) proxy.ServiceConfig {
	return proxy.ServiceConfig{Relay: relay, Lock: proxy.LockConfig{Slots: 1}, Queue: proxy.QueueConfig{Timeout: 10 * patience}}
}

// TestRule02FirstComeFirstServed: 200 clients and one slot. The backend records that
// never two are there at once, and their order.
func TestRule02FirstComeFirstServed(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		const n = 200
		a := newServer(t, "a")
		v := start(t, oneSlot(relay), a)
		v.untilUp()
		first := v.dial("first")
		first.hears("a first")
		var clients []*client
		want := []string{"first"}
		for i := range n {
			name := fmt.Sprint("client-", i)
			clients = append(clients, v.dial(name))
			want = append(want, name)
		}
		i := v.until("all in the queue", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == n })
		if i.Reason != "slots" || i.Lock.InUse != 1 || len(i.Lock.Holders) != 1 {
			t.Errorf("while they wait: %+v", i)
		}
		for pos, w := range v.svc.Waiters() {
			state := proxy.WaiterWaiting
			if pos == 0 {
				state = proxy.WaiterNext
			}
			if w.Position != pos+1 || w.Client != clients[pos].LocalAddr().String() || w.State != state || w.Reason != "slots" {
				t.Fatalf("place %d: %+v", pos, w)
			}
		}
		head := v.Engine.Operator().Waiters(i.Name, 3)
		if len(head) != 3 || head[0].State != proxy.WaiterNext || head[2].Client != clients[2].LocalAddr().String() || head[2].Position != 3 {
			t.Errorf("the first three: %+v", head)
		}
		if all := v.Engine.Operator().Waiters(i.Name, 2*n); len(all) != n || len(v.Engine.Operator().Waiters("none", 3)) != 0 {
			t.Errorf("%d of %d waiters", len(all), n)
		}
		first.leaves()
		for i, c := range clients {
			c.hears(fmt.Sprint("a client-", i))
			c.leaves()
		}
		if got := a.order(); !slices.Equal(got, want) {
			t.Errorf("the order was %v", got)
		}
		if most := a.most.Load(); most != 1 {
			t.Errorf("%d at a time", most)
		}
		i = v.untilIdle()
		if i.Queue.Granted != n || i.Sessions.Total != n+1 || i.Sessions.Failed+i.Sessions.Cut+i.Sessions.Rejected+i.Queue.Abandoned != 0 {
			t.Errorf("counted %+v", i)
		}
		if b := i.Backends[0]; b.Total != n+1 || b.Peak != 1 {
			t.Errorf("the backend %+v", b)
		}
	})
}

// TestRule02AWaiterIsBoundToNoBackend: a client that waits for two full ones gets the
// first free one.
func TestRule02AWaiterIsBoundToNoBackend(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newServer(t, "a"), newServer(t, "b")
		full := func(s *server) proxy.BackendConfig {
			c := s.backend()
			c.MaxSessions = 1
			return c
		}
		v := start(t, proxy.ServiceConfig{Relay: relay, Balance: "first", Backends: []proxy.BackendConfig{full(a), full(b)}})
		v.untilUp()
		one, two := v.dial("one"), (*client)(nil)
		one.hears("a one")
		two = v.dial("two")
		two.hears("b two")
		three := v.queue("three")
		i := v.svc.Info()
		if i.Reason != "full" || i.Backends[0].Reason != "full" || i.Backends[0].Eligible {
			t.Errorf("while full: %+v", i)
		}
		two.leaves()
		three.hears("b three")
		one.leaves()
		three.leaves()
		if a.most.Load() != 1 || b.most.Load() != 1 {
			t.Errorf("%d and %d at a time", a.most.Load(), b.most.Load())
		}
	})
}

// TestRule02TheQueueHoldsSoMany: queue.max bounds the waiters, not those served.
func TestRule02TheQueueHoldsSoMany(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		c := oneSlot(relay)
		c.Queue.Max = 2
		v := start(t, c, newServer(t, "a"))
		first := v.dial("first")
		first.hears("a first")
		second, third := v.queue("second"), v.queue("third")
		v.turnedAway()
		if r := v.record(); r.Reason != proxy.ReasonQueueFull || r.By != proxy.ByProxy || r.Phase != proxy.PhaseQueue || r.Served {
			t.Errorf("record %+v", r)
		}
		if i := v.svc.Info(); i.Sessions.Rejected != 1 || i.Sessions.Failed != 0 || i.Queue.Max != 2 {
			t.Errorf("counted %+v", i)
		}
		first.leaves()
		second.hears("a second")
		second.leaves()
		third.hears("a third")
	})
}

// TestRule03QueueTimeoutOnASlot: it runs while a client waits for a slot, and ends with
// a reset.
func TestRule03QueueTimeoutOnASlot(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		c := oneSlot(relay)
		c.Queue.Timeout = 500 * time.Millisecond // admitting the first client takes part of it on a busy machine
		v := start(t, c, newServer(t, "a"))
		first := v.dial("first")
		first.hears("a first")
		v.dial("second").isReset()
		r := v.record()
		if r.Reason != proxy.ReasonQueueTimeout || r.By != proxy.ByProxy || r.Phase != proxy.PhaseQueue || r.WaitedSeconds < 0.5 {
			t.Errorf("record %+v", r)
		}
		if i := v.svc.Info(); i.Queue.TimedOut != 1 || i.Sessions.Failed != 1 || i.Queue.Waiting != 0 {
			t.Errorf("counted %+v", i)
		}
		first.says("still here")
		first.hears("still here")
	})
}

// TestRule03QueueTimeoutOnABackend: it also runs while no backend is up.
func TestRule03QueueTimeoutOnABackend(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		a.kill()
		v := start(t, proxy.ServiceConfig{Relay: relay, Queue: proxy.QueueConfig{Timeout: 50 * time.Millisecond}}, a)
		v.dial("one").isReset()
		if r := v.record(); r.Reason != proxy.ReasonQueueTimeout || r.Dials != 0 {
			t.Errorf("record %+v", r)
		}
	})
}

// TestRule07MaxSessionsQueues: the service's limit makes clients wait.
func TestRule07MaxSessionsQueues(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, proxy.ServiceConfig{Relay: relay, MaxSessions: 2}, a)
		one, two := v.dial("one"), v.dial("two")
		one.hears("a one")
		two.hears("a two")
		three := v.queue("three")
		if i := v.svc.Info(); i.Reason != "limit" || i.Sessions.Active != 2 {
			t.Errorf("while limited: %+v", i)
		}
		one.leaves()
		three.hears("a three")
		if a.most.Load() > 2 {
			t.Errorf("%d at a time", a.most.Load())
		}
	})
}

// TestRule07OnlyTheProcessStopsAccepting: beyond the process's limit clients wait in
// the kernel's backlog, and are served afterwards.
func TestRule07OnlyTheProcessStopsAccepting(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := startWithin(t, 3, oneSlot(relay), newServer(t, "a"))
		v.untilUp()
		began := time.Now()
		var all []*client
		for i := range 10 {
			all = append(all, v.dial(fmt.Sprint(i)))
		}
		v.untilWaiting(2) // one served and two waiting: the rest is in the backlog
		if i := v.svc.Info(); i.Sessions.Total != 3 {
			t.Errorf("%d accepted", i.Sessions.Total)
		}
		for i, c := range all {
			c.hears(fmt.Sprint("a ", i))
			c.leaves()
		}
		if i := v.untilIdle(); i.Sessions.Total != 10 || i.Sessions.Failed != 0 {
			t.Errorf("counted %+v", i)
		}
		page, _ := v.Events(0)
		said := 0
		for _, ev := range page.Events {
			if ev.Kind == proxy.EventLimit {
				said++
				if !strings.Contains(ev.Text, "the process 3 of 3;") {
					t.Errorf("said %q", ev.Text)
				}
			}
		}
		if said < 1 || said > 1+int(time.Since(began)/(10*time.Second)) { // one in ten seconds
			t.Errorf("%d events say that it is full", said)
		}
	})
}

// TestRule08ResetForThoseWhoAreNotServed: rejected, timed out (rule 3 above) or kicked.
func TestRule08ResetForThoseWhoAreNotServed(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, oneSlot(relay), newServer(t, "a"))
		live := v.dial("live")
		live.hears("a live")
		waiter := v.queue("waiter")
		id := v.svc.Waiters()[0].ID
		if n := v.Kick("ana", "too old", id); n != 1 {
			t.Fatalf("kicked %d", n)
		}
		waiter.isReset()
		if r := v.record(); r.ID != id || r.By != proxy.ByOperator || r.Phase != proxy.PhaseQueue || r.Cause() != "kicked: by ana: too old" || r.Served {
			t.Errorf("the waiter: %+v", r)
		}
		if n := v.Kick("ana", "", v.Sessions(false)[0].ID, "s999999"); n != 1 {
			t.Fatalf("kicked %d", n)
		}
		live.isReset()
		if r := v.record(); r.By != proxy.ByOperator || r.Phase != proxy.PhaseRelay || r.Reason != proxy.ReasonKicked || !r.Served {
			t.Errorf("the live session: %+v", r)
		}
		i := v.untilIdle()
		if i.Queue.Kicked != 1 || i.Sessions.Failed != 1 || i.Sessions.Cut != 1 || i.Sessions.Rejected != 0 {
			t.Errorf("counted %+v", i)
		}
	})
}

// TestRule09FailedIsNotCut: the backend's death cuts live sessions; a client that then
// waits and is not served has failed; one that is refused before it waits is rejected.
func TestRule09FailedIsNotCut(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		c := oneSlot(relay)
		c.NoBackend = proxy.Reject
		c.Check.Fall = 1
		v := start(t, c, a)
		v.untilUp()
		live := v.dial("live")
		live.hears("a live")
		waiter := v.queue("waiter")
		a.kill()
		live.isReset()
		waiter.isReset()
		v.untilHealth("a", proxy.StateDown)
		v.turnedAway()
		i := v.untilIdle()
		if i.Sessions.Cut != 1 || i.Sessions.Failed != 1 || i.Sessions.Rejected != 1 {
			t.Errorf("counted %+v", i.Sessions)
		}
		by := map[string]proxy.Record{}
		for range 3 {
			r := v.record()
			by[r.Client] = r
		}
		if r := by[live.LocalAddr().String()]; r.By != proxy.ByBackend || r.Phase != proxy.PhaseRelay || r.Reason != proxy.ReasonReset {
			t.Errorf("the live session: %+v", r)
		}
		if r := by[waiter.LocalAddr().String()]; r.Served || r.Phase == proxy.PhaseRelay {
			t.Errorf("the waiter: %+v", r)
		}
		delete(by, live.LocalAddr().String())
		delete(by, waiter.LocalAddr().String())
		for _, r := range by {
			if r.Reason != proxy.ReasonNoBackend || r.By != proxy.ByProxy || r.Dials != 0 {
				t.Errorf("the rejected client: %+v", r)
			}
		}
	})
}
