// Package clienthello reads the first message of TLS, without taking part in it.
package clienthello

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// MaxSize bounds a ClientHello with the headers of its records. Those of today
// have up to some 2 KiB; tickets and post-quantum keys can make them larger.
const MaxSize = 64 << 10

// ErrTooLong says that a ClientHello has more than MaxSize bytes.
var ErrTooLong = fmt.Errorf("its ClientHello has more than %d bytes", MaxSize)

// RFC 8446, sections 4 and 5.1; the extension: RFC 6066, section 3.
const (
	recordHandshake   = 22
	recordHeader      = 5
	maxRecord         = 1 << 14
	messageHello      = 1
	messageHeader     = 4
	extensionServer   = 0
	serverNameIsAHost = 0
)

// Reader takes a stream in whatever pieces it comes, until it has a whole
// ClientHello. The zero value is ready; it keeps what it is given.
type Reader struct {
	raw     []byte
	parsed  int    // bytes of raw that were whole records
	message []byte // the content of these records
}

// Bytes are all that Add was given, ready to be sent on.
func (r *Reader) Bytes() []byte { return r.raw }

// Add takes the next bytes of the stream, and reports whether the ClientHello is
// whole: then Name is what it asks for. An error says why the stream is none, at
// the first byte that cannot be of one.
func (r *Reader) Add(b []byte) (whole bool, err error) {
	r.raw = append(r.raw, b...)
	for {
		rest := r.raw[r.parsed:]
		if err := checkHeader(rest); err != nil {
			return false, err
		}
		size := recordHeader
		if len(rest) >= recordHeader {
			size += int(binary.BigEndian.Uint16(rest[3:]))
		}
		if r.parsed+size > MaxSize {
			return false, ErrTooLong
		}
		if len(rest) < size || len(rest) < recordHeader {
			// The part of a record that is there may already be invalid.
			partial := r.message
			if len(rest) > recordHeader && len(partial) < messageHeader {
				partial = append(partial[:len(partial):len(partial)], rest[recordHeader:]...)
			}
			_, err := messageSize(partial)
			return false, err
		}
		r.message = append(r.message, rest[recordHeader:size]...)
		r.parsed += size
		if n, err := messageSize(r.message); err != nil || n > 0 && len(r.message) >= n {
			return err == nil, err
		}
	}
}

// checkHeader returns why a record, or the first part of one, cannot carry a handshake.
func checkHeader(b []byte) error {
	switch {
	case len(b) > 0 && b[0] != recordHandshake, len(b) > 1 && b[1] != 3:
		return fmt.Errorf("it begins with %q", b[:min(len(b), 12)])
	case len(b) >= recordHeader:
		if n := binary.BigEndian.Uint16(b[3:]); n == 0 || n > maxRecord {
			return fmt.Errorf("a TLS record cannot have %d bytes", n)
		}
	}
	return nil
}

// messageSize returns the size of the message that begins with b, including its header;
// 0: not known yet.
func messageSize(b []byte) (int, error) {
	switch {
	case len(b) > 0 && b[0] != messageHello:
		return 0, fmt.Errorf("its first TLS message has type %d, not ClientHello", b[0])
	case len(b) < messageHeader:
		return 0, nil
	}
	n := messageHeader + int(b[1])<<16 + int(binary.BigEndian.Uint16(b[2:]))
	if n > MaxSize {
		return 0, ErrTooLong
	}
	return n, nil
}

var errMalformed = errors.New("its ClientHello is malformed")

// Name is the server name of a whole ClientHello, in lower case and without a dot
// at its end; "": it has none.
func (r *Reader) Name() (string, error) {
	s := cryptobyte.String(r.message)
	var body, part, extensions cryptobyte.String
	if !s.Skip(1) || !s.ReadUint24LengthPrefixed(&body) ||
		!body.Skip(2+32) || // version, random
		!body.ReadUint8LengthPrefixed(&part) || // session
		!body.ReadUint16LengthPrefixed(&part) || // ciphers
		!body.ReadUint8LengthPrefixed(&part) { // compression
		return "", errMalformed
	}
	if body.Empty() {
		return "", nil // SSL 3 and TLS 1.0 have no extensions
	}
	if !body.ReadUint16LengthPrefixed(&extensions) || !body.Empty() {
		return "", errMalformed
	}
	for !extensions.Empty() {
		var kind uint16
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&part) {
			return "", errMalformed
		}
		if kind == extensionServer {
			return hostIn(part)
		}
	}
	return "", nil
}

// hostIn returns the name in a server_name extension.
func hostIn(extension cryptobyte.String) (string, error) {
	var list, name cryptobyte.String
	if !extension.ReadUint16LengthPrefixed(&list) || !extension.Empty() || list.Empty() {
		return "", errMalformed
	}
	for !list.Empty() {
		var kind uint8
		if !list.ReadUint8(&kind) || !list.ReadUint16LengthPrefixed(&name) {
			return "", errMalformed
		}
		if kind != serverNameIsAHost {
			continue
		}
		host := strings.ToLower(strings.TrimSuffix(string(name), "."))
		if host == "" || strings.ContainsFunc(host, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
			return "", errMalformed
		}
		return host, nil
	}
	return "", nil
}
