package proxy

import (
	"testing"
	"time"
)

// TestRule45aDoubles up to ten times the first ejection, and starts again with the
// first once the backend has served for as long as it had been out.
func TestRule45aDoubles(t *testing.T) {
	t.Parallel()
	var e ejection
	now := time.Now()
	for i, c := range []struct{ in, want time.Duration }{
		{0, 30 * time.Second}, {time.Second, time.Minute}, {59 * time.Second, 2 * time.Minute}, {0, 4 * time.Minute},
		{0, 5 * time.Minute}, {299 * time.Second, 5 * time.Minute}, {5 * time.Minute, 30 * time.Second}, {time.Second, time.Minute},
	} {
		now = now.Add(c.in)
		e.begin(30*time.Second, now)
		if e.length != c.want || !e.since.Equal(now) || !e.until.Equal(now.Add(c.want)) {
			t.Errorf("ejection %d, %s after the last: %+v, not %s", i+1, c.in, e, c.want)
		}
		now = e.until
		e.since, e.until, e.ended = time.Time{}, time.Time{}, now
	}
}
