package ws

import (
	"net"
	"time"
)

// halfClose ends our direction: that of TLS, where there is TLS, and that of TCP.
func halfClose(c net.Conn) {
	type writeCloser interface{ CloseWrite() error }
	if w, ok := c.(writeCloser); ok {
		w.CloseWrite()
	}
	if under := netConnOf(c); under != c {
		if w, ok := under.(writeCloser); ok {
			w.CloseWrite()
		}
	}
}

// shutdownConn ends both directions of a connection that a goroutine or a poller
// may be waiting for, and leaves the descriptor to its owner: closing it would
// remove it from a poller without an event.
func shutdownConn(c net.Conn) {
	type both interface {
		CloseRead() error
		CloseWrite() error
	}
	if b, ok := c.(both); ok {
		b.CloseRead()
		b.CloseWrite()
		return
	}
	c.Close()
}

// discard reads and discards bytes until the peer's FIN, or the limit.
func discard(c net.Conn, limit time.Time) {
	c.SetReadDeadline(limit)
	b := smallBlocks.Get().(*block)
	defer b.release()
	for {
		if _, err := c.Read(b.buf); err != nil {
			return
		}
	}
}

// EndStream closes the writing half of the connection under c, without a Close
// frame: the peer gets the end of the stream after all written data, and can
// still send, if it is a Conn of this package and no proxy in between then closes
// both directions. Afterwards Write returns an error. Use Close for an end that
// every peer understands.
func (c *Conn) EndStream() { halfClose(c.conn) }
