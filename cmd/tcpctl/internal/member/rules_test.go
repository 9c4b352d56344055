package member_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/member"
	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// lostLease is the length of leases in tests that wait for the end of one.
const lostLease = 2 * time.Second

// TestRule25ACutOffNode: it grants nothing, keeps its waiters, and ends its holder before the slot
// moves; once reconnected, its waiter is served.
func TestRule25ACutOffNode(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, lostLease, relay, proxy.ServiceConfig{}, nil)
		holder := r.nodes[2].queue("holder")
		token := holder.hears("a")
		there, next := r.nodes[2].queue("there"), r.nodes[0].queue("next")
		r.link(3, false)
		if !holder.ends() {
			t.Error("the holder saw no reset")
		}
		rec := r.nodes[2].record()
		if rec.By != proxy.ByProxy || rec.Reason != proxy.ReasonLeaseLost || rec.Phase != proxy.PhaseRelay || rec.Token == 0 {
			t.Errorf("record %+v", rec)
		}
		after := next.hears("a")
		if after <= token {
			t.Errorf("token %d after token %d", after, token)
		}
		if i := r.nodes[2].svc.Info(); i.Queue.Waiting != 1 || i.Sessions.Active != 0 || i.Sessions.Cut != 1 {
			t.Errorf("the node that was cut off: %+v, %+v", i.Queue, i.Sessions)
		}
		if w := r.nodes[2].svc.Waiters(); len(w) != 1 || w[0].Reason != proxy.ReasonClusterLease {
			t.Errorf("it waits: %+v", w)
		}
		late := r.nodes[1].queue("late")
		r.link(3, true)
		eventually(t, "it has a lease again", func() bool { return r.nodes[2].member.Lease() > 0 })
		next.leaves()
		// Its lease had ended, so its waiter is now behind the one that came since.
		late.hears("a")
		late.leaves()
		there.hears("a")
		there.leaves()
		r.records()
		r.backend.atMost(1)
	})
}

// TestRule25ABriefCut: as long as the lease runs, waiters keep their places.
func TestRule25ABriefCut(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{}, nil)
		holder := r.nodes[0].queue("holder")
		holder.hears("a")
		there := r.nodes[2].queue("there")
		r.link(3, false)
		late := r.nodes[1].queue("late")
		r.link(3, true)
		holder.leaves()
		there.hears("a")
		there.leaves()
		late.hears("a")
		late.leaves()
		r.records()
		r.backend.atMost(1)
	})
}

// TestRule25NoVoterIsKnown: a node whose file was read again, and names voters that it never met, ends its sessions
// before its lease ends, too.
func TestRule25NoVoterIsKnown(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, lostLease, relay, proxy.ServiceConfig{}, nil)
		holder := r.nodes[2].queue("holder")
		holder.hears("a")
		r.mu.Lock()
		r.alien[3] = true
		r.mu.Unlock()
		r.link(3, false)
		if !holder.ends() {
			t.Error("its session was not reset")
		}
		next := r.nodes[0].queue("next")
		next.hears("a")
		next.leaves()
		r.mu.Lock()
		r.alien[3] = false
		r.mu.Unlock()
		r.records()
		r.backend.atMost(1)
	})
}

// TestRule25aKept: with on_lost = "keep" a session continues without its slot, and no client is
// admitted without a lease.
func TestRule25aKept(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, lostLease, relay, proxy.ServiceConfig{}, func(_ int, _ *proxy.ServiceConfig, m *member.Config) { m.Keep = true })
		holder := r.nodes[2].queue("holder")
		holder.hears("a")
		waits := r.nodes[2].queue("waits")
		r.link(3, false)
		eventually(t, "the slot has come back", func() bool { return len(r.held()) == 0 })
		if i := r.nodes[2].svc.Info(); i.Sessions.Active != 1 || i.Queue.Waiting != 1 || i.Sessions.Cut != 0 {
			t.Errorf("it has %+v", i.Sessions)
		}
		holder.leaves()
		r.link(3, true)
		waits.hears("a")
		waits.leaves()
		r.records()
	})
}

