package relay

import "context"

// lookUp resolves the addresses of a name in a goroutine.
func (c *loopDial) lookUp(l *loop) {
	ctx, cancel := context.WithCancel(context.Background())
	if c.dial.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.dial.Timeout)
	}
	c.cancel = cancel
	l.runner.goroutines.Add(1)
	go c.resolve(ctx, l)
}

func (c *loopDial) resolve(ctx context.Context, l *loop) {
	defer l.runner.goroutines.Done()
	defer c.cancel()
	all, err := c.dial.addresses(ctx)
	l.inbox.post(message{do: func(l *loop) {
		switch {
		case c.over:
		case err != nil:
			c.fail(l, err)
		default:
			c.remaining = all
			c.tryNext(l)
		}
	}}, nil)
}
