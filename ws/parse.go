package ws

import "encoding/binary"

// A parser parses the frames of a connection, however their bytes are split
// between reads, and unmasks payload in place: it copies, keeps or allocates
// nothing for a length that the peer only claims. It is strict, and checks the
// first two bytes of a frame before it waits for more.
//
// The checks are our own: gobwas/ws accepts every reserved bit once an extension
// is negotiated, and does not require the shortest form of a length.
type parser struct {
	client  bool // our role: a client receives unmasked frames
	deflate bool // permessage-deflate is negotiated

	head  [maxHeader]byte
	nhead int

	op        byte // of the current frame
	fin       bool
	remaining uint64 // bytes of its payload
	mask      [4]byte
	pos       int  // offset into the mask
	inPayload bool // the header is complete, the payload is not

	message  byte // opText or opBinary inside a message, else 0
	deflated bool // that message is compressed
	text     utf8Checker

	control []byte // payload of a control frame that arrives in parts
}

// A framePart is a part of a data message, or a complete control frame.
type framePart struct {
	op   byte   // opText or opBinary, also in continuations; opClose, opPing, opPong; 0: the frame is incomplete
	data []byte // in the chunk, except for a split control frame
	last bool   // the message ends here
}

// next consumes bytes from the front of chunk and returns the first framePart and
// the remaining bytes. After a CloseError the parser must not be used again.
func (p *parser) next(chunk []byte) (framePart, []byte, *CloseError) {
	if !p.inPayload {
		var bad *CloseError
		if chunk, bad = p.parseHeader(chunk); bad != nil || !p.inPayload {
			return framePart{}, chunk, bad
		}
	}
	n := len(chunk)
	if uint64(n) > p.remaining {
		n = int(p.remaining)
	}
	data, rest := chunk[:n], chunk[n:]
	if !p.client {
		maskBytes(data, p.mask, p.pos)
		p.pos = (p.pos + n) & 3
	}
	p.remaining -= uint64(n)
	p.inPayload = p.remaining > 0
	if p.op >= opClose {
		if p.inPayload || p.control != nil {
			p.control = append(p.control, data...)
			data = p.control
		}
		if p.inPayload {
			return framePart{}, rest, nil
		}
		p.control = nil
		return framePart{op: p.op, data: data, last: true}, rest, nil
	}
	out := framePart{op: p.message, data: data, last: p.fin && !p.inPayload}
	if p.message == opText && !p.deflated {
		if !p.text.valid(data) || out.last && !p.text.complete() {
			return framePart{}, nil, violation(InvalidPayload, "a text message is not UTF-8")
		}
	}
	if out.last {
		p.message = 0
	}
	return out, rest, nil
}

// parseHeader collects a header, which may arrive in single bytes, and checks it.
func (p *parser) parseHeader(chunk []byte) ([]byte, *CloseError) {
	for {
		want := p.headerSize()
		if p.nhead == want {
			break
		}
		n := copy(p.head[p.nhead:want], chunk)
		if n == 0 {
			return chunk, nil
		}
		p.nhead += n
		chunk = chunk[n:]
		if p.nhead == 2 {
			if bad := p.checkHeader(); bad != nil {
				return nil, bad
			}
		}
		if p.nhead >= p.lengthEnd() {
			if bad := p.parseLength(); bad != nil {
				return nil, bad
			}
		}
	}
	p.startFrame()
	return chunk, nil
}

// headerSize is the size of the header as far as it is known: 2 until the second
// byte has come.
func (p *parser) headerSize() int {
	if p.nhead < 2 {
		return 2
	}
	n := p.lengthEnd()
	if !p.client {
		n += 4
	}
	return n
}

// lengthEnd is the offset of the mask in the header, or of the payload without one.
func (p *parser) lengthEnd() int {
	switch p.head[1] &^ bitMask {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// checkHeader checks the first two bytes (sections 5.1, 5.2, 5.4 and 5.5).
func (p *parser) checkHeader() *CloseError {
	p.op, p.fin = p.head[0]&0x0F, p.head[0]&bitFin != 0
	rsv, short := p.head[0]&bitsRSV, p.head[1]&^bitMask
	switch {
	case p.op > opBinary && p.op < opClose, p.op > opPong:
		return violation(ProtocolError, "reserved opcode %d", p.op)
	case rsv != 0 && !(rsv == bitRSV1 && p.deflate && (p.op == opText || p.op == opBinary)):
		return violation(ProtocolError, "a reserved bit is set")
	case p.op >= opClose && !p.fin:
		return violation(ProtocolError, "a fragmented control frame")
	case p.op >= opClose && short > maxControl:
		return violation(ProtocolError, "a control frame of more than 125 bytes")
	case p.op == opContinuation && p.message == 0:
		return violation(ProtocolError, "a continuation frame outside a message")
	case (p.op == opText || p.op == opBinary) && p.message != 0:
		return violation(ProtocolError, "a new message inside another")
	case p.client && p.head[1]&bitMask != 0:
		return violation(ProtocolError, "a masked frame from a server")
	case !p.client && p.head[1]&bitMask == 0:
		return violation(ProtocolError, "an unmasked frame from a client")
	}
	return nil
}

// parseLength reads the payload length, and checks it before the mask has come.
func (p *parser) parseLength() *CloseError {
	switch short := p.head[1] &^ bitMask; short {
	default:
		p.remaining = uint64(short)
	case 126:
		p.remaining = uint64(binary.BigEndian.Uint16(p.head[2:]))
		if p.remaining < 126 {
			return violation(ProtocolError, "a length of %d in two bytes", p.remaining)
		}
	case 127:
		p.remaining = binary.BigEndian.Uint64(p.head[2:])
		if p.remaining <= 0xFFFF {
			return violation(ProtocolError, "a length of %d in eight bytes", p.remaining)
		}
		if p.remaining>>63 != 0 {
			return violation(ProtocolError, "a length of more than 63 bits")
		}
	}
	return nil
}

// startFrame starts the frame whose header is complete.
func (p *parser) startFrame() {
	if !p.client {
		copy(p.mask[:], p.head[p.nhead-4:p.nhead])
	}
	p.nhead, p.pos, p.inPayload = 0, 0, true
	if p.op == opText || p.op == opBinary {
		p.message, p.deflated = p.op, p.head[0]&bitRSV1 != 0
		p.text = utf8Checker{}
	}
}

// midMessage reports whether a header or a message has begun and is incomplete.
func (p *parser) midMessage() bool { return p.nhead > 0 || p.inPayload || p.message != 0 }

// wantsControl returns how many bytes of the connection can be read without
// reading payload of a message: those of a header or a control frame. 0 means
// that payload is next.
func (p *parser) wantsControl() int {
	switch {
	case !p.inPayload:
		return p.headerSize() - p.nhead
	case p.op >= opClose:
		return int(p.remaining)
	}
	return 0
}