// TestRule25aRejected: with when_lost = "reject" waiters and new clients are rejected while the
// node has no lease.
func TestRule25aRejected(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, lostLease, relay, proxy.ServiceConfig{Lock: proxy.LockConfig{WhenLost: proxy.Reject}}, nil)
		n := r.nodes[2]
		holder := n.queue("holder")
		holder.hears("a")
		waits := n.queue("waits")
		r.link(3, false)
		for _, v := range []*visitor{holder, waits, n.dial("newcomer")} {
			if !v.ends() {
				t.Errorf("%s saw no reset", v.name)
			}
		}
		n.until("all is over", func(i proxy.ServiceInfo) bool { return len(n.records) == 3 })
		reasons := map[proxy.Reason]int{}
		for range 3 {
			reasons[n.record().Reason]++
		}
		if reasons[proxy.ReasonLeaseLost] != 1 || reasons[proxy.ReasonClusterLease] != 2 {
			t.Errorf("ended by %v", reasons)
		}
		if c := n.svc.Info().Sessions; c.Failed+c.Rejected != 2 || c.Cut != 1 {
			t.Errorf("counted %+v", c)
		}
		r.link(3, true)
		eventually(t, "it has a lease again", func() bool { return n.member.Lease() > 0 })
		n.until("it knows", func(proxy.ServiceInfo) bool {
			v := n.dial("again")
			_, err := v.r.ReadByte()
			v.Close()
			return err == nil
		})
	})
}

// TestRule36AnotherVersion: clients of a node wait with that reason while the voters have another
// version, and are served once the versions agree.
func TestRule36AnotherVersion(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, lostLease, relay, proxy.ServiceConfig{}, nil)
		n := r.nodes[2]
		r.otherVersion(3, true)
		r.link(3, false) // they refuse each other
		v := n.dial("waits")
		n.until("it waits for a version", func(i proxy.ServiceInfo) bool { return i.Reason == proxy.ReasonClusterVersion })
		r.otherVersion(3, false)
		r.link(3, true)
		v.hears("a")
	})
}

// TestRule26NoLeader: while there is no leader, holders and waiters stay, and no client is
// admitted; afterwards everything continues.
func TestRule26NoLeader(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 2}}, nil)
		first, second := r.nodes[0].queue("first"), r.nodes[1].queue("second")
		first.hears("a")
		second.hears("a")
		third, fourth := r.nodes[2].queue("third"), r.nodes[0].queue("fourth")
		r.stop(true)
		first.leaves()
		time.Sleep(200 * time.Millisecond) // long enough for a grant
		for i, want := range []int{1, 0, 1} {
			if got := r.nodes[i].svc.Info().Queue.Waiting; got != want {
				t.Errorf("node %d has %d waiting", i+1, got)
			}
		}
		if i := r.nodes[1].svc.Info(); i.Sessions.Active != 1 || i.Sessions.Cut != 0 {
			t.Errorf("a session was ended: %+v", i.Sessions)
		}
		r.stop(false)
		third.hears("a")
		for _, v := range []*visitor{second, third} {
			v.leaves()
		}
		fourth.hears("a")
		fourth.leaves()
		r.records()
		r.backend.atMost(2)
	})
}

// TestRule32ReloadsTouchNoLease: a removed service serves its waiters; a new one with its name
// starts over, with the cluster's number of slots.
func TestRule32ReloadsTouchNoLease(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 2}}, nil)
		n := r.nodes[0]
		lease := n.member.Lease() > 0
		a, b := n.queue("a"), r.nodes[1].queue("b")
		a.hears("a")
		b.hears("a")
		c := n.queue("c")
		if err := r.nodes[2].member.SetSlots(t.Context(), "db", 1); err != nil {
			t.Fatal(err)
		}
		n.warns("slots = 2; on all nodes it is slots = 1")
		if i := r.nodes[1].svc.Info(); i.Sessions.Active != 1 {
			t.Error("fewer slots have cut a session")
		}
		if _, err := n.engine.Apply(proxy.Config{}); err != nil {
			t.Fatal(err)
		}
		if _, err := n.engine.Apply(proxy.Config{Services: []proxy.ServiceConfig{n.config}}); err != nil {
			t.Fatal(err)
		}
		n.svc = n.engine.Service("db")
		d := n.queue("d") // in a queue whose arrivals start at 1 again
		a.leaves()
		b.leaves()
		c.hears("a")
		c.leaves()
		d.hears("a")
		d.leaves()
		if !lease || n.member.Lease() == 0 {
			t.Error("a reload has taken the lease")
		}
		without := n.config
		without.Shared, without.Lock.Scope = nil, ""
		if _, err := n.engine.Apply(proxy.Config{Services: []proxy.ServiceConfig{without}}); err == nil || !strings.Contains(err.Error(), "only change with a restart") {
			t.Errorf("the lock of all nodes became one of this node: %v", err)
		}
		r.records()
	})
}

