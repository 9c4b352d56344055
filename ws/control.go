package ws

import (
	"context"
	"errors"
	"io"
	"time"
)

// maxBuffered is the most payload, in bytes, that ServeControl buffers.
const maxBuffered = 4 << 10

// ServeControl handles the control frames of a connection whose payload the
// program does not want yet, such as that of a client which waits in a queue:
// it answers pings and notices the peer's Close and the end of the connection.
// Up to 4 KiB of payload that arrives meanwhile is buffered for the next Read or
// WriteTo. It returns
//
//   - ctx.Err() when ctx is done;
//   - nil when it can do no more: the buffer is full, a message may be
//     compressed, or the peer's Close or FIN has come behind buffered payload,
//     which Read and WriteTo return first. From then on only NetConn shows that
//     the TCP connection has ended;
//   - io.EOF after the peer's Close, or the error that ended the connection.
func (c *Conn) ServeControl(ctx context.Context) error {
	select {
	case c.readLock <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer c.unlockRead()
	defer c.interruptReads(ctx)()
	p := make([]byte, maxControl)
	for c.readErr == nil {
		want := c.parser.wantsControl()
		if want == 0 {
			want = min(len(p), maxBuffered-len(c.buffered))
			if want == 0 || c.inflate != nil {
				return nil
			}
		}
		n, err := c.readRaw(p[:want])
		for chunk := p[:n]; len(chunk) > 0 && err == nil; {
			var found framePart
			found, chunk, err = c.nextPart(chunk)
			c.buffered = append(c.buffered, found.data...)
		}
		c.flush()
		if err != nil {
			err = c.readError(err)
			switch {
			case c.readErr == nil && ctx.Err() != nil:
				return ctx.Err()
			case len(c.buffered) > 0 && err == io.EOF:
				return nil
			case len(c.buffered) > 0 && errors.Is(err, io.ErrUnexpectedEOF):
				c.probeReset()
				return nil
			}
			return err
		}
	}
	return c.readErr
}

// interruptReads ends reads when ctx is done, until end is called.
func (c *Conn) interruptReads(ctx context.Context) (end func()) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.deadlines.Lock()
		defer c.deadlines.Unlock()
		if !c.isClosing.Load() {
			c.conn.SetReadDeadline(time.Unix(1, 0))
		}
		close(interrupted)
	})
	return func() {
		if !stop() {
			<-interrupted
			c.restoreReadDeadline()
		}
	}
}

// probeReset sends a ping to a peer whose FIN has arrived after buffered payload:
// if its process has closed the socket, its kernel answers with a reset, which
// NetConn shows.
func (c *Conn) probeReset() {
	c.pingMu.Lock()
	c.queuePing()
	c.pingMu.Unlock()
	c.flush()
}

// readBuffered returns what ServeControl has buffered.
func (c *Conn) readBuffered(p []byte) int {
	n := copy(p, c.buffered)
	if c.buffered = c.buffered[n:]; len(c.buffered) == 0 {
		c.buffered = nil
	}
	return n
}
