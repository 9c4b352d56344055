package relay

import (
	"fmt"
	"testing"
)

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