// TestRule37ActsWhereTheSessionIs: a kick, a TTL and a drain's limit end the session on its node,
// and the slot moves.
func TestRule37ActsWhereTheSessionIs(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{Drain: proxy.DrainConfig{}}, func(i int, c *proxy.ServiceConfig, _ *member.Config) {
			if i == 2 {
				c.Lock.TTL = 500 * time.Millisecond
			}
		})
		acts := []struct {
			node   int
			reason proxy.Reason
			act    func(n *node) error
		}{
			{2, proxy.ReasonTTL, func(*node) error { return nil }},
			{0, proxy.ReasonKicked, func(n *node) error {
				n.engine.Operator().Kick("ana", "", n.engine.Operator().Sessions(false)[0].ID)
				return nil
			}},
			{1, proxy.ReasonDrainLimit, func(n *node) error {
				_, err := n.svc.Backend("a").Drain(proxy.DrainOptions{Limit: time.Millisecond, Then: proxy.ThenCut, By: "ana"})
				return err
			}},
		}
		v := r.nodes[acts[0].node].queue("0")
		for i, act := range acts {
			if act.reason != proxy.ReasonTTL { // which may reset it before it reads
				v.hears("a")
			}
			next := r.nodes[acts[(i+1)%len(acts)].node].queue(fmt.Sprint(i + 1))
			n := r.nodes[act.node]
			if err := act.act(n); err != nil {
				t.Fatal(err)
			}
			if !v.ends() {
				t.Errorf("%s: no reset", act.reason)
			}
			if rec := n.record(); rec.Reason != act.reason {
				t.Errorf("%s: record %+v", act.reason, rec)
			}
			v = next
		}
		v.ends() // its TTL
		r.records()
		r.backend.atMost(1)
	})
}

// TestRule38ANewcomer: a client that was cut and comes back through another node is behind those
// already waiting.
func TestRule38ANewcomer(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, lostLease, relay, proxy.ServiceConfig{}, nil)
		cut := r.nodes[2].queue("cut")
		cut.hears("a")
		waits, too := r.nodes[0].queue("waits"), r.nodes[1].queue("too")
		r.link(3, false)
		if !cut.ends() {
			t.Error("it was not reset")
		}
		back := r.nodes[0].queue("back")
		for _, v := range []*visitor{waits, too, back} {
			v.hears("a")
			v.leaves()
		}
		if names, _ := r.backend.order(); !slices.Equal(names, []string{"cut", "waits", "too", "back"}) {
			t.Errorf("served %v", names)
		}
		r.backend.atMost(1)
	})
}

// TestRule25bANodeThatCannotServe: its waiters keep their places, but those of other nodes pass;
// once it can serve again, its waiters are next.
func TestRule25bANodeThatCannotServe(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{}, nil)
		n := r.nodes[0]
		if _, err := n.svc.Pause(proxy.PauseOptions{By: "ana"}); err != nil {
			t.Fatal(err)
		}
		held := n.queue("held")
		eventually(t, "all nodes know that it cannot serve", func() bool {
			return r.said(t, func(b cluster.Batch, op cluster.Op) bool {
				return b.Node == n.id && op.Kind == cluster.OpAble && !op.Flag
			}) > 0
		})
		passes := r.nodes[1].queue("passes")
		passes.hears("a")
		next, after := r.nodes[2].queue("next"), r.nodes[1].queue("after")
		if _, err := n.svc.Resume(proxy.ResumeOptions{By: "ana"}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "all nodes know that it can serve again", func() bool {
			return r.said(t, func(b cluster.Batch, op cluster.Op) bool {
				return b.Node == n.id && op.Kind == cluster.OpAble && op.Flag
			}) > 0
		})
		passes.leaves()
		for _, v := range []*visitor{held, next, after} {
			v.hears("a")
			v.leaves()
		}
		r.records()
		r.backend.atMost(1)
	})
}

// TestRule25bADialThatFails: it gives the slot back, and its client keeps its place.
func TestRule25bADialThatFails(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		dead := proxytest.Listen(t)
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{}, func(i int, c *proxy.ServiceConfig, _ *member.Config) {
			if i == 0 {
				c.Backends[0].Addr, c.Queue.Timeout = dead.Addr().String(), time.Minute
			}
		})
		own := newBackend(t, "own", 1)
		own.stop()
		proxytest.StopListening(dead)
		v := r.nodes[0].queue("fails")
		r.nodes[0].until("its dial has failed", func(i proxy.ServiceInfo) bool { return i.Backends[0].Failed > 1 })
		other := r.nodes[1].queue("other") // overtakes while it waits for its next attempt
		other.hears("a")
		last := r.nodes[2].queue("last")
		own.listen(dead.Addr().String())
		r.untilAble(t, 1, true)
		other.leaves()
		v.hears("own")
		v.leaves()
		last.hears("a")
		last.leaves()
		r.records()
	})
}
