package relay

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// An endNoted notes that the other end's FIN has been read. Under TLS that
// tells a stream which was cut from one that was ended: crypto/tls gives io.EOF
// for both, but reads no further than a close_notify.
type endNoted struct {
	net.Conn
	ended atomic.Bool
}

// NoteEnd wraps a connection that TLS is to be begun on. What it gives has a
// method Ended.
func NoteEnd(c net.Conn) net.Conn { return &endNoted{Conn: c} }

func (c *endNoted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

// NetConn is the connection itself.
func (c *endNoted) NetConn() net.Conn { return c.Conn }

// Ended says whether the FIN has been read.
func (c *endNoted) Ended() bool { return c.ended.Load() }
