package proxy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule14OnePauseAtATime: all of a pause, and the refusal of a second one.
func TestRule14OnePauseAtATime(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, proxy.ServiceConfig{Relay: relay}, newServer(t, "a"))
		live := v.dial("live")
		live.hears("a live")
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana@edge-01", Reason: "kernel"}))
		held := v.queue("held")
		i := v.svc.Info()
		if i.State != proxy.StatePausing || i.Reason != "paused" || i.Pause == nil {
			t.Fatalf("pausing: %+v", i)
		}
		p := i.Pause
		if p.Owner != "ana@edge-01" || p.By != "pause" || p.Reason != "kernel" || p.Held != 1 || p.Then != proxy.ThenAbort ||
			p.Limit == nil || !p.Until.After(*p.Limit) || !p.Limit.After(p.Since) {
			t.Errorf("pause %+v", p)
		}
		_, err := v.svc.Pause(proxy.PauseOptions{By: "ben"})
		if err == nil || !strings.Contains(err.Error(), "by ana@edge-01 for 0s") {
			t.Errorf("a second pause: %v", err)
		}
		live.says("still here")
		live.hears("still here")
		live.leaves()
		i = v.untilState(proxy.StatePaused)
		if i.Pause.Limit != nil || i.Sessions.Active != 0 {
			t.Errorf("paused: %+v", i)
		}
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ben"})) // anybody may resume
		held.hears("a held")
		i = v.untilState(proxy.StateOpen)
		if i.Pause != nil || i.Sessions.Failed+i.Sessions.Cut != 0 {
			t.Errorf("open: %+v", i)
		}
		if _, err := v.svc.Resume(proxy.ResumeOptions{By: "ben"}); err == nil {
			t.Error("resumed twice")
		}
		page, _ := v.Events(0)
		for _, text := range []string{"db is paused: no session is live", "db is open: all held clients"} {
			if countEvents(page, proxy.EventService, text) != 1 {
				t.Errorf("the event %q is missing", text)
			}
		}
	})
}

// TestRule15Bypass skips only the pause: it takes a slot, and the pause does not wait
// for it.
func TestRule15Bypass(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		c := oneSlot(relay)
		c.Listen = []string{"127.0.0.1:0"}
		c.Pause.Bypass = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
		v := start(t, c, newServer(t, "a"))
		v.untilUp()
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
		held := v.queue("held")
		past := v.dialFrom("127.0.0.2", "past")
		past.hears("a past")
		i := v.svc.Info()
		if i.State != proxy.StatePaused || i.Sessions.Active != 1 || i.Sessions.Bypass != 1 || i.Lock.InUse != 1 {
			t.Errorf("with a client that bypasses it: %+v", i)
		}
		if s := v.Sessions(false); !s[1].Bypass || s[0].Bypass {
			t.Errorf("sessions %+v", s)
		}
		second := v.dialFrom("127.0.0.2", "second") // slots limit it, too
		v.untilWaiting(2)
		w := v.svc.Waiters()
		if w[0].Reason != "paused" || w[1].Reason != "slots" {
			t.Errorf("waiters %+v", w)
		}
		past.leaves()
		second.hears("a second")
		second.leaves()
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		held.hears("a held")
	})
}

// TestRule15WhoBypassesIsNotWaitedFor, nor cut at the limit.
func TestRule15WhoBypassesIsNotWaitedFor(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		c := proxy.ServiceConfig{Relay: relay}
		c.Pause.Bypass = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
		v := start(t, c, newServer(t, "a"))
		past, live := v.dialFrom("127.0.0.2", "past"), v.dial("live")
		past.hears("a past")
		live.hears("a live")
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Limit: time.Millisecond, Then: proxy.ThenCut}))
		live.isReset()
		v.untilState(proxy.StatePaused)
		past.says("still here")
		past.hears("still here")
	})
}

