package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/tlsrecord"
)

// TLS is the TLS 1.3 state of a raw side after its handshake: keys and sequence
// numbers. If it is idle, it has no buffer.
type TLS struct {
	session *tlsrecord.Session
	name    string               // requested by the client
	state   *tls.ConnectionState // of the handshake, for a layer over it; nil: none, or no longer

	early   []byte // what the client sent with the end of the handshake
	partial []byte // an incomplete record
	err     error  // why reading has ended; nil: it has not
	shut    bool   // close_notify was sent, or nothing more may be sent
	sealed  int32  // bytes of the stream in what is still to be written to the side
}

// TLSServer does the TLS handshake of a server over c, the Conn or Replay of a
// raw side, in a function of Runner.Do. If TLS 1.3 was agreed, it returns t for
// Side.Secure, and c is no longer needed; otherwise it returns the connection
// over, for which the session must be moved: see Loop.Move. last means that no
// layer above will ask for the ConnectionState of the side's Conn.
func TLSServer(c net.Conn, config *tls.Config, timeout time.Duration, last bool) (t *TLS, over *tls.Conn, err error) {
	c.SetDeadline(time.Now().Add(timeout))
	h, err := tlsrecord.Server(context.Background(), c, config)
	c.SetDeadline(time.Time{})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil, context.DeadlineExceeded // as from crypto/tls, without our addresses
	case err != nil || h.Session == nil:
		return nil, h.Conn, err
	}
	t = &TLS{session: h.Session, name: h.State.ServerName}
	if !last {
		t.state = &h.State
	}
	if r, ok := c.(*replayed); ok { // after what was read ahead of the handshake
		h.Early = append(h.Early, r.early...)
	}
	t.open(h.Early)
	return t, nil, nil
}

// open opens what was read with the end of the handshake.
func (t *TLS) open(b []byte) {
	if len(b) == 0 {
		return
	}
	plain, used, err := t.session.Open(make([]byte, 0, len(b)), b)
	t.early, t.partial, t.err = bytes.Clone(plain), bytes.Clone(b[used:]), err
	if err != nil {
		t.partial = nil
	}
}

// partials is a pool for incomplete records of more than smallRecord bytes.
var partials = sync.Pool{New: func() any { return new([tlsrecord.MaxRecord]byte) }}

const smallRecord = 1 << 10

// keep keeps an incomplete record until the rest arrives.
func (t *TLS) keep(b []byte) {
	if len(b) == 0 {
		t.drop()
		return
	}
	if size := max(tlsrecord.RecordLen(b), len(b), 64); size > cap(t.partial) {
		t.drop()
		if size > smallRecord {
			t.partial = partials.Get().(*[tlsrecord.MaxRecord]byte)[:0]
		} else {
			t.partial = make([]byte, 0, size)
		}
	}
	t.partial = append(t.partial[:0], b...)
}

// drop drops an incomplete record.
func (t *TLS) drop() {
	if cap(t.partial) == tlsrecord.MaxRecord {
		partials.Put((*[tlsrecord.MaxRecord]byte)(t.partial[:tlsrecord.MaxRecord]))
	}
	t.partial = nil
}

// Secure makes a raw side use TLS from now on.
func (s *Side) Secure(t *TLS) {
	more := s.more()
	more.secure, more.early = t, t.early
	t.early = nil
}

// isSecure reports whether a loop handles the side's TLS.
func (s *Side) isSecure() bool { return s.connSide != nil && s.secure != nil && s.conn == nil }

// TLSState returns the TLS version of the side, and the server name that the
// client asked for; ok is false without TLS.
func (s *Side) TLSState() (version uint16, name string, ok bool) {
	switch {
	case s.connSide == nil:
	case s.secure != nil:
		return tls.VersionTLS13, s.secure.name, true
	case s.tls != nil:
		state := s.tls.ConnectionState()
		return state.Version, state.ServerName, true
	}
	return 0, "", false
}
