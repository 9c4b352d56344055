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

// Conn is the program's connection to a peer: TLS 1.3 over TCP, with CloseWrite. There is one to each peer at a time. It
// is the program's to read, write and close; when it is closed, and the peer is still there, a new one is made
// after a second.
//
// When the peer crashes or leaves, what it has sent can be read to the end, for half a minute. When it is cut off or
// hangs, Read fails at once.
type Conn struct {
	tls    *tls.Conn
	link   *link
	number uint64
	peer   meshinfo.Peer
	closed atomic.Bool
	used   atomic.Bool   // somebody has read it
	given  atomic.Bool   // OnConn has returned
	ended  chan struct{} // closed when it is closed or read to its end
	once   sync.Once
	timer  *time.Timer // under node.mu; closes what nobody reads to its end
}

// Peer is who is at the other end, as it was when the connection was made.
func (c *Conn) Peer() meshinfo.Peer { return c.peer }

// Trusted says whether the peer has proved a secret.
func (c *Conn) Trusted() bool { return c.peer.Trusted }

// Read reads what the peer wrote. After its CloseWrite or Close the error is io.EOF.
func (c *Conn) Read(b []byte) (int, error) {
	c.used.Store(true)
	n, err := c.tls.Read(b)
	if ne, ok := errors.AsType[net.Error](err); err != nil && !(ok && ne.Timeout()) {
		c.end()
	}
	return n, err
}

// Write writes to the peer, and blocks while that does not read.
func (c *Conn) Write(b []byte) (int, error) { return c.tls.Write(b) }

// CloseWrite ends our side: the peer reads io.EOF, and may go on writing.
func (c *Conn) CloseWrite() error { return c.tls.CloseWrite() }

// Close ends both sides.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.end()
	c.link.closedConn(c)
	return c.tls.Close()
}

// LocalAddr is our address.
func (c *Conn) LocalAddr() net.Addr { return c.tls.LocalAddr() }

// RemoteAddr is the peer's address; of the two ports one is where it listens, or where we do.
func (c *Conn) RemoteAddr() net.Addr { return c.tls.RemoteAddr() }

// SetDeadline is as in net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.tls.SetDeadline(t) }

// SetReadDeadline is as in net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.tls.SetReadDeadline(t) }

// SetWriteDeadline is as in net.Conn. As TLS has it, a Write that has timed out has broken the connection.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.tls.SetWriteDeadline(t) }

func (c *Conn) end() { c.once.Do(func() { close(c.ended) }) }

// abort closes without a word, and without waiting.
func (c *Conn) abort() {
	c.closed.Store(true)
	c.end()
	c.tls.NetConn().Close()
}

// unread: no goroutine of the program seems to read it, so that none will notice its end.
func (c *Conn) unread() bool {
	return !c.used.Load() && (c.link.node.cfg.OnConn == nil || c.given.Load())
}

// linkLost is called with node.mu held: the peer is gone, and its connection with it.
func (c *Conn) linkLost(cause meshinfo.Cause) {
	if cause == meshinfo.Unreachable || cause == meshinfo.Unresponsive {
		c.abort()
		return
	}
	c.linger()
}

// linger closes the connection after a while, if the program does not before. Called with node.mu held.
func (c *Conn) linger() {
	if c.timer != nil || c.closed.Load() {
		return
	}
	if c.link.node.closed {
		c.abort()
		return
	}
	d := connLinger
	if c.link.node.cfg.OnConn == nil && !c.used.Load() {
		d = 0 // the program has nothing to do with it
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
		oldest.stopLingering()
		oldest.abort()
	}
}

// maxLingering bounds what a peer holds open by dialling again and again.
const maxLingering = 4

// stopLingering is called with node.mu held, when the connection is closed.
func (c *Conn) stopLingering() {
	if c.timer != nil {
		c.timer.Stop()
		delete(c.link.node.lingering, c)
	}
}
