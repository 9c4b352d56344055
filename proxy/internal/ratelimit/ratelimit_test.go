package ratelimit

import (
	"net/netip"
	"testing"
	"time"
)

func TestSourcesAreCountedApart(t *testing.T) {
	var l Limiter
	now, limits := time.Now(), Limits{Active: 1}
	for _, step := range []struct {
		client string
		want   Decision
	}{
		{"10.0.0.1", Admit}, {"10.0.0.1", TooManyAtOnce}, {"::ffff:10.0.0.1", TooManyAtOnce}, {"10.0.0.2", Admit},
		{"2001:db8::1", Admit}, {"2001:db8::2", TooManyAtOnce}, {"2001:db8:0:1::1", Admit},
	} {
		if got := l.AdmitSession(netip.MustParseAddr(step.client), limits, now); got != step.want {
			t.Errorf("%s: %d, want %d", step.client, got, step.want)
		}
	}
	l.Release(netip.MustParseAddr("10.0.0.1"), false)
	if l.AdmitSession(netip.MustParseAddr("10.0.0.1"), limits, now) != Admit {
		t.Error("a released session still counts")
	}
}

// TestTokens: a burst, and then the rate; a minute later the source is forgotten with
// its state.
func TestTokens(t *testing.T) {
	var l Limiter
	now, client, limits := time.Now(), netip.MustParseAddr("10.0.0.1"), Limits{PerSecond: 2}
	admitted := func() (n int) {
		for l.AdmitSession(client, limits, now) == Admit {
			n++
		}
		return n
	}
	if n := admitted(); n != usualBurst {
		t.Errorf("%d at once, want %d", n, usualBurst)
	}
	now = now.Add(time.Second)
	if n := admitted(); n != 2 {
		t.Errorf("%d a second later, want 2", n)
	}
	for range usualBurst + 2 {
		l.Release(client, false)
	}
	now = now.Add(2 * time.Minute)
	l.AdmitSession(netip.MustParseAddr("10.0.0.2"), limits, now)
	if len(l.sources) != 1 {
		t.Errorf("%d sources are remembered, want 1", len(l.sources))
	}
}

// TestConnectionsWithoutAHandshake have a limit of their own, and do not count as
// sessions.
func TestConnectionsWithoutAHandshake(t *testing.T) {
	var l Limiter
	now, client, limits := time.Now(), netip.MustParseAddr("10.0.0.1"), Limits{Active: 1}
	for range openings {
		if l.AdmitConnection(client, limits, now) != Admit {
			t.Fatal("refused below the bound")
		}
	}
	if l.AdmitConnection(client, limits, now) != TooManyAtOnce || l.AdmitSession(client, limits, now) != Admit {
		t.Error("admitted beyond the bound, or as a session")
	}
	l.Release(client, true)
	if l.AdmitConnection(client, limits, now) != Admit {
		t.Error("a released connection still counts")
	}
}

// TestBurst: as many as configured at once, and then the rate; a rate below one a
// minute is not forgotten with its source.
func TestBurst(t *testing.T) {
	client := netip.MustParseAddr("10.0.0.1")
	for _, tt := range []struct {
		limits Limits
		pause  time.Duration
		first  int
		then   int
	}{
		{Limits{PerSecond: 1, Burst: 1}, time.Second, 1, 1},
		{Limits{PerSecond: 1, Burst: 20}, 10 * time.Second, 20, 10},
		{Limits{PerSecond: 1, Burst: 20}, time.Hour, 20, 20},
		{Limits{PerSecond: 50, Burst: 2}, time.Second, 2, 2},
		{Limits{PerSecond: 50}, time.Second, 50, 50},
		{Limits{PerSecond: 1. / 600, Burst: 3}, 10 * time.Minute, 3, 1},
		{Limits{PerSecond: 1. / 86400, Burst: 1}, 5 * time.Minute, 1, 0},
	} {
		var l Limiter
		now := time.Now()
		admitted := func() (n int) {
			for l.AdmitSession(client, tt.limits, now) == Admit {
				l.Release(client, false)
				n++
			}
			return n
		}
		if n := admitted(); n != tt.first {
			t.Errorf("%+v: %d at once, want %d", tt.limits, n, tt.first)
		}
		now = now.Add(tt.pause)
		l.AdmitSession(netip.MustParseAddr("10.0.0.2"), tt.limits, now) // sweeps
		if n := admitted(); n != tt.then {
			t.Errorf("%+v: %d after %s, want %d", tt.limits, n, tt.pause, tt.then)
		}
	}
}

// TestWaiters are counted by address, separately from sessions, and a source is not
// forgotten while one waits.
func TestWaiters(t *testing.T) {
	var l Limiter
	now, a, b := time.Now(), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2") // in one /64
	if !l.AdmitWaiter(a, 2, now) || !l.AdmitWaiter(b, 2, now) || l.AdmitWaiter(a, 2, now) {
		t.Error("want two of three admitted")
	}
	if !l.AdmitWaiter(netip.MustParseAddr("10.0.0.1"), 2, now.Add(time.Hour)) || l.AdmitWaiter(b, 2, now.Add(time.Hour)) {
		t.Error("forgotten while two wait")
	}
	l.ReleaseWaiter(b)
	if !l.AdmitWaiter(a, 2, now.Add(time.Hour)) {
		t.Error("a released waiter still counts")
	}
}
