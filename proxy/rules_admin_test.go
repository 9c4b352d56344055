package proxy_test

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// twoUp is a service that prefers a to b.
func twoUp(t *testing.T, relay string) (v *visit, a, b *server) {
	a, b = newServer(t, "a"), newServer(t, "b")
	v = start(t, proxy.ServiceConfig{Relay: relay, Balance: "first"}, a, b)
	v.untilUp()
	return v, a, b
}

// TestRule12DrainSendsNoNewSessions: live sessions end by themselves.
func TestRule12DrainSendsNoNewSessions(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v, _, _ := twoUp(t, relay)
		live := v.dial("live")
		live.hears("a live")
		b := v.svc.Backend("a")
		text, err := b.Drain(proxy.DrainOptions{By: "ana", Reason: "kernel"})
		if err != nil || text != "drain db/a: 1 session remaining" {
			t.Errorf("drain: %q, %v", text, err)
		}
		i := b.Info()
		if i.Admin != proxy.AdminDrain || i.State != proxy.StateUp || i.Reason != "draining" || i.Eligible || i.Drain == nil ||
			i.Drain.StartedWith != 1 || i.Drain.Remaining != 1 || i.Drain.By != "ana" || i.Drain.Until != nil {
			t.Errorf("draining %+v, %+v", i, i.Drain)
		}
		if _, err := b.Drain(proxy.DrainOptions{By: "ben"}); !errors.Is(err, proxy.ErrAlready) || !strings.Contains(err.Error(), "already draining, 1 session remaining, by ana") {
			t.Errorf("a second drain: %v", err)
		}
		v.dial("new").hears("b new")
		live.says("still here")
		live.hears("still here")
		live.leaves()
		v.untilBackend("a", "drained", func(b proxy.BackendInfo) bool { return b.Reason == "drained" && b.Drain == nil })
		v.must(b.Ready("ana", ""))
		v.dial("back").hears("a back")
		if _, err := b.Ready("ana", ""); err == nil {
			t.Error("ready twice")
		}
		page, _ := v.Events(0)
		if n := countEvents(page, proxy.EventDrained, "db/a is drained"); n != 1 {
			t.Errorf("%d events say that it is drained", n)
		}
	})
}

func countEvents(page proxy.EventPage, kind, text string) (n int) {
	for _, ev := range page.Events {
		if ev.Kind == kind && strings.Contains(ev.Text, text) {
			n++
		}
	}
	return n
}

func TestRule12DrainingAndDownDoNotChangeEachOther(t *testing.T) {
	t.Parallel()
	a, da := newServer(t, "a"), newDoctor(t)
	v := start(t, proxy.ServiceConfig{Check: quick(1, 1), Backends: []proxy.BackendConfig{da.of(a)}})
	v.untilUp()
	b := v.svc.Backend("a")
	v.must(b.Drain(proxy.DrainOptions{By: "ana"}))
	da.sick() // checks continue
	v.untilHealth("a", proxy.StateDown)
	if i := b.Info(); i.Admin != proxy.AdminDrain {
		t.Errorf("going down has ended the drain: %+v", i)
	}
	v.must(b.Ready("ana", ""))
	if i := b.Info(); i.State != proxy.StateDown || i.Admin != proxy.AdminReady || i.Reason != "down" {
		t.Errorf("ready has changed the health: %+v", i)
	}
	da.well(t)
	v.untilHealth("a", proxy.StateUp)
}

// TestRule12TheLimitOfADrain: what then happens to live sessions.
func TestRule12TheLimitOfADrain(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, then := range []string{proxy.ThenAbort, proxy.ThenCut, proxy.ThenKeep} {
			t.Run(then, func(t *testing.T) {
				v, _, _ := twoUp(t, relay)
				live := v.dial("live")
				live.hears("a live")
				b := v.svc.Backend("a")
				v.must(b.Drain(proxy.DrainOptions{By: "ana", Limit: 500 * time.Millisecond, Then: then}))
				other := v.dial("other")
				if got := other.hear(); got != "b other" && then != proxy.ThenAbort { // on a busy machine that has passed
					t.Errorf("got %q", got)
				}
				if then == proxy.ThenCut {
					live.isReset()
					if r := v.record(); r.By != proxy.ByOperator || r.Reason != proxy.ReasonDrainLimit || r.Phase != proxy.PhaseRelay {
						t.Errorf("record %+v", r)
					}
					v.untilBackend("a", "drained", func(b proxy.BackendInfo) bool { return b.Reason == "drained" })
					if i := v.svc.Info(); i.Sessions.Cut != 1 {
						t.Errorf("counted %+v", i.Sessions)
					}
				} else {
					admin := map[string]string{proxy.ThenAbort: proxy.AdminReady, proxy.ThenKeep: proxy.AdminDrain}[then]
					v.untilBackend("a", admin, func(b proxy.BackendInfo) bool {
						return b.Admin == admin && (b.Drain == nil || b.Drain.Until == nil)
					})
					live.says("still here")
					live.hears("still here")
				}
				other.says("and I")
				other.hears("and I")
			})
		}
	})
}

