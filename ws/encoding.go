package ws

import (
	"encoding/base64"
	"time"
	"unicode/utf8"
)

// partialRuneTimeout is how long a code point may stay incomplete before it
// counts as invalid. It is long because a lost packet can separate the bytes of
// a valid one.
const partialRuneTimeout = 3 * time.Second

// maxSend is the most payload that one call of send may take: what fits into one
// frame in every case once it has been encoded.
func (c *Conn) maxSend() int {
	switch {
	case c.encoding == Base64:
		return maxFrame / 4 * 3
	case c.encoding == Text && c.settings.replaceInvalid:
		return maxFrame/3 - len(c.partialRune)
	}
	return maxFrame
}

// sendText sends complete code points only, since a text message must be valid
// by itself (RFC 6455, section 8.1), and leaves an incomplete one, of three
// bytes at most, in partialRune. writeMu is held.
func (c *Conn) sendText(b *block, n int) (accepted bool, err error) {
	at := headroom - c.npartial
	copy(b.buf[at:], c.partialRune[:c.npartial])
	whole := at + wholeRunes(b.buf[at:headroom+n])
	var tail [3]byte // a copy, as sendFrame may mask b
	ntail := copy(tail[:], b.buf[whole:headroom+n])
	accepted = true
	if whole > at {
		if utf8.Valid(b.buf[at:whole]) {
			accepted, err = c.sendFrame(b, at, whole-at, opText)
		} else {
			accepted, err = c.sendInvalid(b.buf[at:whole])
		}
	}
	if accepted {
		c.partialRune, c.npartial = tail, ntail
		c.resetPartialTimer()
	}
	return accepted, err
}

// sendInvalid closes with 1007, or sends p with U+FFFD for each byte that belongs
// to no code point: byte by byte, so that the result does not depend on where
// the stream was split into reads.
func (c *Conn) sendInvalid(p []byte) (accepted bool, err error) {
	if !c.settings.replaceInvalid {
		bad := &CloseError{Code: InvalidPayload, Reason: ErrNotUTF8.Error(), Err: ErrNotUTF8}
		c.encodeErr.CompareAndSwap(nil, bad)
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

// resetPartialTimer starts or stops the timer of partialRune. writeMu is held.
func (c *Conn) resetPartialTimer() {
	switch {
	case c.npartial == 0 && c.partialTimer != nil:
		c.partialTimer.Stop()
		c.partialTimer = nil
	case c.npartial > 0:
		if c.partialTimer != nil {
			c.partialTimer.Stop()
		}
		c.partialSince = time.Now()
		c.partialTimer = c.afterFunc(partialRuneTimeout, c.partialRuneExpired)
	}
}

// partialRuneExpired runs on the timer's goroutine. It may wait for writeMu, which
// CloseNow frees.
func (c *Conn) partialRuneExpired() {
	if c.lockWriter() != nil {
		return
	}
	defer c.unlockWriter()
	if time.Since(c.partialSince) >= partialRuneTimeout {
		c.sendPartialRune()
	}
}

// sendPartialRune sends an incomplete code point as invalid bytes. writeMu is
// held.
func (c *Conn) sendPartialRune() {
	n := c.npartial
	c.npartial = 0
	c.resetPartialTimer()
	if n > 0 {
		c.sendInvalid(c.partialRune[:n])
	}
}

// sendBase64 sends a text frame that is complete base64 by itself, as clients of
// older versions of websockify expect. writeMu is held.
func (c *Conn) sendBase64(b *block, n int) (accepted bool, err error) {
	out := borrow()
	defer out.release()
	base64.StdEncoding.Encode(out.buf[headroom:], b.buf[headroom:headroom+n])
	return c.sendFrame(out, headroom, base64.StdEncoding.EncodedLen(n), opText)
}
