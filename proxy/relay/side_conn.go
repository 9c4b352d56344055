package relay

import (
	"crypto/tls"
	"net"
	"net/netip"
	"time"
)

// Conn returns the side's connection, for the handshake: PROXY header, TLS. The
// side still owns it. The connection of a raw side must be requested in a step,
// for the function that the step passes to Do; if the side uses TLS, it is one
// over TLS, and reads the data of Unread first.
func (s *Side) Conn() net.Conn {
	switch {
	case s.isSecure():
		return s.tlsConn()
	case s.isRaw():
		return s.openingConn()
	}
	keepUrgentOf(s.conn)
	return s.conn
}

// keepUrgentOf is keepUrgent for a TCP connection.
func keepUrgentOf(c net.Conn) {
	if _, isTCP := c.RemoteAddr().(*net.TCPAddr); !isTCP {
		return
	}
	if rc := rawConnOf(c); rc != nil {
		rc.Control(keepUrgent)
	}
}

// Wrap puts a layer over the side's connection, which is from now on what is
// read, written and closed. The side must not be raw: see Loop.Move.
func (s *Side) Wrap(c net.Conn) {
	s.conn = c
	if t, ok := c.(*tls.Conn); ok {
		s.tls = t
	}
}

// TLS returns the side's TLS connection, also from under another layer; nil if
// it does not use TLS. The caller must not read or write it.
func (s *Side) TLS() *tls.Conn {
	if s.connSide == nil {
		return nil
	}
	return s.tls
}

// Secured reports whether the side was made by a Dial that has Secure.
func (s *Side) Secured() bool { return s.connSide != nil && s.secured }

// Unread returns data that was read before the relay; it is delivered first.
func (s *Side) Unread(b []byte) {
	if len(b) > 0 {
		more := s.more()
		more.early = append(more.early, b...)
	}
}

// Replay returns the side's connection for a layer over it that reads the data of
// Unread first; the side then no longer delivers that data.
func (s *Side) Replay() net.Conn {
	c := s.Conn()
	if s.connSide != nil && len(s.early) > 0 {
		c = &replayed{c, s.early}
		s.early = nil
	}
	return c
}

// replayed first reads bytes that were read before, and then the connection.
type replayed struct {
	net.Conn
	early []byte
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.early) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.early)
	if r.early = r.early[n:]; len(r.early) == 0 {
		r.early = nil
	}
	return n, nil
}

// NetConn is the connection itself.
func (r *replayed) NetConn() net.Conn { return r.Conn }

// SetRemote sets the side's remote address to that of the client in a PROXY
// header.
func (s *Side) SetRemote(client netip.AddrPort) {
	s.remote = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
}

// writeFirstTimeout is generous: a fresh connection has room for a header.
const writeFirstTimeout = 3 * time.Second

// WriteFirst writes a few bytes ahead of the relay. They do not count as traffic.
// It fails if a raw side cannot take them at once.
func (s *Side) WriteFirst(b []byte) error {
	if s.isRaw() {
		return s.rawWriteFirst(b)
	}
	s.conn.SetWriteDeadline(time.Now().Add(writeFirstTimeout))
	defer s.conn.SetWriteDeadline(time.Time{})
	_, err := s.conn.Write(b)
	return err
}
