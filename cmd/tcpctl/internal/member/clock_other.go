//go:build !linux

package member

import (
	"sync"
	"time"
)

var elapsed struct {
	sync.Mutex
	last  time.Time
	total time.Duration
}

// Boottime is a clock that goes on while the system sleeps. Here it goes on with the
// date or with the monotonic clock, whichever went further since it was read last,
// and never goes back. If the date is set forward, leases end too early, which is safe.
func Boottime() time.Duration {
	now := time.Now()
	elapsed.Lock()
	defer elapsed.Unlock()
	if !elapsed.last.IsZero() {
		elapsed.total += max(now.Sub(elapsed.last), now.Round(0).Sub(elapsed.last.Round(0)))
	}
	elapsed.last = now
	return elapsed.total
}

// A timer calls wake after a time.
type timer struct{ *time.Timer }

func newTimer(wake func()) (*timer, error) { return &timer{time.AfterFunc(time.Hour, wake)}, nil }

func (t *timer) set(in time.Duration) { t.Reset(in) }

func (t *timer) stop() { t.Stop() }
