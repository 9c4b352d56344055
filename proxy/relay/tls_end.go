package relay

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// An endNoted notes that the other end's FIN has been read. Under TLS that
// tells a stream which was cut from one that was ended: crypto/tls gives io.EOF
// for both, but reads no further than a close_notify.
type finRecorder struct {
	net.Conn
	ended atomic.Bool
}

// NoteEnd wraps a connection that TLS is to be begun on. What it gives has a
// method Ended.
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

// ErrTLSTruncated ends a side whose TLS did not announce its end: a FIN came
// without a close_notify, so nobody knows whether that is all that it wanted to
// send (RFC 8446, section 6.1).
var ErrTLSTruncated error = errors.New("the connection ended without a close_notify of TLS")

// truncated says whether an end of stream under TLS was not announced.
func (s *Side) truncated() bool {
	if s.tls == nil {
		return false
	}
	under, ok := s.tls.NetConn().(interface{ Ended() bool })
	return ok && under.Ended()
}

// StrictEnd has a side that ends truncated, as is says of EndedBy, reset the
// other one instead of ending it: once that has acknowledged all that it was
// sent, or has taken nothing of it for so long; negative: however long.
func (s *Side) StrictEnd(patience time.Duration, is func(error) bool) {
	s.strict = func(by error) (time.Duration, bool) { return patience, is(by) }
}

// breaksOff says whether a side's end is to go on as a reset, and for how long
// the other may take nothing before.
func (s *Side) resetsAtEnd() (patience time.Duration, does bool) {
	if s.connSide == nil || s.strict == nil || s.endedBy == nil {
		return 0, false
	}
	return s.strict(s.endedBy)
}

// Ended says whether the FIN has been read.
func (c *finRecorder) Ended() bool { return c.ended.Load() }
