package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A Code is the status of a Close frame (RFC 6455, section 7.4, and the IANA
// registry that it made).
type Code uint16

// The codes that a program may have to tell apart. NoStatus and Abnormal are
// never on the wire: they say that there was no code, or no Close frame.
const (
	Normal        Code = 1000
	GoingAway     Code = 1001
	ProtocolError Code = 1002
	Unsupported   Code = 1003
	NoStatus      Code = 1005
	Abnormal      Code = 1006
	InvalidData   Code = 1007
	Policy        Code = 1008
	TooBig        Code = 1009
	InternalError Code = 1011
	TryAgainLater Code = 1013
)

// legal says whether c may stand in a Close frame. 1004, 1005, 1006 and 1015
// are reserved; 1016 to 2999 are not given out yet; 3000 to 3999 are
// registered by libraries and 4000 to 4999 are anybody's.
func (c Code) legal() bool {
	switch {
	case c >= 1000 && c <= 1003, c >= 1007 && c <= 1014, c >= 3000 && c <= 4999:
		return true
	}
	return false
}

// A CloseError says how a connection ended. Conn.CloseError gives it in every
// case; Read, Write and the copies return it only where the end was not an
// orderly one (an orderly one is io.EOF to a reader).
type CloseError struct {
	Code   Code   // NoStatus: an empty Close frame; Abnormal: none at all
	Reason string // what the Close frame said, or what was wrong
	Peer   bool   // the peer closed first
	Err    error  // what ended the TCP connection, when Code is Abnormal: see ErrNoClose; or ErrNotText
}

func (e *CloseError) Error() string {
	who := "closed"
	if e.Peer {
		who = "closed by the peer"
	}
	s := fmt.Sprintf("ws: %s with %d", who, e.Code)
	if e.Code == Abnormal {
		s = "ws: ended without a Close frame"
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Err != nil && e.Err.Error() != e.Reason {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns e.Err.
func (e *CloseError) Unwrap() error { return e.Err }

// What a CloseError with Abnormal has in Err where nothing failed: the peer
// ended the TCP connection in good order, and sent no Close frame first. All
// that it had sent has been delivered by then. To errors.Is each of the three
// is io.ErrUnexpectedEOF, too.
var (
	// ErrNoClose: between two messages, so what has come is whole ones.
	ErrNoClose error = &eofError{"the connection ended without a Close frame"}
	// ErrTruncated: inside a message, or the header of a frame.
	ErrTruncated error = &eofError{"the connection ended inside a message"}
	// ErrTLSTruncated: between two messages, and TLS had no close_notify, so
	// that anybody on the way can have cut the stream there (RFC 8446, section
	// 6.1).
	ErrTLSTruncated error = &eofError{"the connection ended without a Close frame or a close_notify of TLS"}
)

type eofError struct{ text string }

func (e *eofError) Error() string        { return e.text }
func (e *eofError) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// ErrUnresponsive is what a CloseError with Abnormal has in Err where the peer
// gave no sign of life for two pings, and the connection was cut for it.
var ErrUnresponsive = errors.New("no sign of life for two pings")

// ErrNotText is what a CloseError with InvalidData has in Err where it was not
// the peer who broke the rules: what was to be sent in text frames is not
// UTF-8.
var ErrNotText = errors.New("the stream is not UTF-8, which text frames must be")

// violation is a CloseError for what the peer did wrong.
func violation(code Code, format string, args ...any) *CloseError {
	return &CloseError{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// parseClose reads the payload of a peer's Close frame. One that is illegal
// gives the violation that it is.
func parseClose(p []byte) (closed *CloseError, bad *CloseError) {
	if len(p) == 0 {
		return &CloseError{Code: NoStatus, Peer: true}, nil
	}
	if len(p) == 1 {
		return nil, violation(ProtocolError, "a Close frame of one byte")
	}
	code := Code(binary.BigEndian.Uint16(p))
	if !code.legal() {
		return nil, violation(ProtocolError, "close code %d", code)
	}
	if !utf8.Valid(p[2:]) {
		return nil, violation(InvalidData, "the reason of a Close frame is not UTF-8")
	}
	return &CloseError{Code: code, Reason: string(p[2:]), Peer: true}, nil
}

// closePayload is the other way round. NoStatus makes an empty one, and a
// reason that is too long for a control frame is cut between code points.
func closePayload(code Code, reason string) []byte {
	if code == NoStatus {
		return nil
	}
	if len(reason) > maxControl-2 {
		reason = reason[:maxControl-2]
		reason = reason[:wholeRunes([]byte(reason))]
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}
