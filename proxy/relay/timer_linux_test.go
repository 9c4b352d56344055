package relay

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// TestALoopWaitsForMonths at most as long as epoll can: more would be for ever, or no time.
func TestALoopWaitsForMonths(t *testing.T) {
	for _, d := range []time.Duration{24 * 24 * time.Hour, 25 * 24 * time.Hour, 50 * 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
		l := &loop{}
		l.timers.set(new(timer), int64(time.Since(start)+d), nil)
		if ms := l.timeout(); ms > math.MaxInt32 || ms < int((23*24*time.Hour).Milliseconds()) {
			t.Errorf("for a timer in %s it waits %d ms", d, ms)
		}
	}
}

// BenchmarkTimers moves the timer of one of a loop's many sessions, as when its
// deadline fires and is set again.
func BenchmarkTimers(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n, " sessions"), func(b *testing.B) {
			var h timers
			all := make([]timer, n)
			for i := range all {
				h.set(&all[i], int64(i), nil)
			}
			for now := int64(n); b.Loop(); now++ {
				t := h.expired(now)
				h.set(t, now, nil)
			}
		})
	}
}
