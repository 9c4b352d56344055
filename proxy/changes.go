package proxy

import (
	"context"

	"github.com/tcpctl/tcpctl/lock"
)

// changes wakes waiters for a state of a service. It is guarded by the service's queue.
type changes struct {
	queue *lock.Queue
	next  chan struct{} // closed at the next change; nil: nothing waits for it
}

// notifyLocked wakes all that wait for a state of the service. It is called when a
// pause, a release, a hold, a hook or a backend's health has changed.
func (c *changes) notifyLocked() {
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}

// await returns when over returns true, or with ctx's cause. over is called with the
// queue locked, now and at each change of the service's state.
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

// nextUnless returns a channel that is closed at the next change of the service's
// state, or nil if over returns true.
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
