package ws

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Conn is a WebSocket connection used as a stream of bytes: a net.Conn. The
// payload of every data message, text or binary, is what Read gives; message
// borders are not kept in either direction, and a message is never held back
// to be complete.
//
// What differs from a TCP connection:
//
//   - Control frames are handled by whoever reads. A program that never reads
//     answers no pings and sees no Close; Ping needs a reader too.
//   - There is no half-close. A peer's Close ends both directions: the reader
//     gets io.EOF, and the echo of its code, after which nothing can be
//     written, goes out when the program closes or has written nothing for a
//     second.
//   - Close and CloseWith are an exchange of Close frames, and take up to
//     CloseTimeout with a peer that does not answer, or while a WriteTo is
//     stuck in its destination. CloseNow takes no time.
//   - A write deadline that passes inside a frame leaves its rest with the
//     Conn, to be sent before anything else; those bytes count as written.
//     Under TLS it ends writing for good, as in crypto/tls.
//
// One Read or WriteTo and one Write or ReadFrom may run at a time beside each
// other; more of them wait for their turn. All other methods may be called at
// any time by any goroutine.
type Conn struct {
	conn        net.Conn        // TCP, or TLS over it
	bottom      net.Conn        // the TCP connection
	raw         syscall.RawConn // of conn; nil under TLS or where it cannot be used
	tls         bool
	set         *settings
	client      bool
	subprotocol string
	encoding    Encoding
	listener    *Listener // nil: dialled

	reading
	writing
	closing

	deadlines sync.Mutex
	readBy    time.Time // what the user set

	pings
	own      [2]atomic.Int64
	in, out  *atomic.Int64
	flushers sync.WaitGroup // goroutines that write what would have blocked
}

// settings is what all connections of a Listener or a Dialer have in common.
type settings struct {
	ping         time.Duration // 0: off
	closeTimeout time.Duration
	replace      bool
	maxInflated  int64
}

// newConn makes a Conn of a connection whose handshake is done. early is what
// the peer sent behind it.
func newConn(conn net.Conn, early []byte, client bool, agreed agreement, set *settings) *Conn {
	c := &Conn{
		conn: conn, bottom: bottomOf(conn), set: set, client: client,
		subprotocol: agreed.subprotocol, encoding: agreed.encoding,
	}
	_, c.tls = conn.(*tls.Conn)
	c.tap = newTap(conn, maxFrame)
	c.raw = c.tap.raw
	c.in, c.out = &c.own[0], &c.own[1]
	if c.pulseSource = c.raw; c.bottom != conn {
		c.pulseSource = rawOf(c.bottom)
	}
	c.turn = make(chan struct{}, 1)
	c.over = make(chan struct{})
	c.early = early
	c.parser = parser{client: client, packed: agreed.deflate}
	if agreed.deflate {
		c.unpack = &unpacker{c: c}
	}
	if agreed.encoding == Base64 {
		c.base64 = &base64Reader{}
	}
	if set.ping > 0 {
		joinClock(c, set.ping)
	}
	return c
}

// Subprotocol returns the agreed one, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Encoding returns what the frames are that c sends.
func (c *Conn) Encoding() Encoding { return c.encoding }

// NetConn returns the TCP connection at the bottom, under TLS too. It is there
// to be watched and for socket options; to read or write it breaks the
// stream.
func (c *Conn) NetConn() net.Conn { return c.bottom }

// LocalAddr returns the address of the TCP connection.
func (c *Conn) LocalAddr() net.Addr { return c.bottom.LocalAddr() }

// RemoteAddr returns the address of the TCP connection's peer, which may be a
// proxy of the one who speaks.
func (c *Conn) RemoteAddr() net.Addr { return c.bottom.RemoteAddr() }

// BytesRead counts the payload bytes that came from the peer and were given
// to the reader; it may be read at any time.
func (c *Conn) BytesRead() int64 { return c.in.Load() }

// BytesWritten counts the payload bytes that were written to the peer.
func (c *Conn) BytesWritten() int64 { return c.out.Load() }

// CountInto makes c count in the caller's own counters from now on. Call it
// before the first byte is read or written.
func (c *Conn) CountInto(read, written *atomic.Int64) { c.in, c.out = read, written }

// SetDeadline sets both deadlines. One that is in the past ends a running Read,
// Write, WriteTo or ReadFrom, which returns an error with Timeout() true, and
// c can go on when the deadline has been moved. During Close deadlines are
// not the caller's, and setting one does nothing.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline is like SetDeadline, for reading.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.isClosing.Load() {
		return nil
	}
	c.readBy = t
	return c.conn.SetReadDeadline(t)
}

// SetWriteDeadline is like SetDeadline, for writing.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.isClosing.Load() {
		return nil
	}
	return c.conn.SetWriteDeadline(t)
}

// restoreReadDeadline puts the user's back after one of our own.
func (c *Conn) restoreReadDeadline() {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if !c.isClosing.Load() {
		c.conn.SetReadDeadline(c.readBy)
	}
}
