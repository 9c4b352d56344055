package ws

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// crypto/tls gives io.EOF for a FIN between two records as for a close_notify.
// An endConn under it tells them apart: behind a close_notify nobody reads.
type endConn struct {
	net.Conn
	ended atomic.Bool
}

func (c *endConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

func (c *endConn) NetConn() net.Conn { return c.Conn }

// Ended says that the peer's FIN has been read.
func (c *endConn) Ended() bool { return c.ended.Load() }

// endListener gives endConns.
type endListener struct{ net.Listener }

func (l endListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &endConn{Conn: c}, nil
}

// cutUnderTLS says that the end of a TLS stream was the TCP connection's, with
// no close_notify before it. Of a connection that a program has begun TLS on,
// it is known where what lies under the *tls.Conn has a method Ended like
// endConn's.
func cutUnderTLS(c net.Conn) bool {
	t, ok := c.(*tls.Conn)
	if !ok {
		return false
	}
	u, ok := t.NetConn().(interface{ Ended() bool })
	return ok && u.Ended()
}
