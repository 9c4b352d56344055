package proxy_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule03QueueTimeoutStandsStillDuringAPause: ten seconds before the pause, and
// twenty after it.
func TestRule03QueueTimeoutStandsStillDuringAPause(t *testing.T) {
	c := proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1}}
	clockwork(t, c, func(t *testing.T, w *works) {
		w.come("10.0.0.1")
		w.come("10.0.0.2") // waits for the slot
		w.after(10 * time.Second)
		w.act(w.svc.Pause(proxy.PauseOptions{By: "ana", Limit: time.Hour, Max: 90 * time.Minute}))
		if i := w.after(time.Hour - time.Minute); i.Queue.Waiting != 1 || i.Queue.TimedOut != 0 {
			t.Fatalf("during the pause: %+v", i.Queue)
		}
		w.act(w.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		if i := w.after(19 * time.Second); i.Queue.Waiting != 1 {
			t.Fatalf("after 29 s of waiting: %+v", i.Queue)
		}
		if i := w.after(3 * time.Second); i.Queue.TimedOut != 1 || i.Queue.Waiting != 0 {
			t.Errorf("after 31 s of waiting: %+v", i.Queue)
		}
		w.endsAt(time.Hour-time.Minute+30*time.Second, proxy.ReasonQueueTimeout)
	})
}

// TestRule03QueueTimeoutOfAPauseBefore does not affect later clients.
func TestRule03QueueTimeoutOfAPauseBefore(t *testing.T) {
	c := proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1}}
	clockwork(t, c, func(t *testing.T, w *works) {
		w.act(w.svc.Pause(proxy.PauseOptions{By: "ana"}))
		w.come("10.0.0.1")
		w.after(time.Minute)
		w.act(w.svc.Resume(proxy.ResumeOptions{By: "ana"})) // the first has the slot now, for ever
		w.come("10.0.0.2")
		if i := w.after(29 * time.Second); i.Queue.Waiting != 1 || i.State != proxy.StateOpen {
			t.Fatalf("after 29 s: %+v", i)
		}
		w.after(2 * time.Second)
		w.endsAt(90*time.Second, proxy.ReasonQueueTimeout)
	})
}

// TestRule03QueueTimeoutWhileReleasing: it stops for clients that wait for the
// release's pace, and runs for those that wait for a slot.
func TestRule03QueueTimeoutWhileReleasing(t *testing.T) {
	for _, slots := range []int{0, 1} {
		clockwork(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: slots}}, func(t *testing.T, w *works) {
			w.act(w.svc.Pause(proxy.PauseOptions{By: "ana"}))
			for range 10 {
				w.come("10.0.0.1")
			}
			w.after(time.Minute)
			w.act(w.svc.Resume(proxy.ResumeOptions{By: "ana", Rate: 0.1})) // one in ten seconds
			i := w.after(95 * time.Second)
			switch {
			case slots == 0 && (i.Sessions.Active != 10 || i.Queue.TimedOut != 0):
				t.Errorf("paced: %+v", i)
			case slots == 1 && (i.Sessions.Active != 1 || i.Queue.TimedOut != 9):
				t.Errorf("waiting for the slot: %+v", i)
			}
		})
	}
}

// TestRule05BackOffDoubles, and the queue's timeout ends it.
func TestRule05BackOffDoubles(t *testing.T) {
	clockwork(t, proxy.ServiceConfig{}, func(t *testing.T, w *works) {
		// An earlier pause does not affect it.
		w.act(w.svc.Pause(proxy.PauseOptions{By: "ana", Max: time.Hour}))
		w.after(time.Minute)
		w.act(w.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		w.kill(true)
		w.come("10.0.0.1")
		w.after(31 * time.Second)
		w.endsAt(90*time.Second, proxy.ReasonQueueTimeout)
		for n, gap := 1, 50*time.Millisecond; n < len(w.dials); n, gap = n+1, min(2*gap, 2*time.Second) {
			if got := w.dials[n] - w.dials[n-1]; got != gap {
				t.Fatalf("retry %d came after %s, want %s", n, got, gap)
			}
		}
		if n := len(w.dials); n < 15 || n > 25 {
			t.Errorf("%d retries in 30 s", n)
		}
	})
}

// TestRule05BackOffStandsInAPause: no session dials during a pause.
func TestRule05BackOffStandsInAPause(t *testing.T) {
	clockwork(t, proxy.ServiceConfig{}, func(t *testing.T, w *works) {
		w.kill(true)
		c := w.come("10.0.0.1")
		w.act(w.svc.Pause(proxy.PauseOptions{By: "ana"}))
		n := len(w.dials)
		if i := w.after(time.Minute); len(w.dials) != n || i.State != proxy.StatePaused || i.Queue.Waiting != 1 {
			t.Errorf("%d dials in the pause: %+v", len(w.dials)-n, i)
		}
		w.kill(false)
		w.act(w.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		w.hears(c, "hello")
	})
}

// TestRule06TheTTLIsExact, even during a pause.
func TestRule06TheTTLIsExact(t *testing.T) {
	c := proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1, TTL: 20 * time.Second}}
	clockwork(t, c, func(t *testing.T, w *works) {
		one := w.come("10.0.0.1")
		w.hears(one, "hello")
		w.after(15 * time.Second)
		w.act(w.svc.Pause(proxy.PauseOptions{By: "ana"}))
		two := w.come("10.0.0.2")
		if i := w.after(6 * time.Second); i.State != proxy.StatePaused {
			t.Errorf("after the ttl: %+v", i)
		}
		if at, r := w.last(); at != 20*time.Second || r.Reason != proxy.ReasonTTL {
			t.Errorf("it ended after %s, %q", at, r.Reason)
		}
		w.act(w.svc.Resume(proxy.ResumeOptions{By: "ana"})) // after 21 s
		w.hears(two, "hello")
		w.after(30 * time.Second)
		if at, r := w.last(); at != 41*time.Second || r.Reason != proxy.ReasonTTL {
			t.Errorf("the second ended after %s, %q", at, r.Reason)
		}
	})
}

