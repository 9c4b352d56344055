package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A CloseCode is the status code of a Close frame: RFC 6455, section 7.4, and
// the IANA WebSocket Close Code Number Registry.
type CloseCode uint16

// The status codes that a program may have to distinguish. NoStatus and
// AbnormalClosure are never on the wire: a Close frame had no code, or there was
// no Close frame. Any other registered code, and 3000 to 4999, can be sent and
// received as well.
const (
	NormalClosure   CloseCode = 1000
	GoingAway       CloseCode = 1001
	ProtocolError   CloseCode = 1002
	UnsupportedData CloseCode = 1003
	NoStatus        CloseCode = 1005
	AbnormalClosure CloseCode = 1006
	InvalidPayload  CloseCode = 1007
	PolicyViolation CloseCode = 1008
	MessageTooBig   CloseCode = 1009
	InternalError   CloseCode = 1011
	TryAgainLater   CloseCode = 1013
)

// legal reports whether a Close frame may contain c. 1004, 1005, 1006 and 1015
// are reserved; 1016 to 2999 are unassigned; 3000 to 3999 are registered by
// libraries, and 4000 to 4999 are for private use.
func (c CloseCode) legal() bool {
	switch {
	case c >= 1000 && c <= 1003, c >= 1007 && c <= 1014, c >= 3000 && c <= 4999:
		return true
	}
	return false
}

// A CloseError says how a connection ended. Conn.CloseError returns it for
// every end; Read, Write, WriteTo and ReadFrom return it only for an end without
// the peer's Close frame or after a protocol error. After the peer's Close, Read
// returns io.EOF and WriteTo nil, whatever the code.
type CloseError struct {
	Code   CloseCode // NoStatus: the Close frame was empty; AbnormalClosure: there was none
	Reason string    // the reason in the Close frame, or a description of the error
	ByPeer bool      // the first Close frame was the peer's
	Err    error     // with AbnormalClosure, what ended the TCP connection; with InvalidPayload, ErrNotUTF8 or nil
}

func (e *CloseError) Error() string {
	who := "closed"
	if e.ByPeer {
		who = "closed by the peer"
	}
	s := fmt.Sprintf("ws: %s with %d", who, e.Code)
	if e.Code == AbnormalClosure {
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

// These are the Err of a CloseError with AbnormalClosure where the peer ended
// the TCP connection with a FIN, without a Close frame. All that it sent has
// been returned to the reader before. Each is io.ErrUnexpectedEOF to errors.Is.
var (
	// ErrNoCloseFrame: the stream ended between two messages, so that all messages are complete.
	ErrNoCloseFrame error = &noCloseFrameError{"the connection ended without a Close frame"}
	// ErrTruncated: the stream ended inside a message or the header of a frame.
	ErrTruncated error = &noCloseFrameError{"the connection ended inside a message"}
	// ErrTLSTruncated: the stream ended between two messages, but without a TLS
	// close_notify, so that an attacker on the path may have truncated it there
	// (RFC 8446, section 6.1).
	ErrTLSTruncated error = &noCloseFrameError{"the connection ended without a Close frame or a close_notify of TLS"}
)

type noCloseFrameError struct{ text string }

func (e *noCloseFrameError) Error() string        { return e.text }
func (e *noCloseFrameError) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// ErrUnresponsive is the Err of a CloseError with AbnormalClosure if the
// connection was ended because the peer did not answer two pings in a row: it
// sent no pong and no other byte, and acknowledged no data.
var ErrUnresponsive = errors.New("no answer to two pings")

// ErrNotUTF8 is the Err of a CloseError with InvalidPayload if the error was on
// this side: the data that the program wrote to a Conn with text frames is not
// UTF-8.
var ErrNotUTF8 = errors.New("the stream is not UTF-8, as text frames must be")

// violation is the CloseError for a peer that breaks the protocol.
func violation(code CloseCode, format string, args ...any) *CloseError {
	return &CloseError{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// parseClose parses the payload of the peer's Close frame. bad is the violation
// if the payload is illegal.
func parseClose(p []byte) (closed *CloseError, bad *CloseError) {
	if len(p) == 0 {
		return &CloseError{Code: NoStatus, ByPeer: true}, nil
	}
	if len(p) == 1 {
		return nil, violation(ProtocolError, "the Close frame has one byte of payload")
	}
	code := CloseCode(binary.BigEndian.Uint16(p))
	if !code.legal() {
		return nil, violation(ProtocolError, "close code %d must not be sent", code)
	}
	if !utf8.Valid(p[2:]) {
		return nil, violation(InvalidPayload, "the reason of a Close frame is not UTF-8")
	}
	return &CloseError{Code: code, Reason: string(p[2:]), ByPeer: true}, nil
}

// closePayload builds the payload of a Close frame: none for NoStatus. A reason
// that is too long for a control frame is cut between code points.
func closePayload(code CloseCode, reason string) []byte {
	if code == NoStatus {
		return nil
	}
	if len(reason) > maxControl-2 {
		reason = reason[:maxControl-2]
		reason = reason[:wholeRunes([]byte(reason))]
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}
