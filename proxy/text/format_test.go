package text

import (
	"testing"
	"time"
)

func TestPlural(t *testing.T) {
	for n, want := range map[int]string{0: "0 sessions", 1: "1 session", 2: "2 sessions"} {
		if got := Plural(n, "session"); got != want {
			t.Errorf("Plural(%d) = %q, not %q", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1500 * time.Millisecond: "1.5s", 10 * time.Second: "10s", 5 * time.Minute: "5m", 90 * time.Second: "1m30s",
		24 * time.Hour: "24h", time.Hour + time.Second: "1h0m1s", time.Hour + 10*time.Minute: "1h10m", -time.Minute: "-1m",
	} {
		got := Duration(d)
		if back, err := time.ParseDuration(got); got != want || err != nil || back != d {
			t.Errorf("Duration(%s) = %q, not %q; read back as %s, %v", d, got, want, back, err)
		}
	}
}
