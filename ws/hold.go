package ws

import (
	"context"
	"time"
)

// Hold looks after a connection that is not served yet, for a client that has
// its handshake and waits in a queue: pings are answered and the peer's Close
// and death are noticed, but no byte of a message is taken. It returns
//
//   - ctx.Err() when ctx is done;
//   - nil when a message has begun to come. It stays unread, and so does what
//     is behind it: from then on only the end of the TCP connection can be
//     seen, at NetConn.
//   - io.EOF after the peer's Close, or the error that ended the connection.
func (c *Conn) Hold(ctx context.Context) error {
	c.turn <- struct{}{}
	defer c.endTurn()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.deadlines.Lock()
		defer c.deadlines.Unlock()
		if !c.isClosing.Load() {
			c.conn.SetReadDeadline(time.Unix(1, 0))
		}
		close(interrupted)
	})
	defer func() {
		if !stop() {
			<-interrupted
			c.restoreReadDeadline()
		}
	}()
	p := make([]byte, maxControl)
	for c.ended == nil {
		want := c.parser.wants()
		if want == 0 {
			return nil
		}
		n, err := c.pull(p[:want])
		for chunk := p[:n]; len(chunk) > 0 && err == nil; {
			_, chunk, err = c.span(chunk)
		}
		c.flush()
		if err != nil {
			err = c.endRead(err)
			if c.ended == nil && ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
	}
	return c.ended
}
