package relay

import (
	"context"
	"net"
	"time"
)

// secure calls Dial.Secure with the new connection, in a goroutine, within the
// remaining time of its address.
func (c *loopDial) secure(l *loop) {
	ctx, cancel := context.WithCancel(context.Background())
	if c.deadline != 0 {
		share := (c.deadline - l.now) / int64(len(c.remaining)+1)
		if c.timer.index != 0 {
			share = c.timer.at - l.now
		}
		ctx, cancel = context.WithTimeout(ctx, time.Duration(max(share, 0)))
	}
	l.timers.stop(&c.timer) // the context's error says what has timed out
	c.cancel = cancel
	conn := c.side.openingConn()
	l.runner.goroutines.Add(1)
	go c.callSecure(ctx, l, conn)
}

func (c *loopDial) callSecure(ctx context.Context, l *loop, conn *openingConn) {
	defer l.runner.goroutines.Done()
	var over net.Conn
	var err error
	if panicked := recovered(func() { over, err = c.dial.Secure(ctx, conn) }); panicked != nil {
		err = panicked
	}
	l.inbox.post(message{do: func(l *loop) { c.secured(l, conn.side, over, err) }}, nil)
}

// secured continues once Dial.Secure has returned, unless the dial was aborted
// meanwhile.
func (c *loopDial) secured(l *loop, s *Side, over net.Conn, err error) {
	c.cancel()
	switch {
	case c.side != s:
	case err != nil:
		c.failed(l, err)
	default:
		s.takeSecured(over, c.dial.Sock)
		c.done(l)
	}
}

// takeSecured gives the side what Dial.Secure has made. If that is a connection, for an
// older TLS, the side becomes one, below it.
func (s *Side) takeSecured(over net.Conn, sock Sock) {
	if t, ok := over.(*carriedTLS); ok {
		s.Secure(t.tls)
	} else {
		if s.path == nil {
			sock.setKeepAlive(s.fd) // now: see recentConns
		}
		s.becomeConn()
		s.Wrap(over)
	}
	s.secured = true
}