// TestRule16LiveSessionsAtTheLimit: abort, cut, keep.
func TestRule16LiveSessionsAtTheLimit(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, then := range []string{proxy.ThenAbort, proxy.ThenCut, proxy.ThenKeep} {
			t.Run(then, func(t *testing.T) {
				v := start(t, proxy.ServiceConfig{Relay: relay}, newServer(t, "a"))
				live := v.dial("live")
				live.hears("a live")
				v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Limit: 50 * time.Millisecond, Then: then}))
				held := v.dial("held")
				switch then {
				case proxy.ThenAbort: // given up: the service resumes
					held.hears("a held")
					v.untilState(proxy.StateOpen)
					page, _ := v.Events(0)
					if countEvents(page, proxy.EventService, "ended at its limit: 1 session still live") != 1 {
						t.Errorf("events %+v", page.Events)
					}
				case proxy.ThenCut:
					live.isReset()
					v.untilState(proxy.StatePaused)
					if r := v.record(); r.By != proxy.ByOperator || r.Reason != proxy.ReasonPauseLimit || r.Phase != proxy.PhaseRelay {
						t.Errorf("record %+v", r)
					}
					v.untilWaiting(1)
					if i := v.svc.Info(); i.Sessions.Cut != 1 {
						t.Errorf("counted %+v", i)
					}
					v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
					held.hears("a held")
					return
				case proxy.ThenKeep:
					v.untilState(proxy.StatePaused)
					v.untilWaiting(1)
					if i := v.svc.Info(); i.Sessions.Active != 1 {
						t.Errorf("counted %+v", i)
					}
				}
				live.says("still here")
				live.hears("still here")
			})
		}
	})
}

// TestRule16TheLongestPause resumes by itself, or rejects the waiters.
func TestRule16TheLongestPause(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, onMax := range []string{"resume", "reject"} {
			t.Run(onMax, func(t *testing.T) {
				a := newServer(t, "a")
				c := oneSlot(relay)
				c.Pause.OnMax = onMax
				v := start(t, c, a)
				v.untilUp()
				v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Max: 200 * time.Millisecond}))
				one, two := v.dial("one"), v.dial("two")
				if onMax == "resume" {
					var both sync.WaitGroup // either may have been accepted first
					for _, c := range []*client{one, two} {
						both.Go(func() {
							if got := c.hear(); !strings.HasPrefix(got, "a ") {
								t.Errorf("got %q", got)
							}
							c.Close()
						})
					}
					both.Wait()
					return
				}
				one.isReset()
				two.isReset()
				if r := v.record(); r.Reason != proxy.ReasonPauseDeadline || r.Phase != proxy.PhaseQueue || r.By != proxy.ByProxy {
					t.Errorf("record %+v", r)
				}
				i := v.untilIdle()
				if i.Sessions.Failed != 2 || i.Queue.Granted != 0 || i.Backends[0].Peak != 0 || a.accepted.Load() != 0 {
					t.Errorf("counted %+v", i)
				}
				v.untilState(proxy.StateOpen)
				v.dial("three").hears("a three")
			})
		}
	})
}

// TestRule17NewcomersStandBehind the clients that waited at the resume, whatever the
// rate is; a second resume changes it.
func TestRule17NewcomersStandBehind(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, oneSlot(relay), a)
		v.untilUp()
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
		var all []*client
		want := []string{}
		come := func(n int) {
			for range n {
				want = append(want, fmt.Sprint("client-", len(all)))
				all = append(all, v.queue(want[len(all)]))
			}
		}
		come(5)
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana", Rate: 0.001}))
		all[0].hears("a client-0") // the first is admitted at once
		all[0].leaves()
		come(5)
		i := v.until("pacing", func(i proxy.ServiceInfo) bool { return i.Reason == "pacing" })
		if i.State != proxy.StateReleasing || i.Queue.Waiting != 9 {
			t.Errorf("releasing: %+v", i)
		}
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana", Rate: 1000}))
		for n, c := range all[1:] {
			c.hears(fmt.Sprint("a client-", n+1))
			c.leaves()
		}
		i = v.untilIdle()
		if got := a.order(); !slices.Equal(got, want) || a.most.Load() != 1 || i.State != proxy.StateOpen {
			t.Errorf("%d at a time, in order %v; %+v", a.most.Load(), got, i)
		}
	})
}

