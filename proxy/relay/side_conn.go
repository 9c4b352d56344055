package relay

import (
	"crypto/tls"
	"net"
	"net/netip"
	"time"
)

// Conn is the side's connection, for the opening of a session: its header, its
// TLS. It stays the side's. A raw side becomes a net.Conn by it for good, and
// is the stream runner's from then on; one for which no descriptor is left
// becomes a connection that is closed.
func (s *Side) Conn() net.Conn {
	if s.connSide == nil {
		s.becomeConn()
	}
	return s.conn
}

// Wrap puts a layer over the side's connection, which is from now on what is
// read, written and closed.
func (s *Side) Wrap(c net.Conn) {
	s.conn = c
	if t, ok := c.(*tls.Conn); ok {
		s.tls = t
	}
}

// TLS is the side's TLS connection, whatever is on top of it; nil where it
// speaks none. It is for looking only.
func (s *Side) TLS() *tls.Conn {
	if s.connSide == nil {
		return nil
	}
	return s.tls
}

// Unread gives back bytes that were read before the relay: it delivers them
// first.
func (s *Side) Unread(b []byte) { s.early = append(s.early, b...) }

// SetRemote makes client the side's remote address: a PROXY header says for
// whom the peer speaks.
func (s *Side) SetRemote(client netip.AddrPort) {
	s.remote = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
}

// writeFirstTimeout is generous: a fresh connection has room for a header.
const writeFirstTimeout = 3 * time.Second

// WriteFirst writes a few bytes of ours ahead of the relay. They are not
// counted: they are nobody's traffic.
func (s *Side) WriteFirst(b []byte) error {
	s.conn.SetWriteDeadline(time.Now().Add(writeFirstTimeout))
	defer s.conn.SetWriteDeadline(time.Time{})
	_, err := s.conn.Write(b)
	return err
}
