package mesh

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff doubles from min to max. Each wait is up to 30% shorter at random, so that nodes that lost each other at the same
// moment do not dial each other at the same moments.
type backoff struct {
	min, max time.Duration
	last     time.Duration
}

func (b *backoff) next() time.Duration {
	b.last = min(max(b.min, 2*b.last), b.max)
	return b.last - rand.N(b.last*3/10+1)
}

func (b *backoff) reset() { b.last = 0 }

// sleep waits until the next attempt, or until ctx ends.
func (b *backoff) sleep(ctx context.Context) { sleep(ctx, b.next()) }

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
