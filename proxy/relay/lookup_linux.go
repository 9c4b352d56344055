package relay

import "context"

// lookUp finds the addresses of a name, off the loop.
func (c *call) lookUp(l *loop) {
	ctx, cancel := context.WithCancel(context.Background())
	if c.dial.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.dial.Timeout)
	}
	c.cancel = cancel
	l.run.aside.Add(1)
	go c.lookUpAside(ctx, l)
}

func (c *call) lookUpAside(ctx context.Context, l *loop) {
	defer l.run.aside.Done()
	defer c.cancel()
	all, err := c.dial.addresses(ctx)
	l.box.post(mail{do: func(l *loop) {
		switch {
		case c.over:
		case err != nil:
			c.fail(l, err)
		default:
			c.rest = all
			c.tryNext(l)
		}
	}}, nil)
}
