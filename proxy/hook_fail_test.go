package proxy_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// locked is a service with one slot, whose sessions are ended by a TTL, on a busy machine perhaps before they are
// answered.
func locked(hooks proxy.Hooks) proxy.ServiceConfig {
	return proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1, TTL: 200 * time.Millisecond}, Hooks: hooks,
		Check: proxy.CheckConfig{Interval: 10 * time.Millisecond}}
}

// withoutTTL ends no further session of a service by its TTL.
func (v *visit) withoutTTL() {
	v.Helper()
	c := v.config
	c.Lock.TTL = 0
	v.apply(c)
}

// broken is a hook that fails until it is repaired.
type broken struct{ mended chan struct{} }

func (b broken) hook(context.Context, proxy.HookCall) error {
	select {
	case <-b.mended:
		return nil
	default:
		return errors.New("not today")
	}
}

func kindsOf(v *visit, kind string) (texts []string) {
	page, _ := v.Operator.Events(0)
	for _, ev := range page.Events {
		if ev.Kind == kind {
			texts = append(texts, ev.Level+" "+ev.Text)
		}
	}
	return texts
}

// TestRule21aABackendThatAnswers: after a hook that failed or timed out the slot is
// still freed if a backend answers, with a warning.
func TestRule21aABackendThatAnswers(t *testing.T) {
	t.Parallel()
	for _, ready := range []string{proxy.ReadyCheck, proxy.ReadyConnect, proxy.ReadyNone} {
		hang := func(ctx context.Context, _ proxy.HookCall) error { <-ctx.Done(); return ctx.Err() }
		v := start(t, locked(proxy.Hooks{OnTTL: proxy.Hook{Func: hang, Timeout: 50 * time.Millisecond}, Ready: ready}), newServer(t, "a"))
		v.untilUp()
		v.dial("slow").isReset()
		v.withoutTTL()
		v.dial("next").hears("a next")
		i := v.svc.Info()
		if i.Hook.Failed != 1 || i.Hook.Fails != 1 || i.Backends[0].State != proxy.StateUp {
			t.Errorf("%s: %+v, backend %s", ready, i.Hook, i.Backends[0].State)
		}
		if text := i.Hook.Text(time.Now()); !strings.HasPrefix(text, "! on_ttl failed 1 time") {
			t.Errorf("%s: %q", ready, text)
		}
		if got := kindsOf(v, proxy.EventHook); len(got) != 1 || !strings.HasPrefix(got[0], "warn hook on_ttl of") || !strings.Contains(got[0], "a backend still answers") {
			t.Errorf("%s: %q", ready, got)
		}
	}
}

// TestRule21aABackendThatDoesNotAnswer is down; clients are held, even if none may be
// held for a backend that is down, and the reason is the hook, which is retried until
// it works.
func TestRule21aABackendThatDoesNotAnswer(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, check := range []string{"tcp", "none", "passive"} {
			t.Run(check, func(t *testing.T) {
				t.Parallel()
				s := newServer(t, "a")
				b := broken{make(chan struct{})}
				kill, restart := sync.OnceFunc(s.kill), sync.OnceFunc(func() { s.restart(t) })
				hook := func(ctx context.Context, c proxy.HookCall) error {
					kill()
					err := b.hook(ctx, c)
					if err == nil { // not before: after a hook that fails, a backend that answers is enough
						restart()
					}
					return err
				}
				cfg := locked(proxy.Hooks{OnTTL: proxy.Hook{Func: hook}})
				cfg.Relay, cfg.Check.Type, cfg.NoBackend = relay, check, proxy.Reject
				cfg.Check.Interval = time.Hour // the hook finds it down, not a check
				v := start(t, cfg, s)
				v.untilUp()
				v.dial("slow").isReset()
				i := v.until("the hook will be retried", func(i proxy.ServiceInfo) bool { return i.Hook.State == proxy.HookRetrying && i.Hook.NextTry != nil })
				if i.Backends[0].State != proxy.StateDown || i.Backends[0].Transitions != 1 {
					t.Errorf("%+v, backend %+v", i.Hook, i.Backends[0])
				}
				if text := i.Hook.Text(time.Now()); !strings.HasPrefix(text, "! on_ttl failed ") || !strings.Contains(text, ", next try in ") {
					t.Errorf("%q", text)
				}
				next, later := v.queue("next"), v.queue("later")
				v.eventually("they wait because of the hook", func() bool {
					return !slices.ContainsFunc(v.svc.Waiters(), func(w proxy.WaiterInfo) bool { return w.Reason != proxy.ReasonHook })
				})
				if got := kindsOf(v, proxy.EventBackendDown); len(got) != 1 || !strings.Contains(got[0], "on_ttl failed") {
					t.Errorf("%q", got)
				}
				v.withoutTTL()
				close(b.mended)
				next.hears("a next")
				next.Close()
				later.hears("a later")
				if i := v.svc.Info(); i.Hook.Failed != 0 || i.Backends[0].State != proxy.StateUp {
					t.Errorf("once it is repaired: %+v, backend %s", i.Hook, i.Backends[0].State)
				}
			})
		}
	})
}

