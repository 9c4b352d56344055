package ws

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// maxControlQueue bounds the control frames that wait for a blocked writer, in
// bytes. A peer that sends many pings and does not read gets the newest pongs only.
const maxControlQueue = 4 << 10

// writeState is the part of a Conn that writes. writeMu is its one lock: the holder
// writes whole frames. Control frames are queued, because the reader must never
// wait for a blocked writer: the holder of writeMu sends them before its next frame,
// and looks at the queue again after unlocking.
type writeState struct {
	once         *blockReader // of ReadFromOnce
	writeMu      sync.Mutex
	unsent       []byte // frames, or the rest of one, that must be sent first
	writeErr     error  // not nil: what every further write returns
	closeSent    bool   // a Close frame has been sent, or is in unsent
	partialRune  [3]byte
	npartial     int       // bytes of partialRune: an incomplete code point, with Text
	partialSince time.Time // when its first byte was written
	partialTimer *time.Timer

	controlMu    sync.Mutex
	controlQueue []byte
	closeQueued  bool // a Close frame is queued; none may follow it
	closed       bool // by CloseNow: no flusher is started
	hasQueued    atomic.Bool
	flushing     atomic.Bool
}

var errWriteClosed = fmt.Errorf("ws: write: %w", net.ErrClosed)

// Write sends p in data frames of at most 32 KiB, each one message. When the write
// deadline passes, n includes the bytes of a frame that was sent in part: its rest
// stays in c. After the peer's Close has been answered, or after Close, the error is
// net.ErrClosed; with text frames it may be a *CloseError with ErrNotUTF8.
func (c *Conn) Write(p []byte) (n int, err error) {
	b := borrow()
	defer b.release()
	for len(p) > 0 && err == nil {
		m := copy(b.buf[headroom:headroom+c.maxSend()], p)
		var accepted bool
		if accepted, err = c.send(b, m); accepted {
			n += m
		}
		p = p[m:]
	}
	return n, err
}

// send sends the n bytes after b's headroom in the encoding of c. accepted says
// whether they count as written, which can be true beside an error.
func (c *Conn) send(b *block, n int) (accepted bool, err error) {
	if err := c.lockWriter(); err != nil {
		return false, err
	}
	defer c.unlockWriter()
	switch c.encoding {
	case Text:
		accepted, err = c.sendText(b, n)
	case Base64:
		accepted, err = c.sendBase64(b, n)
	default:
		accepted, err = c.sendFrame(b, headroom, n, opBinary)
	}
	if accepted {
		c.bytesWritten.Add(int64(n))
	}
	return accepted, err
}

// sendFrame sends one final data frame whose payload is b.buf[at:at+n].
func (c *Conn) sendFrame(b *block, at, n int, op byte) (accepted bool, err error) {
	first := bitFin | op
	if c.inflate != nil {
		if z, m := deflate(b.buf[at : at+n]); z != nil {
			defer z.release()
			b, at, n, first = z, headroom, m, first|bitRSV1
		}
	}
	frame := putHeader(b.buf, at, n, first, c.client)
	if f := c.frames; f != nil {
		f.out = frame
		return true, nil
	}
	n, err = c.conn.Write(frame)
	if n > 0 {
		c.active.Store(true)
	}
	if err == nil {
		return true, nil
	}
	err = c.writeFailed(err)
	if n == 0 || c.writeErr != nil {
		return false, err
	}
	c.unsent = append([]byte(nil), frame[n:]...)
	return true, err
}

// writeFailed distinguishes a deadline, after which the stream is intact, from an
// error that ends writing.
func (c *Conn) writeFailed(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) || c.isTLS {
		c.writeErr = err
	}
	return err
}

// lockWriter locks writeMu for a data frame.
func (c *Conn) lockWriter() error {
	c.writeMu.Lock()
	err := c.writeUnsent()
	if err == nil && c.isWriteClosed() {
		err = errWriteClosed
	}
	if err != nil {
		c.unlockWriter()
	}
	return err
}

// isWriteClosed reports whether a Close frame has been sent, or is queued. writeMu is
// held.
func (c *Conn) isWriteClosed() bool {
	if c.closeSent || !c.hasQueued.Load() {
		return c.closeSent
	}
	c.controlMu.Lock()
	defer c.controlMu.Unlock()
	return c.closeQueued
}

func (c *Conn) unlockWriter() {
	c.writeMu.Unlock()
	c.flush() // frames that were queued while writeMu was held
	if c.encodeErr.Load() != nil {
		c.startCloseTimeout()
	}
}

// writeUnsent sends what must go before the next frame. writeMu is held.
func (c *Conn) writeUnsent() error {
	if c.writeErr != nil {
		return c.writeErr
	}
	if c.frames != nil {
		return nil // AppendControl sends it
	}
	c.dequeueControl()
	if len(c.unsent) == 0 {
		return nil
	}
	n, err := c.conn.Write(c.unsent)
	c.advanceUnsent(n)
	if err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// advanceUnsent removes n bytes that were sent from unsent, and the buffer with the
// last of them. If they were the echo of the peer's Close, a server ends the TCP
// connection at once (RFC 6455, section 7.1.1), even if its program has not closed.
func (c *Conn) advanceUnsent(n int) {
	if c.unsent = c.unsent[n:]; len(c.unsent) > 0 {
		return
	}
	c.unsent = nil
	if c.closeSent && c.closeReceived.Load() && !c.client {
		halfClose(c.conn)
	}
}
