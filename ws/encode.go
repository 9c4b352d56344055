package ws

import (
	"encoding/base64"
	"time"
	"unicode/utf8"
)

// heldTime is how long a code point may stay incomplete before it counts as
// invalid. It is long, as a lost packet can part the bytes of a valid one.
const heldTime = 3 * time.Second

// maxSend is how much payload one call of send may take: what is sure to fit
// into one frame when it has been encoded.
func (c *Conn) maxSend() int {
	switch {
	case c.encoding == Base64:
		return maxFrame / 4 * 3
	case c.encoding == Text && c.set.replace:
		return maxFrame/3 - len(c.held)
	}
	return maxFrame
}

// sendText sends whole code points only, since a text message must be valid
// by itself (RFC 6455, section 8.1), and holds back what is incomplete: three
// bytes at most. wmu is held.
func (c *Conn) sendText(b *block, n int) (taken bool, err error) {
	at := headroom - c.nheld
	copy(b.buf[at:], c.held[:c.nheld])
	whole := at + wholeRunes(b.buf[at:headroom+n])
	var tail [3]byte // of b, which may get masked
	ntail := copy(tail[:], b.buf[whole:headroom+n])
	taken = true
	if whole > at {
		if utf8.Valid(b.buf[at:whole]) {
			taken, err = c.sendFrame(b, at, whole-at, opText)
		} else {
			taken, err = c.sendInvalid(b.buf[at:whole])
		}
	}
	if taken {
		c.held, c.nheld = tail, ntail
		c.timeHeld()
	}
	return taken, err
}

// sendInvalid closes, or replaces each byte that belongs to no code point by
// U+FFFD: byte by byte, so that it does not depend on the cuts of the stream.
func (c *Conn) sendInvalid(p []byte) (taken bool, err error) {
	if !c.set.replace {
		bad := &CloseError{Code: InvalidData, Reason: ErrNotText.Error(), Err: ErrNotText}
		c.unsendable.CompareAndSwap(nil, bad)
		c.fail(bad)
		return false, bad
	}
	b := borrow()
	defer b.release()
	out := b.buf[:headroom]
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		out, p = utf8.AppendRune(out, r), p[size:]
	}
	return c.sendFrame(b, headroom, len(out)-headroom, opText)
}

// timeHeld starts or stops the clock of the held bytes. wmu is held.
func (c *Conn) timeHeld() {
	switch {
	case c.nheld == 0 && c.heldTimer != nil:
		c.heldTimer.Stop()
		c.heldTimer = nil
	case c.nheld > 0:
		if c.heldTimer != nil {
			c.heldTimer.Stop()
		}
		c.heldSince = time.Now()
		c.heldTimer = time.AfterFunc(heldTime, c.heldTooLong)
	}
}

// heldTooLong runs on the timer's goroutine; the end of the connection ends it.
func (c *Conn) heldTooLong() {
	if c.lockWriter() != nil {
		return
	}
	defer c.unlockWriter()
	if time.Since(c.heldSince) >= heldTime {
		c.sendHeld()
	}
}

// sendHeld gives up waiting for the rest of a code point. wmu is held.
func (c *Conn) sendHeld() {
	n := c.nheld
	c.nheld = 0
	c.timeHeld()
	if n > 0 {
		c.sendInvalid(c.held[:n])
	}
}

// sendBase64 sends a text frame that is complete base64 by itself, as clients
// of the old websockify expect. wmu is held.
func (c *Conn) sendBase64(b *block, n int) (taken bool, err error) {
	out := borrow()
	defer out.release()
	base64.StdEncoding.Encode(out.buf[headroom:], b.buf[headroom:headroom+n])
	return c.sendFrame(out, headroom, base64.StdEncoding.EncodedLen(n), opText)
}