// TestABackendThatIsBackAfterAHook is up in the events, too, as they have said that it is
// down: ten seconds have not passed since the last hook.
func TestABackendThatIsBackAfterAHook(t *testing.T) {
	t.Parallel()
	s, n := newServer(t, "a"), 0
	hook := func(context.Context, proxy.HookCall) error {
		switch n++; n {
		case 2:
			s.kill()
			return errors.New("not today")
		case 3:
			s.restart(t)
		}
		return nil
	}
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1}, Check: proxy.CheckConfig{Interval: time.Hour, Rise: 1}, Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: hook}}}, s)
	v.untilUp()
	for _, name := range []string{"one", "two"} {
		c := v.dial(name)
		c.hears("a " + name)
		c.Close()
	}
	if ups, downs := kindsOf(v, proxy.EventBackendUp), kindsOf(v, proxy.EventBackendDown); len(ups) != 3 || len(downs) != 1 {
		t.Errorf("it was up: %q; it was down: %q", ups, downs)
	}
}

// TestRule21aTheThirdFailureIsAnAlarm, once per series, whatever follows.
func TestRule21aTheThirdFailureIsAnAlarm(t *testing.T) {
	t.Parallel()
	b := broken{make(chan struct{})}
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1},
		Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: b.hook, OnError: proxy.OnErrorIgnore}}}, newServer(t, "a"))
	come := func(n int) {
		for range n {
			c := v.dial("x")
			c.hears("a x")
			c.Close()
			v.until("it is gone", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 0 })
		}
	}
	come(2)
	if got := kindsOf(v, proxy.EventHookFailing); len(got) != 0 {
		t.Errorf("after two: %q", got)
	}
	come(3)
	if got := kindsOf(v, proxy.EventHookFailing); len(got) != 1 || !strings.HasPrefix(got[0], "alarm hook before_next of") || !strings.Contains(got[0], "failed 3 times in a row: not today") {
		t.Errorf("after five: %q", got)
	}
	if i := v.svc.Info(); i.Hook.Failed != 5 || i.Hook.Text(time.Now()) != "! before_next failed 5 times; clients continue" {
		t.Errorf("%+v: %q", i.Hook, i.Hook.Text(time.Now()))
	}
	close(b.mended)
	come(1)
	if i := v.svc.Info(); i.Hook.Failed != 0 || i.Hook.Text(time.Now()) != "" {
		t.Errorf("%+v", i.Hook)
	}
}

