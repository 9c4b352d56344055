package relay

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// finRecorder records whether the peer's FIN has been read. Under TLS that
// distinguishes a truncated stream from one that ended: crypto/tls returns io.EOF for
// both, but does not read past a close_notify.
type finRecorder struct {
	net.Conn
	ended atomic.Bool
}

// NoteEnd wraps a connection on which TLS begins, so that the side can tell a
// truncated TLS stream. The result has a method Ended, and owns c.
func NoteEnd(c net.Conn) net.Conn { return &finRecorder{Conn: c} }

func (c *finRecorder) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

// NetConn is the connection itself.
func (c *finRecorder) NetConn() net.Conn { return c.Conn }

// ErrTLSTruncated is the error of a side whose TLS stream ended by a FIN without a
// close_notify, so that data may be missing (RFC 8446, section 6.1).
var ErrTLSTruncated error = truncatedError{}

type truncatedError struct{}

func (truncatedError) Error() string { return "the connection ended without a close_notify of TLS" }

// Is makes it a premature end of stream, like that of crypto/tls.
func (truncatedError) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// TLSAlert is the error of a side that sent a TLS alert, for example because it
// refuses our certificate, which TLS 1.3 reports only after the handshake.
type TLSAlert struct{ Err error }

func (e *TLSAlert) Error() string { return e.Err.Error() }
func (e *TLSAlert) Unwrap() error { return e.Err }

// isTLSAlert reports whether an error is the peer's alert.
func isTLSAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// truncated reports whether TLS ended without a close_notify.
func (s *Side) truncated() bool {
	if s.tls == nil {
		return false
	}
	under, ok := s.tls.NetConn().(interface{ Ended() bool })
	return ok && under.Ended()
}

// StrictEnd makes a truncated end of the side, for which is(EndedBy()) is true, a
// reset of the other side instead of a FIN. The reset comes once the other side
// has acknowledged all data, or has acknowledged nothing for stall; a negative
// stall waits without limit.
func (s *Side) StrictEnd(stall time.Duration, is func(error) bool) {
	s.strict = func(by error) (time.Duration, bool) { return stall, is(by) }
}

// resetsAtEnd reports whether a side's end is passed on as a reset, and how long the
// other side may acknowledge nothing before that.
func (s *Side) resetsAtEnd() (stall time.Duration, does bool) {
	if s.connSide == nil || s.strict == nil || s.endedBy == nil {
		return 0, false
	}
	return s.strict(s.endedBy)
}

// Ended reports whether the FIN has been read.
func (c *finRecorder) Ended() bool { return c.ended.Load() }
