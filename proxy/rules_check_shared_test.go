package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// followed is an engine with a backend whose slots are shared by engines, and frequent checks; follow passes it
// other engines' verdicts.
func followed(t *testing.T, c proxy.CheckConfig, backend proxy.BackendConfig) (v *visit, f *fakeShared, follow func(place int, verdict *proxy.Verdict)) {
	f = newFakeShared(1, 1)
	f.calm = true
	v = start(t, proxy.ServiceConfig{Check: c, Lock: proxy.LockConfig{Slots: 1, Scope: proxy.ScopeCluster}, Shared: f.share,
		Backends: []proxy.BackendConfig{backend}})
	v.untilUp()
	return v, f, func(place int, verdict *proxy.Verdict) {
		v.FollowCheck(proxy.FollowedCheck{Service: v.svc.Name(), Backend: "a", Addr: backend.Addr, Place: place, By: "edge-2", Verdict: verdict})
	}
}

// seen is a check that a server sees, for which an engine takes a slot. Verdicts are waited for longer than any test takes.
func seen(rise, fall int) proxy.CheckConfig {
	c := quick(rise, fall)
	c.Type, c.Send, c.Want, c.Timeout = "send-expect", "check\n", "a check", patience
	return c
}

// betweenChecks calls do while no check is under way, and returns afterwards. The checks are seen.
func (m *fakeShared) betweenChecks(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	m.between <- func() { do(); close(done) }
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("no check has asked for its slot")
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
	v, f, follow := followed(t, seen(1, 1), newServer(t, "a").backend())
	f.betweenChecks(t, func() { follow(1, verdict(false)) })
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
	d, c := newDoctor(t), quick(1, 1)
	c.Timeout = time.Second
	v, _, follow := followed(t, c, d.of(newServer(t, "a")))
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
	v, f, follow := followed(t, seen(1, 3), s.backend())
	f.betweenChecks(t, func() { follow(1, verdict(true)) })
	s.kill()
	one := v.queue("one")
	v.untilHealth("a", proxy.StateDown)
	follow(1, verdict(true))
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
	v, _, follow := followed(t, seen(1, 1), newServer(t, "a").backend())
	v.must(v.svc.Backend("a").Maint(proxy.DrainOptions{By: "ana"}))
	if all := v.SharedChecks(); len(all) != 0 {
		t.Errorf("the others get %+v", all)
	}
	v.must(v.svc.Backend("a").Ready("ana", ""))
	follow(1, verdict(true))
	v.untilUp()
}
