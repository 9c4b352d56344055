package ws

import "encoding/binary"

// A parser takes the bytes of a connection in any cuts and gives back what
// they mean, payload unmasked where it lies: nothing is copied, held or
// allocated for a length that a peer merely claims. It is strict, and judges a
// frame by its first two bytes before it waits for more.
//
// The checks are our own: gobwas/ws takes every reserved bit once an extension
// is agreed, and does not ask for the shortest form of a length.
type parser struct {
	client bool // our role; then frames come unmasked
	packed bool // permessage-deflate is agreed

	head  [maxHeader]byte
	nhead int

	op   byte // of the frame under way
	fin  bool
	left uint64 // of its payload
	mask [4]byte
	pos  int  // offset into the mask
	body bool // the header is complete, the frame is not

	message  byte // opText or opBinary inside a message, else 0
	deflated bool // that message is compressed
	text     utf8Check

	ctl []byte // of a control frame that comes in parts
}

// A piece is what next found: part of a message, or a whole control frame.
type piece struct {
	op   byte   // opText or opBinary, also in continuations; opClose, opPing, opPong; 0: more is needed
	data []byte // in the chunk, where it can be
	last bool   // the message ends here
}

// next takes bytes from the front of chunk and returns the first piece and the
// rest. After an error the connection must be failed.
func (p *parser) next(chunk []byte) (piece, []byte, *CloseError) {
	if !p.body {
		var bad *CloseError
		if chunk, bad = p.header(chunk); bad != nil || !p.body {
			return piece{}, chunk, bad
		}
	}
	n := len(chunk)
	if uint64(n) > p.left {
		n = int(p.left)
	}
	data, rest := chunk[:n], chunk[n:]
	if !p.client {
		cipher(data, p.mask, p.pos)
		p.pos = (p.pos + n) & 3
	}
	p.left -= uint64(n)
	p.body = p.left > 0
	if p.op >= opClose {
		if p.body || p.ctl != nil {
			p.ctl = append(p.ctl, data...)
			data = p.ctl
		}
		if p.body {
			return piece{}, rest, nil
		}
		p.ctl = nil
		return piece{op: p.op, data: data, last: true}, rest, nil
	}
	out := piece{op: p.message, data: data, last: p.fin && !p.body}
	if p.message == opText && !p.deflated {
		if !p.text.ok(data) || out.last && !p.text.done() {
			return piece{}, nil, violation(InvalidData, "a text message is not UTF-8")
		}
	}
	if out.last {
		p.message = 0
	}
	return out, rest, nil
}

// header collects a header, which may come in single bytes, and judges it.
func (p *parser) header(chunk []byte) ([]byte, *CloseError) {
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
			if bad := p.judge(); bad != nil {
				return nil, bad
			}
		}
		if p.nhead >= p.lengthEnd() {
			if bad := p.measure(); bad != nil {
				return nil, bad
			}
		}
	}
	p.begin()
	return chunk, nil
}

// headerSize is 2 until the second byte says more.
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

// lengthEnd is where the mask begins, or the payload.
func (p *parser) lengthEnd() int {
	switch p.head[1] &^ bitMask {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// judge looks at the first two bytes (sections 5.1, 5.2, 5.4 and 5.5).
func (p *parser) judge() *CloseError {
	p.op, p.fin = p.head[0]&0x0F, p.head[0]&bitFin != 0
	rsv, short := p.head[0]&bitsRSV, p.head[1]&^bitMask
	switch {
	case p.op > opBinary && p.op < opClose, p.op > opPong:
		return violation(ProtocolError, "reserved opcode %d", p.op)
	case rsv != 0 && !(rsv == bitRSV1 && p.packed && (p.op == opText || p.op == opBinary)):
		return violation(ProtocolError, "a reserved bit is set")
	case p.op >= opClose && !p.fin:
		return violation(ProtocolError, "a fragmented control frame")
	case p.op >= opClose && short > maxControl:
		return violation(ProtocolError, "a control frame of more than 125 bytes")
	case p.op == opContinuation && p.message == 0:
		return violation(ProtocolError, "a continuation of nothing")
	case (p.op == opText || p.op == opBinary) && p.message != 0:
		return violation(ProtocolError, "a new message inside another")
	case p.client && p.head[1]&bitMask != 0:
		return violation(ProtocolError, "a masked frame from a server")
	case !p.client && p.head[1]&bitMask == 0:
		return violation(ProtocolError, "an unmasked frame from a client")
	}
	return nil
}

// measure reads the length, and judges it without a wait for the mask.
func (p *parser) measure() *CloseError {
	switch short := p.head[1] &^ bitMask; short {
	default:
		p.left = uint64(short)
	case 126:
		p.left = uint64(binary.BigEndian.Uint16(p.head[2:]))
		if p.left < 126 {
			return violation(ProtocolError, "a length of %d in two bytes", p.left)
		}
	case 127:
		p.left = binary.BigEndian.Uint64(p.head[2:])
		if p.left <= 0xFFFF {
			return violation(ProtocolError, "a length of %d in eight bytes", p.left)
		}
		if p.left>>63 != 0 {
			return violation(ProtocolError, "a length of more than 63 bits")
		}
	}
	return nil
}

// begin starts the frame whose header is complete.
func (p *parser) begin() {
	if !p.client {
		copy(p.mask[:], p.head[p.nhead-4:p.nhead])
	}
	p.nhead, p.pos, p.body = 0, 0, true
	if p.op == opText || p.op == opBinary {
		p.message, p.deflated = p.op, p.head[0]&bitRSV1 != 0
		p.text = utf8Check{}
	}
}

// inside says whether a header or a message has begun and has not ended.
func (p *parser) inside() bool { return p.nhead > 0 || p.body || p.message != 0 }

// wants returns how many bytes can be read without taking any of a message:
// those of a header or of a control frame. 0 means that a message comes next.
func (p *parser) wants() int {
	switch {
	case !p.body:
		return p.headerSize() - p.nhead
	case p.op >= opClose:
		return int(p.left)
	}
	return 0
}
