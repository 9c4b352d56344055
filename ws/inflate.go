package ws

import (
	"compress/flate"
	"io"
	"strings"
	"sync"
)

// An unpacker reads for a connection with permessage-deflate (RFC 7692),
// where a message may be compressed or not. A decompressor pulls, so this does
// too; it is borrowed for the length of one message, which "no context
// takeover" makes possible. What it has not given yet it may hold until the
// message, or a block in it, is complete.
type unpacker struct {
	c     *Conn
	b     *block // holds chunk, while there is one
	chunk []byte // raw bytes
	data  []byte // payload of the frame under way
	last  bool   // data are the end of a message

	z     *inflater  // inside a compressed message
	tail  int        // of flateTail, what z has had
	total int64      // expanded bytes of this message
	text  *utf8Check // nil in a binary message
	stop  error      // why more failed: the decompressor makes errors its own
}

// flateTail ends a message: the empty block that RFC 7692, section 7.2.1, has
// the sender cut off, and a final one, so that the decompressor sees an end.
const flateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

type inflater struct{ io.ReadCloser }

// restart begins anew with what src has. flate would put a buffer of its own
// before a src that has no ReadByte.
func (z *inflater) restart(src flate.Reader) { z.ReadCloser.(flate.Resetter).Reset(src, nil) }

var inflaters = sync.Pool{New: func() any { return &inflater{flate.NewReader(noInput)} }}

var noInput = strings.NewReader("")

// ready waits until read has something to do, without borrowing anything.
func (u *unpacker) ready() error {
	for u.z == nil && len(u.data) == 0 {
		if err := u.more(); err != nil {
			return err
		}
	}
	return nil
}

// read gives the next bytes of messages, expanded.
func (u *unpacker) read(p []byte) (n int, err error) {
	for n == 0 && err == nil {
		if u.c.ended != nil {
			return 0, u.c.ended
		}
		if err = u.ready(); err != nil {
			return 0, err
		}
		if u.z == nil {
			n = copy(p, u.data)
			u.data = u.data[n:]
			return n, nil
		}
		n, err = u.inflate(p)
	}
	return n, err
}

func (u *unpacker) inflate(p []byte) (n int, err error) {
	n, err = u.z.Read(p)
	if u.total += int64(n); u.total > u.c.set.maxInflated {
		return 0, violation(TooBig, "a message of more than %d bytes when expanded", u.c.set.maxInflated)
	}
	end := false
	switch {
	case err == nil:
	case u.stop != nil:
		err = u.stop
	case err != io.EOF:
		err = violation(InvalidData, "a compressed message is corrupt: %v", err)
	case !u.last || len(u.data) > 0 || u.tail < 4:
		u.z.restart(u) // a block that says it is the last need not be (section 7.2.3.4)
		err = nil
	default:
		end, err = true, nil
	}
	if u.text != nil {
		if !u.text.ok(p[:n]) || end && !u.text.done() {
			return 0, violation(InvalidData, "a text message is not UTF-8")
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

func (u *unpacker) endMessage() {
	u.z.restart(noInput)
	inflaters.Put(u.z)
	u.z, u.text, u.last, u.total, u.tail = nil, nil, false, 0, 0
}

// ReadByte feeds the decompressor, which reads no further than it must.
func (u *unpacker) ReadByte() (byte, error) {
	for len(u.data) == 0 {
		if u.last {
			if u.tail == len(flateTail) {
				return 0, io.EOF
			}
			u.tail++
			return flateTail[u.tail-1], nil
		}
		if err := u.more(); err != nil {
			return 0, err
		}
	}
	ch := u.data[0]
	u.data = u.data[1:]
	return ch, nil
}

// Read is there for stored blocks; flate uses ReadByte for everything else.
func (u *unpacker) Read(p []byte) (n int, err error) {
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

// more finds the next payload. It reads only when all of the last block has
// been used, which is given back before it waits.
func (u *unpacker) more() error {
	c := u.c
	if len(u.chunk) == 0 {
		c.flush()
		u.b.release()
		u.b = nil
		b, n, err := c.pullBlock()
		if err != nil {
			b.release()
			u.stop = err
			return err
		}
		u.b, u.chunk = b, b.buf[headroom:headroom+n]
	}
	found, rest, err := c.span(u.chunk)
	u.chunk = rest
	if err != nil {
		c.flush()
		u.stop = err
		return err
	}
	if found.op != opText && found.op != opBinary {
		return nil
	}
	u.data = found.data
	if u.z == nil && c.parser.deflated {
		u.z = inflaters.Get().(*inflater)
		u.z.restart(u)
		if found.op == opText {
			u.text = &utf8Check{}
		}
	}
	u.last = found.last && u.z != nil
	return nil
}
