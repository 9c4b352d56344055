package ws

import (
	"net"
	"time"
)

// halfClose ends our direction: of TLS, where there is TLS, and of TCP.
func halfClose(c net.Conn) {
	type writeCloser interface{ CloseWrite() error }
	if w, ok := c.(writeCloser); ok {
		w.CloseWrite()
	}
	if under := bottomOf(c); under != c {
		if w, ok := under.(writeCloser); ok {
			w.CloseWrite()
		}
	}
}

// cutOff ends both directions of a connection that somebody may wait on, in
// Read or in an epoll of its own, and leaves the descriptor to its owner:
// closing it would take it out of that epoll without a word.
func cutOff(c net.Conn) {
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

// drain throws away what comes until the peer's end, or the limit.
func drain(c net.Conn, limit time.Time) {
	c.SetReadDeadline(limit)
	b := waitBlocks.Get().(*block)
	defer b.release()
	for {
		if _, err := c.Read(b.buf); err != nil {
			return
		}
	}
}
