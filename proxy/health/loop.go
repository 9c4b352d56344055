package health

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// Urgent is how soon a requested check follows. A burst of requests, as when the
// dials of many sessions fail together, causes one check.
const Urgent = 250 * time.Millisecond

// Loop repeats the checks of one backend. The goroutine that calls Run owns it;
// Request may be called by any goroutine.
type Loop struct {
	interval func() (d time.Duration, needed bool)
	check    func(ctx context.Context)
	requests chan struct{}
}

// NewLoop returns a loop that calls check, which must return soon after its
// context is done. interval is called before and after each check, and returns
// whether checks are needed and the time between two. While none is needed, none
// is made until Request, after which interval is called again.
func NewLoop(interval func() (d time.Duration, needed bool), check func(ctx context.Context)) *Loop {
	return &Loop{interval: interval, check: check, requests: make(chan struct{}, 1)}
}

// Request asks for a check soon. It never blocks.
func (l *Loop) Request() {
	select {
	case l.requests <- struct{}{}:
	default: // one pending request is enough
	}
}

// Run checks and waits in turn until ctx is done. No check is in progress when it
// returns.
func (l *Loop) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if _, needed := l.interval(); needed {
			l.check(ctx)
		}
		l.wait(ctx)
	}
}

// wait waits until the next check is due, or ctx ends.
func (l *Loop) wait(ctx context.Context) {
	wait := time.Duration(math.MaxInt64)
	if d, needed := l.interval(); needed {
		// A little less, at random, so that a thousand backends that were configured
		// together are not checked at the same moments for ever.
		wait = d - time.Duration(rand.Int64N(int64(d)/10+1))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-l.requests:
		timer.Reset(min(Urgent, wait))
	case <-timer.C:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
