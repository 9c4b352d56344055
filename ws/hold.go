package ws

import (
	"context"
	"errors"
	"io"
	"time"
)

// keptMost bounds the payload that Hold keeps of a client that waits.
const keptMost = 4 << 10

// Hold looks after a connection that is not served yet, for a client that has
// its handshake and waits in a queue: pings are answered and the peer's Close
// and death are noticed. What comes of messages is kept for the one who reads
// next, up to 4 KiB. It returns
//
//   - ctx.Err() when ctx is done;
//   - nil when there is nothing more to look after: the peer's Close, or its
//     end of stream, has come behind bytes that are kept, or more than is kept
//     has, or a message that may be compressed. From then on only the end of
//     the TCP connection can be seen, at NetConn, and the bytes are still owed.
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
			want = min(len(p), keptMost-len(c.kept))
			if want == 0 || c.unpack != nil {
				return nil
			}
		}
		n, err := c.pull(p[:want])
		for chunk := p[:n]; len(chunk) > 0 && err == nil; {
			var found piece
			found, chunk, err = c.span(chunk)
			c.kept = append(c.kept, found.data...)
		}
		c.flush()
		if err != nil {
			err = c.endRead(err)
			switch {
			case c.ended == nil && ctx.Err() != nil:
				return ctx.Err()
			case len(c.kept) > 0 && err == io.EOF:
				return nil
			case len(c.kept) > 0 && errors.Is(err, io.ErrUnexpectedEOF):
				c.verify()
				return nil
			}
			return err
		}
	}
	return c.ended
}

// verify sends a ping to a peer that has ended its stream behind bytes that
// wait: if it is gone altogether, its system answers with a reset, which shows
// at NetConn.
func (c *Conn) verify() {
	c.pmu.Lock()
	c.nextPing()
	c.pmu.Unlock()
	c.flush()
}

// takeKept gives what Hold has kept.
func (c *Conn) takeKept(p []byte) int {
	n := copy(p, c.kept)
	if c.kept = c.kept[n:]; len(c.kept) == 0 {
		c.kept = nil
	}
	return n
}
