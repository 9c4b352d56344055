package proxy

import (
	"context"
	"sync"
	"time"
)

// wakeTimer wakes one goroutine at the earliest of the times set.
type wakeTimer struct {
	mu   sync.Mutex
	at   time.Time // zero: never
	poke chan struct{}
}

// set asks to be woken at t, if not earlier.
func (a *wakeTimer) set(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.at.IsZero() && !t.Before(a.at) {
		return
	}
	a.at = t
	select {
	case a.poke <- struct{}{}:
	default:
	}
}

// wait returns true at the time set, and false when ctx ends.
func (a *wakeTimer) wait(ctx context.Context) bool {
	for {
		a.mu.Lock()
		at := a.at
		a.mu.Unlock()
		var due <-chan time.Time
		if !at.IsZero() {
			due = time.After(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return false
		case <-a.poke: // the time has changed
		case <-due:
			a.mu.Lock()
			a.at = time.Time{}
			a.mu.Unlock()
			return true
		}
	}
}

// throttle lets one event through per interval and counts the others.
type throttle struct {
	last   time.Time
	missed int
}

// pass reports whether this event may pass, and how many did not since the last.
func (t *throttle) pass(every time.Duration) (ok bool, missed int) {
	now := time.Now()
	if now.Sub(t.last) < every {
		t.missed++
		return false, 0
	}
	missed, t.missed, t.last = t.missed, 0, now
	return true, missed
}