// TestRule17ReleasingLastsUntilTheyAreServed, and its end is reported even if no
// newcomer arrives.
func TestRule17ReleasingLastsUntilTheyAreServed(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, oneSlot(relay), newServer(t, "a"))
		v.untilUp()
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
		one, two := v.queue("one"), v.queue("two")
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		one.hears("a one")
		newcomer := v.queue("newcomer")
		if i := v.svc.Info(); i.State != proxy.StateReleasing || i.Reason != "slots" {
			t.Errorf("releasing: %+v", i)
		}
		two.reset() // the last of them leaves
		v.untilState(proxy.StateOpen)
		v.eventually("it is reported", func() bool {
			page, _ := v.Events(0)
			return countEvents(page, proxy.EventService, "db is open: all held clients") == 1
		})
		one.leaves()
		newcomer.hears("a newcomer")
	})
}

// TestRule17LosingTheBackendsMeanwhileIsHolding, even under reject.
func TestRule17LosingTheBackendsMeanwhileIsHolding(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, how := range []string{proxy.Hold, proxy.Reject} {
			t.Run(how, func(t *testing.T) {
				a := newServer(t, "a")
				v := start(t, proxy.ServiceConfig{Relay: relay, NoBackend: how, ConnectRetries: -1, Check: quick(1, 1)}, a)
				v.untilUp()
				v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
				one, two := v.queue("one"), v.queue("two")
				a.kill()
				v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
				v.untilHealth("a", proxy.StateDown)
				i := v.until("both are held", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 2 && i.Reason == "no_backend" })
				if i.State != proxy.StateReleasing {
					t.Errorf("releasing: %+v", i)
				}
				a.restart(t)
				one.hears("a one")
				two.hears("a two")
				i = v.untilState(proxy.StateOpen)
				if i.Sessions.Failed+i.Sessions.Rejected+i.Sessions.Cut != 0 {
					t.Errorf("counted %+v", i.Sessions)
				}
			})
		}
	})
}

// TestRule17PauseAgainDuringARelease: the remaining clients keep waiting, in their places.
func TestRule17PauseAgainDuringARelease(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, proxy.ServiceConfig{Relay: relay}, newServer(t, "a"))
		v.untilUp()
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
		one, two := v.queue("one"), v.queue("two")
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana", Rate: 0.001}))
		one.hears("a one")
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ben"}))
		one.leaves()
		v.untilState(proxy.StatePaused)
		three := v.queue("three")
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ben"}))
		two.hears("a two")
		three.hears("a three")
		v.untilState(proxy.StateOpen)
	})
}

// TestRule17TheLastOfThemReachesNoBackend, before a check has noticed, and is still held:
// under reject, a client that no pause has held would be rejected.
func TestRule17TheLastOfThemReachesNoBackend(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, proxy.ServiceConfig{Relay: relay, NoBackend: proxy.Reject, ConnectRetries: -1, Check: proxy.CheckConfig{Interval: 50 * time.Millisecond, Rise: 1, Fall: 1000}}, a)
		v.untilUp()
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
		one := v.queue("one")
		a.kill()
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		i := v.until("it has tried again", func(i proxy.ServiceInfo) bool { return i.Backends[0].Failed >= 2 || i.Sessions.Failed > 0 })
		if i.State != proxy.StateReleasing {
			t.Errorf("its state is %s", i.State)
		}
		a.restart(t)
		one.hears("a one")
		if i = v.untilState(proxy.StateOpen); i.Sessions.Failed+i.Sessions.Rejected != 0 {
			t.Errorf("counted %+v", i.Sessions)
		}
	})
}
