package ws

import (
	"compress/flate"
	"io"
	"strings"
	"sync"
)

// A messageInflater reads from a connection with permessage-deflate (RFC 7692),
// where a message may be compressed or not. compress/flate reads from an
// io.ByteReader, which is the messageInflater itself. Without context takeover a
// decompressor is needed for one message at a time only, and is borrowed for it.
// It may buffer output until the message, or a deflate block, is complete.
type messageInflater struct {
	c     *Conn
	block *block // contains chunk, or is nil
	chunk []byte // bytes of the connection that have not been parsed
	data  []byte // payload of the current frame
	last  bool   // data is the end of a message

	inflater *inflater    // nil outside a compressed message
	tailSent int          // bytes of flateTail that the inflater has read
	inflated int64        // bytes of this message, inflated
	text     *utf8Checker // nil in a binary message
	moreErr  error        // of nextPayload: compress/flate wraps the errors of its reader
}

// flateTail ends a message: the empty block that the sender removes (RFC 7692,
// section 7.2.1), and a final block, after which compress/flate returns io.EOF.
const flateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

type inflater struct{ io.ReadCloser }

// reset starts a new stream that is read from src. compress/flate would read
// ahead into a buffer of its own if src had no ReadByte.
func (z *inflater) reset(src flate.Reader) { z.ReadCloser.(flate.Resetter).Reset(src, nil) }

var inflaters = sync.Pool{New: func() any { return &inflater{flate.NewReader(noInput)} }}

var noInput = strings.NewReader("")

// awaitPayload waits until there is payload for read. It borrows nothing.
func (u *messageInflater) awaitPayload() error {
	for u.inflater == nil && len(u.data) == 0 {
		if err := u.nextPayload(); err != nil {
			return err
		}
	}
	return nil
}

// read reads payload, inflated.
func (u *messageInflater) read(p []byte) (n int, err error) {
	for n == 0 && err == nil {
		if u.c.readErr != nil {
			return 0, u.c.readErr
		}
		if err = u.awaitPayload(); err != nil {
			return 0, err
		}
		if u.inflater == nil {
			n = copy(p, u.data)
			u.data = u.data[n:]
			return n, nil
		}
		n, err = u.inflate(p)
	}
	return n, err
}

func (u *messageInflater) inflate(p []byte) (n int, err error) {
	n, err = u.inflater.Read(p)
	if u.inflated += int64(n); u.inflated > u.c.settings.maxInflated {
		return 0, violation(MessageTooBig, "a message is longer than %d bytes when inflated", u.c.settings.maxInflated)
	}
	end := false
	switch {
	case err == nil:
	case u.moreErr != nil:
		err = u.moreErr
	case err != io.EOF:
		err = violation(InvalidPayload, "a compressed message is corrupt: %v", err)
	case !u.last || len(u.data) > 0 || u.tailSent < 4:
		u.inflater.reset(u) // a final block need not be the last one (section 7.2.3.4)
		err = nil
	default:
		end, err = true, nil
	}
	if u.text != nil {
		if !u.text.valid(p[:n]) || end && !u.text.complete() {
			return 0, violation(InvalidPayload, "a text message is not UTF-8")
		}
		if b64 := u.c.base64; b64 != nil {
			data, bad := b64.decode(p[:n], end)
			if bad != nil {
				return 0, bad
			}
			n = len(data)
		}
	}
	if end {
		u.endMessage()
	}
	return n, err
}

func (u *messageInflater) endMessage() {
	u.inflater.reset(noInput)
	inflaters.Put(u.inflater)
	u.inflater, u.text, u.last, u.inflated, u.tailSent = nil, nil, false, 0, 0
}

// ReadByte returns the next compressed byte to compress/flate.
func (u *messageInflater) ReadByte() (byte, error) {
	for len(u.data) == 0 {
		if u.last {
			if u.tailSent == len(flateTail) {
				return 0, io.EOF
			}
			u.tailSent++
			return flateTail[u.tailSent-1], nil
		}
		if err := u.nextPayload(); err != nil {
			return 0, err
		}
	}
	ch := u.data[0]
	u.data = u.data[1:]
	return ch, nil
}

// Read is called for stored blocks; compress/flate uses ReadByte otherwise.
func (u *messageInflater) Read(p []byte) (n int, err error) {
	if len(u.data) == 0 {
		p[0], err = u.ReadByte()
		if err != nil {
			return 0, err
		}
		return 1, nil
	}
	n = copy(p, u.data)
	u.data = u.data[n:]
	return n, nil
}

// nextPayload sets data to the next payload. It releases a block once all of it
// is parsed, before it waits for more.
func (u *messageInflater) nextPayload() error {
	c := u.c
	if len(u.chunk) == 0 {
		c.flush()
		u.block.release()
		u.block = nil
		b, n, err := c.readBlock()
		if err != nil {
			b.release()
			u.moreErr = err
			return err
		}
		u.block, u.chunk = b, b.buf[headroom:headroom+n]
	}
	found, rest, err := c.nextPart(u.chunk)
	u.chunk = rest
	if err != nil {
		c.flush()
		u.moreErr = err
		return err
	}
	if found.op != opText && found.op != opBinary {
		return nil
	}
	u.data = found.data
	if u.inflater == nil && c.parser.deflated {
		u.inflater = inflaters.Get().(*inflater)
		u.inflater.reset(u)
		if found.op == opText {
			u.text = &utf8Checker{}
		}
	}
	u.last = found.last && u.inflater != nil
	return nil
}
