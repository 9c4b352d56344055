package proxy

import (
	"context"

	"github.com/tcpctl/tcpctl/lock"
)

// changes wakes what awaits a state of a service. It is guarded by the service's
// queue.
type changes struct {
	queue *lock.Queue
	next  chan struct{} // closed at the next change; nil: nothing waits for it
}

// notifyLocked wakes all that await a state of the service. It is called
// where a pause, a release, a hold, a hook or a backend's health has changed.
func (c *changes) notifyLocked() {
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}

// await returns once over says so, which is asked with the queue locked, now
// and each time that the service's state has changed; or with ctx's cause.
func (c *changes) await(ctx context.Context, over func() bool) error {
	for {
		more := c.nextUnless(over)
		if more == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-more:
		}
	}
}

// nextUnless gives what is closed at the next change of the service's state;
// nil when over says that there is nothing to wait for.
func (c *changes) nextUnless(over func() bool) (more <-chan struct{}) {
	c.queue.Do(func() {
		if over() {
			return
		}
		if c.next == nil {
			c.next = make(chan struct{})
		}
		more = c.next
	})
	return more
}
