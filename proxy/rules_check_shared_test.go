package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// followed is a backend with slots shared by engines and frequent checks; follow passes it
// other engines' verdicts.
func followed(t *testing.T) (v *visit, d *doctor, follow func(place int, verdict *proxy.Verdict)) {
	s, d := newServer(t, "a"), newDoctor(t)
	f := newFakeShared(1, 1)
	f.calm = true
	c := quick(1, 1)
	c.Timeout = time.Second
	v = start(t, proxy.ServiceConfig{Check: c, Lock: proxy.LockConfig{Slots: 1, Scope: proxy.ScopeCluster}, Shared: f.share,
		Backends: []proxy.BackendConfig{d.of(s)}})
	v.untilUp()
	return v, d, func(place int, verdict *proxy.Verdict) {
		v.FollowCheck(proxy.FollowedCheck{Service: v.svc.Name(), Backend: "a", Addr: s.addr(), Place: place, By: "edge-2", Verdict: verdict})
	}
}

// checksOf returns how many checks this engine has made.
func checksOf(v *visit) int64 { return v.backend("a").Checks.Total }

// untilChecked waits until this engine's last check has ended, once another one checks.
func untilChecked(v *visit) {
	for was := int64(-1); was != checksOf(v); time.Sleep(300 * time.Millisecond) {
		was = checksOf(v)
	}
}

// verdict is a verdict of another engine.
func verdict(up bool) *proxy.Verdict {
	v := &proxy.Verdict{At: time.Now(), OK: up, Known: true, Up: up, Consecutive: 3, Detail: "connected in 0.1ms"}
	if !up {
		v.Detail, v.Reason = "connection refused", proxy.ReasonConnect
	}
	return v
}

// TestRule25dAnothersVerdict counts like one of this engine, and is reported as
// another's. This engine's clients still find out for themselves.
func TestRule25dAnothersVerdict(t *testing.T) {
	t.Parallel()
	v, _, follow := followed(t)
	follow(1, nil)
	untilChecked(v)
	follow(1, verdict(false))
	down := v.backend("a")
	if down.State != proxy.StateDown || down.Check.By != "edge-2" || down.Check.Detail != "connection refused" || down.Check.Reason != proxy.ReasonConnect || down.Check.Consecutive != 3 {
		t.Errorf("it is %+v, %+v", down, down.Check)
	}
	one := v.queue("one")
	if all := v.SharedChecks(); len(all) != 1 || !all[0].Wanted || all[0].Verdict != nil || all[0].Place != 1 {
		t.Errorf("the others get %+v", all)
	}
	follow(1, verdict(true))
	one.hears("a one")
	if up := v.backend("a"); up.State != proxy.StateUp || up.Check.By != "edge-2" || up.Transitions != 1 {
		t.Errorf("it is %+v", up)
	}
	page, _ := v.Events(0)
	said := 0
	for _, ev := range page.Events {
		if strings.HasSuffix(ev.Text, ", checked by edge-2") {
			said++
		}
	}
	if said != 2 {
		t.Errorf("%d of 2 events say who checked: %+v", said, page.Events)
	}
}

// TestRule25dWhoFallsSilent is not waited for: the next one checks for itself, and reports
// the result.
func TestRule25dWhoFallsSilent(t *testing.T) {
	t.Parallel()
	v, d, follow := followed(t)
	follow(1, verdict(true))
	d.sick()
	v.untilHealth("a", proxy.StateDown) // after waiting in vain for a verdict
	if i := v.backend("a"); i.Check.By != "" {
		t.Errorf("checked by %q", i.Check.By)
	}
	v.eventually("the others get the result", func() bool {
		all := v.SharedChecks()
		return len(all) == 1 && all[0].Verdict != nil && all[0].Verdict.Known && !all[0].Verdict.Up
	})
	d.well(t)
	follow(0, nil)
	v.untilUp()
}

// TestRule25dWhoDoesNotReachIt checks for itself, without a slot, and reports nothing until
// a check passes: others may reach it.
func TestRule25dWhoDoesNotReachIt(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	f := newFakeShared(1, 1)
	f.calm = true
	c := quick(1, 3)
	c.Type, c.Send, c.Want = "send-expect", "check\n", "a check"
	v := start(t, proxy.ServiceConfig{Check: c, Lock: proxy.LockConfig{Slots: 1, Scope: proxy.ScopeCluster}, Shared: f.share}, s)
	follow := func(verdict *proxy.Verdict) {
		v.FollowCheck(proxy.FollowedCheck{Service: v.svc.Name(), Backend: "a", Addr: s.addr(), Place: 1, By: "edge-2", Verdict: verdict})
	}
	v.untilUp()
	follow(verdict(true))
	untilChecked(v)
	s.kill()
	one := v.queue("one")
	v.untilHealth("a", proxy.StateDown)
	follow(verdict(true))
	if i := v.backend("a"); i.State != proxy.StateDown || i.Check.By != "" {
		t.Errorf("it is %+v, %+v", i, i.Check)
	}
	if all := v.SharedChecks(); len(all) != 1 || all[0].Verdict != nil && !all[0].Verdict.OK { // an earlier verdict may be there
		t.Errorf("the others get %+v", all)
	}
	s.restart(t)
	one.hears("a one")
}

// TestRule25dMaintIsNotChecked, whatever others say.
func TestRule25dMaintIsNotChecked(t *testing.T) {
	t.Parallel()
	v, _, follow := followed(t)
	v.must(v.svc.Backend("a").Maint(proxy.DrainOptions{By: "ana"}))
	if all := v.SharedChecks(); len(all) != 0 {
		t.Errorf("the others get %+v", all)
	}
	v.must(v.svc.Backend("a").Ready("ana", ""))
	follow(1, verdict(true))
	v.untilUp()
}
