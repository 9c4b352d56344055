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

// TestTokens: a burst, and then so many a second; a minute later the source is
// forgotten, with all that it had.
func TestTokens(t *testing.T) {
	var l Limiter
	now, client, limits := time.Now(), netip.MustParseAddr("10.0.0.1"), Limits{PerSecond: 2}
	admitted := func() (n int) {
		for l.AdmitSession(client, limits, now) == Admit {
			n++
		}
		return n
	}
	if n := admitted(); n != burst {
		t.Errorf("%d at once, want %d", n, burst)
	}
	now = now.Add(time.Second)
	if n := admitted(); n != 2 {
		t.Errorf("%d a second later, want 2", n)
	}
	for range burst + 2 {
		l.Release(client, false)
	}
	now = now.Add(2 * time.Minute)
	l.AdmitSession(netip.MustParseAddr("10.0.0.2"), limits, now)
	if len(l.sources) != 1 {
		t.Errorf("%d sources are remembered, want 1", len(l.sources))
	}
}

// TestConnectionsWithoutAHandshake have a bound of their own, and take nothing
// of what sessions have.
func TestConnectionsWithoutAHandshake(t *testing.T) {
	var l Limiter
	now, client, limits := time.Now(), netip.MustParseAddr("10.0.0.1"), Limits{Active: 1}
	for range openings {
		if l.AdmitConnection(client, limits, now) != Admit {
			t.Fatal("refused below the bound")
		}
	}
	if l.AdmitConnection(client, limits, now) != TooManyAtOnce || l.AdmitSession(client, limits, now) != Admit {
		t.Error("beyond the bound, or of a session")
	}
	l.Release(client, true)
	if l.AdmitConnection(client, limits, now) != Admit {
		t.Error("one that was released still counts")
	}
}
