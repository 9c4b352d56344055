package ws

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// crypto/tls returns io.EOF both for a close_notify and for a FIN between two
// records. An eofConn under it distinguishes them: after a close_notify crypto/tls
// does not read any more.
type eofConn struct {
	net.Conn
	ended atomic.Bool
}

func (c *eofConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

func (c *eofConn) NetConn() net.Conn { return c.Conn }

// Ended reports whether the peer's FIN has been read.
func (c *eofConn) Ended() bool { return c.ended.Load() }

// An eofListener wraps the connections of a Listener in eofConns.
type eofListener struct{ net.Listener }

func (l eofListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &eofConn{Conn: c}, nil
}

// A secureConn is a connection over TLS: a *tls.Conn, or another's, such as that of an
// event loop.
type secureConn interface {
	net.Conn
	ConnectionState() tls.ConnectionState
}

// truncatedUnderTLS reports whether a TLS stream ended with the peer's FIN, without
// a close_notify. Of a *tls.Conn that the program has made, this is known if the
// connection under it has a method Ended like that of eofConn; of another secureConn,
// if it has one itself.
func truncatedUnderTLS(c net.Conn) bool {
	if _, ok := c.(secureConn); !ok {
		return false
	}
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	u, ok := c.(interface{ Ended() bool })
	return ok && u.Ended()
}
