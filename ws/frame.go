package ws

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/gobwas/ws"
)

// The opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// The bits of a frame's first two bytes.
const (
	bitFin  = 0x80
	bitRSV1 = 0x40
	bitsRSV = 0x70
	bitMask = 0x80
)

const (
	maxHeader  = 14  // two bytes, a length of eight, a mask of four
	maxControl = 125 // payload of a control frame
)

// maskBytes masks or unmasks p in place (RFC 6455, section 5.3); offset is the
// position of p in its frame. gobwas/ws has it in AVX2 and NEON, at several
// times the speed of a loop over words.
func maskBytes(p []byte, mask [4]byte, offset int) { ws.Cipher(p, mask, offset) }

// putHeader writes a frame header in front of the n bytes at b[at:] and returns
// the whole frame. It needs up to headroom bytes before at, as no frame that we
// send needs more than a 16-bit length. A client's payload is masked in place.
func putHeader(b []byte, at, n int, first byte, client bool) []byte {
	start, masked := at, byte(0)
	if client {
		// The key must not be predictable by the application (section 10.3).
		var key [4]byte
		rand.Read(key[:])
		maskBytes(b[at:at+n], key, 0)
		start -= 4
		copy(b[start:], key[:])
		masked = bitMask
	}
	return b[putLength(b, start, n, first, masked) : at+n]
}

// putLength writes a header without its mask in front of b[at:], and returns where it
// begins.
func putLength(b []byte, at, n int, first, masked byte) int {
	if n <= maxControl {
		at--
		b[at] = masked | byte(n)
	} else {
		at -= 3
		b[at] = masked | 126
		binary.BigEndian.PutUint16(b[at+1:], uint16(n))
	}
	at--
	b[at] = first
	return at
}

// controlFrame returns a complete control frame.
func controlFrame(op byte, payload []byte, client bool) []byte {
	b := make([]byte, headroom+len(payload))
	copy(b[headroom:], payload)
	return putHeader(b, headroom, len(payload), bitFin|op, client)
}