// TestRule21aResumeGoesOn without a failed hook, but without a running one only with
// force.
func TestRule21aResumeGoesOn(t *testing.T) {
	t.Parallel()
	b := broken{make(chan struct{})}
	v := start(t, locked(proxy.Hooks{OnTTL: proxy.Hook{Func: b.hook, OnError: proxy.OnErrorHold}}), newServer(t, "a"))
	v.untilUp()
	v.dial("slow").isReset()
	v.until("it is held", func(i proxy.ServiceInfo) bool { return i.Hook.State == proxy.HookRetrying })
	next := v.dial("next")
	v.untilWaiting(1)
	text, err := v.svc.Resume(proxy.ResumeOptions{By: "ana"})
	if err != nil || !strings.Contains(text, "without hook on_ttl, which failed 1 time") {
		t.Errorf("%q, %v", text, err)
	}
	next.isReset() // it was admitted, its TTL has passed, and the hook is due again
	v.until("it is held again", func(i proxy.ServiceInfo) bool { return i.Hook.State == proxy.HookRetrying })
	if _, err := v.svc.Resume(proxy.ResumeOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := v.svc.Resume(proxy.ResumeOptions{}); !errors.Is(err, proxy.ErrAlready) {
		t.Errorf("resume without held clients: %v", err)
	}
}

func TestRule21aResumeEndsAHookThatRuns(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _ proxy.HookCall) error { <-ctx.Done(); return ctx.Err() }
	v := start(t, locked(proxy.Hooks{OnTTL: proxy.Hook{Func: hang, Timeout: time.Hour}}), newServer(t, "a"))
	v.untilUp()
	v.dial("slow").isReset()
	v.withoutTTL()
	i := v.until("it runs", func(i proxy.ServiceInfo) bool { return i.Hook.State == proxy.HookRunning })
	if text := i.Hook.Text(time.Now()); !strings.HasPrefix(text, "on_ttl runs for ") {
		t.Errorf("%q", text)
	}
	if _, err := v.svc.Resume(proxy.ResumeOptions{}); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("it was ended without force: %v", err)
	}
	next := v.dial("next")
	v.untilWaiting(1)
	v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana", Force: true}))
	next.hears("a next")
	if i := v.svc.Info(); i.Hook.Fails != 0 {
		t.Errorf("%+v: ended by an operator, which is no failure", i.Hook)
	}
}

// TestRule21aAnExclusiveHookWaitsForSoLong: an idle session of another slot does not
// delay everybody for ever.
func TestRule21aAnExclusiveHookWaitsForSoLong(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"before_next", "on_ttl"} {
		d := &diary{}
		cfg := service("db", "127.0.0.1:0", newServer(t, "a"))
		cfg.Lock.Slots, cfg.Pause.Limit = 2, 2*time.Second // a busy machine sees the hook wait
		if name == "before_next" {
			cfg.Hooks.BeforeNext = proxy.Hook{Func: d.hook, Every: 2}
		} else {
			cfg.Hooks.OnTTL = proxy.Hook{Func: d.hook}
		}
		v := start(t, cfg)
		v.untilUp()
		idle := v.dial("idle") // before a TTL is set
		idle.hears("a idle")
		if name == "on_ttl" {
			cfg.Lock.TTL = 50 * time.Millisecond
			v.apply(cfg)
			v.dial("slow").isReset()
			cfg.Lock.TTL = 0 // otherwise the TTL would end the idle session
			v.apply(cfg)
		}
		next := v.dial("next")
		i := v.until("it waits", func(i proxy.ServiceInfo) bool { return i.Hook.State == proxy.HookWaiting && i.Queue.Waiting == 1 })
		if text := i.Hook.Text(time.Now()); i.Reason != proxy.ReasonHook || !strings.HasPrefix(text, name+" waits for 1 other session to end, for ") {
			t.Errorf("%s: %q, %q", name, i.Reason, text)
		}
		next.hears("a next")
		if i := v.svc.Info(); i.Hook.Fails != 1 || i.Hook.Runs != 0 || len(d.counts()) != 0 {
			t.Errorf("%s: %+v", name, i.Hook)
		}
		if got := kindsOf(v, proxy.EventHook); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "1 other session did not end within 2s") }) {
			t.Errorf("%s: %q", name, got)
		}
		idle.says("still here")
		idle.hears("still here")
	}
}
