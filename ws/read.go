package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
)

// readState is the part of a Conn that belongs to the holder of readLock.
type readState struct {
	readLock  chan struct{}
	blocks    *blockReader
	early     []byte // bytes that came with the handshake
	buffered  []byte // payload that ServeControl has read
	parser    parser
	base64    *base64Decoder   // nil unless that subprotocol was negotiated
	inflate   *messageInflater // nil unless permessage-deflate was negotiated
	peerClose *CloseError      // the peer's Close frame
	readErr   error            // not nil: what every further read returns

	readDone      chan struct{} // closed when readErr is set, or by CloseNow
	isReadDone    atomic.Bool
	closeReceived atomic.Bool // the peer's Close frame has been read

	active        atomic.Bool // bytes were read or written since the last keepalive
	blockedInRead atomic.Bool // the reader waits for the socket
}

// Read reads payload into p. p is also the buffer for frame headers, so a small one
// makes small reads of the connection. After the peer's Close it returns io.EOF,
// whatever the code (see CloseError). It returns a *CloseError when the peer has
// broken the protocol, when the connection ended without a Close frame, and with
// ErrNotUTF8; io.EOF and a *CloseError come again with each further Read. After
// Close or CloseNow the error is net.ErrClosed, unless reading has ended before: the
// peer's answer to Close is io.EOF.
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.readLock <- struct{}{}
	defer c.unlockRead()
	if n = c.readBuffered(p); n > 0 {
		c.bytesRead.Add(int64(n))
		return n, nil
	}
	if c.inflate != nil {
		if n, err = c.inflate.read(p); err != nil {
			err = c.readError(err)
		}
		c.bytesRead.Add(int64(n))
		return n, err
	}
	for c.readErr == nil {
		got, err := c.readRaw(p)
		out, chunk := p[:0], p[:got]
		for len(chunk) > 0 && err == nil {
			var found framePart
			found, chunk, err = c.nextPart(chunk)
			out = append(out, found.data...) // moves the payload to the front of p
		}
		c.flush()
		if err != nil {
			err = c.readError(err)
		}
		if len(out) > 0 {
			c.bytesRead.Add(int64(len(out)))
			return len(out), nil // the next Read returns the error
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, c.readErr
}

func (c *Conn) unlockRead() { <-c.readLock }

// readRaw reads bytes of the connection into p.
func (c *Conn) readRaw(p []byte) (int, error) {
	if n := c.readEarly(p); n > 0 {
		return n, nil
	}
	c.blockedInRead.Store(true)
	n, err := c.conn.Read(p)
	c.blockedInRead.Store(false)
	if n > 0 {
		c.active.Store(true)
		err = nil // the next read returns it
	}
	return n, err
}

// readBlock is readRaw into a borrowed block, after its headroom.
func (c *Conn) readBlock() (b *block, n int, err error) {
	if len(c.early) > 0 {
		b = borrow()
		return b, c.readEarly(b.buf[headroom:]), nil
	}
	c.blockedInRead.Store(true)
	b, n, err = c.blocks.read()
	c.blockedInRead.Store(false)
	if n > 0 {
		c.active.Store(true)
		err = nil
	}
	return b, n, err
}

func (c *Conn) readEarly(p []byte) int {
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n
}

// nextPart parses the next framePart at the front of chunk, in place. It handles
// control frames itself, and returns them without data. The error is io.EOF for the
// peer's Close.
func (c *Conn) nextPart(chunk []byte) (found framePart, rest []byte, err error) {
	found, rest, bad := c.parser.next(chunk)
	switch {
	case bad != nil:
	case found.op == opPing:
		c.enqueueControl(opPong, found.data)
		found.data = nil
	case found.op == opPong:
		c.handlePong(found.data)
		found.data = nil
	case found.op == opClose:
		if c.peerClose, bad = parseClose(found.data); bad == nil {
			return framePart{}, nil, io.EOF
		}
	case found.op == opText && c.base64 != nil && !c.parser.deflated:
		found.data, bad = c.base64.decode(found.data, found.last)
	}
	if bad != nil {
		return framePart{}, nil, bad
	}
	return found, rest, nil
}

// readError returns what a reader gets for err, and records it as the end of
// reading unless it is a deadline. It is called when all payload before the error
// has been returned.
func (c *Conn) readError(err error) error {
	var bad *CloseError
	switch {
	case c.readErr != nil:
		return c.readErr
	case errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.Is(err, io.EOF) && c.peerClose != nil:
		c.closeReceived.Store(true)
		c.closeErr.CompareAndSwap(nil, c.peerClose)
		c.startEchoTimer()
		err = io.EOF
	case errors.As(err, &bad):
		c.fail(bad)
		c.flush()
		err = bad
	default:
		err = c.abnormalClosure(err)
	}
	if bad := c.encodeErr.Load(); bad != nil {
		err = bad // what this side did wrong, whatever the peer has answered
	}
	c.readErr = err
	c.markReadDone()
	return err
}

func (c *Conn) markReadDone() {
	if !c.isReadDone.Swap(true) {
		close(c.readDone)
	}
}

// abnormalClosure returns the error for a TCP connection that ended without the
// peer's Close frame.
func (c *Conn) abnormalClosure(err error) error {
	eof := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) // of crypto/tls
	if eof {
		err = c.eofError()
	}
	end := &CloseError{Code: AbnormalClosure, Err: err}
	if c.closeErr.CompareAndSwap(nil, end) {
		return end
	}
	switch first := c.closeErr.Load(); {
	case first.Code == AbnormalClosure:
		return first
	case eof && !c.closeTimedOut.Load() && !c.isClosing.Load():
		return end // a FIN instead of an answer to our Close
	}
	return fmt.Errorf("ws: read: %w", net.ErrClosed) // this side has closed the connection
}

// eofError returns the error for where in the stream the peer's FIN came.
func (c *Conn) eofError() error {
	switch {
	case c.parser.midMessage():
		return ErrTruncated
	case truncatedUnderTLS(c.conn):
		return ErrTLSTruncated
	}
	return ErrNoCloseFrame
}
