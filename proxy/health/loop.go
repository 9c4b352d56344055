package health

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// Urgent is how soon a check follows that Request asks for: a burst of
// requests, as of many sessions whose dials failed together, is one check.
const Urgent = 250 * time.Millisecond

// Loop checks one backend again and again. The goroutine that calls Run owns
// it; Request may be called from any.
type Loop struct {
	interval func() (d time.Duration, needed bool)
	check    func(ctx context.Context)
	requests chan struct{}
}

// NewLoop makes a loop of check, which returns soon after its context has
// ended. Interval is asked before a check and after it: whether one is needed,
// and how long it is from one to the next. While none is needed, none is made
// before a Request, and then interval is asked again.
func NewLoop(interval func() (d time.Duration, needed bool), check func(ctx context.Context)) *Loop {
	return &Loop{interval: interval, check: check, requests: make(chan struct{}, 1)}
}

// Request asks for a check soon, and never blocks.
func (l *Loop) Request() {
	select {
	case l.requests <- struct{}{}:
	default: // one that is asked for will do
	}
}

// Run checks, waits, and checks again until ctx ends. No check is under way
// when it returns.
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
		// A little less at random, or a thousand backends that were configured
		// together are checked in the same moment for ever.
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
