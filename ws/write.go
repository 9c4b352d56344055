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

// maxQueue bounds the control frames that wait for a blocked writer. A peer
// that floods us with pings and does not read gets the newest pongs only.
const maxQueue = 4 << 10

// writing is the sending half of a Conn. wmu is its one writer lock: who has
// it writes whole frames. Control frames go by a queue, because the reader
// must never wait for a writer that is blocked: whoever has wmu sends them
// before its next frame and looks again after it has let go.
type writing struct {
	source    *tap // of ReadFromOnce
	wmu       sync.Mutex
	owed      []byte // frames, or the rest of one, that must go out first
	broken    error  // nothing can be written any more
	closeSent bool   // a Close frame is out, or owed
	held      [3]byte
	nheld     int       // of held: a code point that is not complete, in text mode
	heldSince time.Time // when its first byte came
	heldTimer *time.Timer

	cmu         sync.Mutex
	queue       []byte
	closeQueued bool // no frame is queued after a Close
	gone        bool // CloseNow: no flusher is started
	queued      atomic.Bool
	flushing    atomic.Bool
}

var errWriteClosed = fmt.Errorf("ws: write: %w", net.ErrClosed)

// Write sends p in data frames of at most 32 KiB, each a message of its own.
// After a deadline, n counts the bytes that the Conn has taken over.
func (c *Conn) Write(p []byte) (n int, err error) {
	b := borrow()
	defer b.release()
	for len(p) > 0 && err == nil {
		m := copy(b.buf[headroom:headroom+c.maxSend()], p)
		var taken bool
		if taken, err = c.send(b, m); taken {
			n += m
		}
		p = p[m:]
	}
	return n, err
}

// send sends the n bytes after b's headroom as the encoding wants them. It
// says whether they were taken, which can be true beside an error.
func (c *Conn) send(b *block, n int) (taken bool, err error) {
	if err := c.lockWriter(); err != nil {
		return false, err
	}
	defer c.unlockWriter()
	switch c.encoding {
	case Text:
		taken, err = c.sendText(b, n)
	case Base64:
		taken, err = c.sendBase64(b, n)
	default:
		taken, err = c.sendFrame(b, headroom, n, opBinary)
	}
	if taken {
		c.out.Add(int64(n))
	}
	return taken, err
}

// sendFrame sends one final data frame whose payload is b.buf[at:at+n].
func (c *Conn) sendFrame(b *block, at, n int, op byte) (taken bool, err error) {
	first := bitFin | op
	if c.unpack != nil {
		if z, m := pack(b.buf[at : at+n]); z != nil {
			defer z.release()
			b, at, n, first = z, headroom, m, first|bitRSV1
		}
	}
	frame := seal(b.buf, at, n, first, c.client)
	n, err = c.conn.Write(frame)
	if n > 0 {
		c.alive.Store(true)
	}
	if err == nil {
		return true, nil
	}
	err = c.writeFailed(err)
	if n == 0 || c.broken != nil {
		return false, err
	}
	c.owed = append([]byte(nil), frame[n:]...)
	return true, err
}

// writeFailed tells a deadline, after which the stream is still whole, from
// the end of writing.
func (c *Conn) writeFailed(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) || c.tls {
		c.broken = err
	}
	return err
}

// lockWriter takes the writer lock for a data frame.
func (c *Conn) lockWriter() error {
	c.wmu.Lock()
	err := c.settle()
	if err == nil && c.closeSent {
		err = errWriteClosed
	}
	if err != nil {
		c.unlockWriter()
	}
	return err
}

func (c *Conn) unlockWriter() {
	c.wmu.Unlock()
	c.flush() // what was queued meanwhile: nobody else could send it
	if c.unsendable.Load() != nil {
		c.expectAnswer()
	}
}

// settle sends what must go before the next frame. wmu is held.
func (c *Conn) settle() error {
	if c.broken != nil {
		return c.broken
	}
	c.dequeue()
	if len(c.owed) == 0 {
		return nil
	}
	n, err := c.conn.Write(c.owed)
	c.paid(n)
	if err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// paid forgets n bytes that were owed, and the buffer with the last. When they
// were the echo of the peer's Close, a server ends the TCP connection at once
// (RFC 6455, section 7.1.1), though its program may take a while yet.
func (c *Conn) paid(n int) {
	if c.owed = c.owed[n:]; len(c.owed) > 0 {
		return
	}
	c.owed = nil
	if c.closeSent && c.heard.Load() && !c.client {
		halfClose(c.conn)
	}
}
