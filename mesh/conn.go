package mesh

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// Conn is the program's connection to a peer: TLS 1.3 over TCP, with CloseWrite. There is one to each peer at a time. The
// program reads, writes and closes it; when it is closed while the peer is still connected, a new one is made after a
// second.
//
// When the peer has crashed or departed, what it has sent can be read to the end, for half a minute. When it is unreachable
// or unresponsive, Read fails at once.
type Conn struct {
	tls        *tls.Conn
	link       *link
	number     uint64
	peer       meshinfo.Peer
	closed     atomic.Bool
	wasRead    atomic.Bool   // the program has called Read
	onConnDone atomic.Bool   // OnConn has returned
	ended      chan struct{} // closed when the connection is closed or read to its end
	once       sync.Once
	timer      *time.Timer // under node.mu; closes the connection if the program does not
}

// Peer returns the peer as it was known when the connection was made.
func (c *Conn) Peer() meshinfo.Peer { return c.peer }

// Trusted reports whether the peer has proved a secret.
func (c *Conn) Trusted() bool { return c.peer.Trusted }

// Read reads data from the peer. After the peer's CloseWrite or Close the error
// is io.EOF.
func (c *Conn) Read(b []byte) (int, error) {
	c.wasRead.Store(true)
	n, err := c.tls.Read(b)
	if ne, ok := errors.AsType[net.Error](err); err != nil && !(ok && ne.Timeout()) {
		c.end()
	}
	return n, err
}

// Write writes data to the peer. It blocks while the peer does not read.
func (c *Conn) Write(b []byte) (int, error) { return c.tls.Write(b) }

// CloseWrite closes the writing side: the peer reads io.EOF, and may go on
// writing.
func (c *Conn) CloseWrite() error { return c.tls.CloseWrite() }

// Close closes both directions.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.end()
	c.link.closedConn(c)
	return c.tls.Close()
}

// LocalAddr returns the local address.
func (c *Conn) LocalAddr() net.Addr { return c.tls.LocalAddr() }

// RemoteAddr returns the peer's address. If this node dialled, the port is the
// one that the peer listens on.
func (c *Conn) RemoteAddr() net.Addr { return c.tls.RemoteAddr() }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.tls.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.tls.SetReadDeadline(t) }

// SetWriteDeadline is as in tls.Conn: after a Write has timed out, the connection
// is broken and every Write fails.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.tls.SetWriteDeadline(t) }

func (c *Conn) end() { c.once.Do(func() { close(c.ended) }) }

// abort closes the connection at once, without a TLS close_notify.
func (c *Conn) abort() {
	c.closed.Store(true)
	c.end()
	c.tls.NetConn().Close()
}

// nobodyReads reports whether the program seems not to be reading c, and so will not notice its end.
func (c *Conn) nobodyReads() bool {
	return !c.wasRead.Load() && (c.link.node.cfg.OnConn == nil || c.onConnDone.Load())
}

// linkLost ends the connection after its link. Called with node.mu held.
func (c *Conn) linkLost(cause meshinfo.Cause) {
	if cause == meshinfo.Unreachable || cause == meshinfo.Unresponsive {
		c.abort()
		return
	}
	c.linger()
}

// linger closes the connection after a while, unless the program does so first. Called with node.mu held.
func (c *Conn) linger() {
	if c.timer != nil || c.closed.Load() {
		return
	}
	if c.link.node.closed {
		c.abort()
		return
	}
	d := connLinger
	if c.link.node.cfg.OnConn == nil && !c.wasRead.Load() {
		d = 0 // the program does not use it
	}
	c.timer = time.AfterFunc(d, func() { c.Close() })
	n := c.link.node
	n.lingering[c] = struct{}{}
	var oldest *Conn
	same := 0
	for other := range n.lingering {
		if other.link == c.link {
			if same++; oldest == nil || other.number < oldest.number {
				oldest = other
			}
		}
	}
	if same > maxLingering {
		oldest.stopLinger()
		oldest.abort()
	}
}

// maxLingering bounds the replaced connections of one link that are still open.
const maxLingering = 4

// stopLinger is called with node.mu held, when the connection is closed.
func (c *Conn) stopLinger() {
	if c.timer != nil {
		c.timer.Stop()
		delete(c.link.node.lingering, c)
	}
}