func TestRule12MaintNeverCuts(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v, _, _ := twoUp(t, relay)
		live := v.dial("live")
		live.hears("a live")
		v.must(v.svc.Backend("a").Maint(proxy.DrainOptions{By: "ana", Limit: time.Millisecond, Then: proxy.ThenCut}))
		v.dial("new").hears("b new")
		time.Sleep(20 * time.Millisecond)
		live.says("still here")
		live.hears("still here")
	})
}

// TestRule12RemoveIsDrainThenGone, and no other backend is removed with it, as
// node-tcp-proxy did.
func TestRule12RemoveIsDrainThenGone(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b, c := newServer(t, "a"), newServer(t, "b"), newServer(t, "c")
		v := start(t, proxy.ServiceConfig{Relay: relay, Balance: "first"}, a, b, c)
		v.untilUp()
		live := v.dial("live")
		live.hears("a live")
		text, err := v.svc.Backend("a").Remove(proxy.DrainOptions{By: "ana"})
		if err != nil || text != "remove db/a: 1 session remaining" {
			t.Errorf("remove: %q, %v", text, err)
		}
		if i := v.backend("a"); !i.Removing || i.Reason != "removing" || i.Eligible {
			t.Errorf("it is %+v", i)
		}
		if _, err := v.svc.Backend("a").Remove(proxy.DrainOptions{By: "ben"}); err == nil {
			t.Error("removed twice")
		}
		v.dial("one").hears("b one")
		live.says("still here")
		live.hears("still here")
		live.leaves()
		v.until("gone", func(i proxy.ServiceInfo) bool { return len(i.Backends) == 2 })
		if v.svc.Backend("a") != nil {
			t.Error("it is still found")
		}
		v.must(v.svc.Backend("b").Remove(proxy.DrainOptions{By: "ana"})) // while one is live
		v.dial("two").hears("c two")
		if i := v.svc.Info(); i.BytesOut < int64(len("a live\nstill here\n")) {
			t.Errorf("its bytes are gone: %d", i.BytesOut)
		}
	})
}

// TestRule12RemoveCanBeTakenBack while the backend has sessions.
func TestRule12RemoveCanBeTakenBack(t *testing.T) {
	t.Parallel()
	v, _, _ := twoUp(t, "stream")
	live := v.dial("live")
	live.hears("a live")
	b := v.svc.Backend("a")
	v.must(b.Remove(proxy.DrainOptions{By: "ana"}))
	v.must(b.Ready("ana", ""))
	live.leaves()
	v.dial("new").hears("a new")
	if i := b.Info(); i.Removing || !i.Eligible {
		t.Errorf("it is %+v", i)
	}
}

// TestAddAndRemoveUnderWay: a client that waits for a backend gets the added one.
func TestAddAndRemoveUnderWay(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, proxy.ServiceConfig{Relay: relay})
		one := v.queue("one")
		a := newServer(t, "a")
		v.must(v.svc.Add(a.backend(), "ana", ""))
		one.hears("a one")
		if _, err := v.svc.Add(a.backend(), "ana", ""); err == nil {
			t.Error("added twice")
		}
		if _, err := v.svc.Add(proxy.BackendConfig{Addr: "nowhere"}, "ana", ""); err == nil {
			t.Error("added nonsense")
		}
		v.must(v.svc.Backend("a").Remove(proxy.DrainOptions{By: "ana", Limit: time.Millisecond, Then: proxy.ThenCut}))
		one.isReset()
		v.until("gone", func(i proxy.ServiceInfo) bool { return len(i.Backends) == 0 })
		two := v.queue("two")
		v.must(v.svc.Add(a.backend(), "ana", ""))
		two.hears("a two")
	})
}

// TestCloseRefusesAndOpensAgain: waiters and live sessions continue.
func TestCloseRefusesAndOpensAgain(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		addr := proxytest.FreePort(t)
		c := oneSlot(relay)
		c.Listen = []string{addr}
		v := start(t, c, newServer(t, "a"))
		v.untilUp()
		live := v.dial("live")
		live.hears("a live")
		waiting := v.queue("waiting")
		v.must(v.svc.StopListening("ana", ""))
		v.untilState(proxy.StateClosed)
		if c, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("while closed: %v, %v", c, err)
		}
		if _, err := v.svc.StopListening("ana", ""); err == nil {
			t.Error("closed twice")
		}
		if _, err := v.svc.Pause(proxy.PauseOptions{By: "ana"}); err == nil {
			t.Error("a closed service was paused")
		}
		live.leaves()
		waiting.hears("a waiting")
		waiting.leaves()
		v.must(v.svc.StartListening("ana", ""))
		v.untilState(proxy.StateOpen)
		if _, err := v.svc.StartListening("ana", ""); err == nil {
			t.Error("opened twice")
		}
		v.dial("new").hears("a new")
	})
}