// TestRule14APauseHasADeadline: pause.max, or its own.
func TestRule14APauseHasADeadline(t *testing.T) {
	for own, left := range map[time.Duration]time.Duration{0: 2 * time.Minute, 10 * time.Second: 10 * time.Second} {
		clockwork(t, proxy.ServiceConfig{}, func(t *testing.T, w *works) {
			w.act(w.svc.Pause(proxy.PauseOptions{By: "ana", Max: own}))
			c := w.come("10.0.0.1")
			if i := w.after(left - time.Millisecond); i.State != proxy.StatePaused || i.Queue.Waiting != 1 {
				t.Errorf("before the end: %+v", i)
			}
			if i := w.after(2 * time.Millisecond); i.State != proxy.StateOpen || i.Queue.Waiting != 0 {
				t.Errorf("after the end: %+v", i)
			}
			w.hears(c, "hello")
			for _, bad := range []proxy.PauseOptions{{Max: -1}, {Then: "pray"}} {
				if _, err := w.svc.Pause(bad); err == nil {
					t.Errorf("a pause with %+v", bad)
				}
			}
		})
	}
}

// TestRule15ABypassTimesOutInAPause: it waits for a slot, not for the pause's end.
func TestRule15ABypassTimesOutInAPause(t *testing.T) {
	c := proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1}}
	c.Pause.Bypass = []netip.Prefix{netip.MustParsePrefix("10.0.9.0/24")}
	clockwork(t, c, func(t *testing.T, w *works) {
		w.act(w.svc.Pause(proxy.PauseOptions{By: "ana"}))
		w.come("10.0.0.1")
		w.come("10.0.9.1")
		w.come("10.0.9.2")
		if i := w.after(31 * time.Second); i.Queue.Waiting != 1 || i.Sessions.Bypass != 1 || i.Queue.TimedOut != 1 {
			t.Errorf("after 31 s: %+v", i)
		}
		w.endsAt(30*time.Second, proxy.ReasonQueueTimeout)
	})
}

// TestRule17TheRateLimitsGrants to so many a second; a second resume changes it.
func TestRule17TheRateLimitsGrants(t *testing.T) {
	clockwork(t, proxy.ServiceConfig{}, func(t *testing.T, w *works) {
		w.act(w.svc.Pause(proxy.PauseOptions{By: "ana"}))
		for range 50 {
			w.come("10.0.0.1")
		}
		w.act(w.svc.Resume(proxy.ResumeOptions{By: "ana", Rate: 2}))
		if i := w.after(5*time.Second + time.Millisecond); i.Sessions.Active != 11 || i.Reason != "pacing" {
			t.Errorf("after 5 s by 2/s: %d, %s", i.Sessions.Active, i.Reason)
		}
		w.come("10.0.0.9") // behind the others
		w.act(w.svc.Resume(proxy.ResumeOptions{By: "ana", Rate: 10}))
		if i := w.after(time.Second + time.Millisecond); i.Sessions.Active != 22 || i.State != proxy.StateReleasing {
			t.Errorf("a second later by 10/s: %d, %s", i.Sessions.Active, i.State)
		}
		if i := w.after(3 * time.Second); i.Sessions.Active != 51 || i.State != proxy.StateOpen || i.Queue.Waiting != 0 {
			t.Errorf("in the end: %d, %s", i.Sessions.Active, i.State)
		}
	})
}

func TestRule12TheLimitOfADrainIsExact(t *testing.T) {
	clockwork(t, proxy.ServiceConfig{}, func(t *testing.T, w *works) {
		w.hears(w.come("10.0.0.1"), "hello")
		w.act(w.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Limit: time.Minute, Then: proxy.ThenCut}))
		if i := w.after(time.Minute - time.Millisecond); i.Sessions.Active != 1 || i.Backends[0].Drain.Until == nil {
			t.Errorf("before the limit: %+v", i)
		}
		if i := w.after(2 * time.Millisecond); i.Sessions.Active != 0 || i.Sessions.Cut != 1 {
			t.Errorf("after the limit: %+v", i)
		}
	})
}

// TestTheClocksOfASession: idle is reset by each byte, the lifetime is not.
func TestTheClocksOfASession(t *testing.T) {
	c := proxy.ServiceConfig{IdleTimeout: 10 * time.Second, MaxLifetime: time.Minute}
	clockwork(t, c, func(t *testing.T, w *works) {
		one := w.come("10.0.0.1")
		for range 3 {
			w.hears(one, "hello")
			w.after(9 * time.Second)
		}
		if w.ended() != 0 {
			t.Fatal("the session was not idle")
		}
		w.after(2 * time.Second)
		w.endsAt(28*time.Second, "idle")
		two := w.come("10.0.0.2") // after 29 s
		for range 8 {
			w.hears(two, "hello")
			if w.after(9 * time.Second); w.ended() == 2 {
				break
			}
		}
		w.endsAt(89*time.Second, proxy.ReasonLifetime)
	})
}
