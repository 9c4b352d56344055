package ws

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Conn is a WebSocket connection used as a stream of bytes: a net.Conn. Read
// returns the payload of all data messages, text and binary, one behind the
// other; message boundaries are lost in both directions, and payload is passed
// on as it arrives, before its message is complete.
//
// The caller of Accept or Dial owns the Conn and must end it with Close,
// CloseWith or CloseNow. It needs no goroutine of its own while it is idle.
//
// What differs from a TCP connection:
//
//   - Control frames are handled in Read, WriteTo and ServeControl. A program
//     that calls none of them answers no pings and does not notice the peer's
//     Close; Ping gets no pong either.
//   - There is no half-close. A peer's Close ends both directions: Read returns
//     io.EOF. A Close frame with the same code is sent when the program closes,
//     or has written nothing for a second; after that Write returns an error.
//   - Close and CloseWith exchange Close frames, and take up to CloseTimeout
//     when the peer does not answer or a WriteTo is blocked in its destination.
//     CloseNow returns at once.
//   - A write deadline that passes inside a frame leaves the rest of it in the
//     Conn, to be sent before anything else; those bytes count as written.
//     Under TLS it ends writing for good, as in crypto/tls.
//
// All methods may be called by any goroutine. One of Read, WriteTo and
// ServeControl and one of Write and ReadFrom run at a time; others wait.
type Conn struct {
	conn        net.Conn        // TCP, or TLS over it
	netConn     net.Conn        // the TCP connection
	rawConn     syscall.RawConn // of conn; nil under TLS or where it cannot be used
	isTLS       bool
	settings    *settings
	client      bool
	loop        atomic.Pointer[loopConn] // conn, if a loop has it; nil: none, or it has been replaced
	frames      *Frames                  // not nil while it is attached; the loop's
	subprotocol string
	encoding    Encoding
	listener    *Listener // nil on a client

	readState
	writeState
	closeState

	deadlines sync.Mutex
	readBy    time.Time // the read deadline that the program has set

	pingState
	counters                [2]atomic.Int64
	bytesRead, bytesWritten *atomic.Int64
	flushers                sync.WaitGroup // the goroutine of startFlusher, if it runs
}

// settings are what all connections of a Listener or a Dialer have in common.
type settings struct {
	pingInterval   time.Duration // 0: off
	closeTimeout   time.Duration
	replaceInvalid bool
	maxInflated    int64
}

// newConn makes a Conn of a connection whose handshake is done. early is what
// the peer sent in the same packets after its handshake.
func newConn(conn net.Conn, early []byte, client bool, agreed negotiated, set *settings) *Conn {
	c := &Conn{
		conn: conn, netConn: netConnOf(conn), settings: set, client: client,
		subprotocol: agreed.subprotocol, encoding: agreed.encoding,
	}
	_, c.isTLS = conn.(secureConn)
	c.blocks = newBlockReader(conn, maxFrame)
	c.rawConn = c.blocks.raw
	c.controller = controllerOf(c.netConn)
	c.bytesRead, c.bytesWritten = &c.counters[0], &c.counters[1]
	if l, ok := conn.(loopConn); ok {
		c.loop.Store(&l)
	}
	c.readLock = make(chan struct{}, 1)
	c.readDone = make(chan struct{})
	c.early = early
	c.parser = parser{client: client, deflate: agreed.deflate}
	if agreed.deflate {
		c.inflate = &messageInflater{c: c}
	}
	if agreed.encoding == Base64 {
		c.base64 = &base64Decoder{}
	}
	if set.pingInterval > 0 {
		addToPingWheel(c, set.pingInterval)
	}
	return c
}

// Subprotocol returns the subprotocol of the handshake, or "" for none.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Encoding returns the encoding of the data frames that c sends.
func (c *Conn) Encoding() Encoding { return c.encoding }

// NetConn returns the TCP connection under c, even if there is TLS in between. It
// is meant for socket options and pollers; reading from it or writing to it
// breaks the stream. c still owns it.
func (c *Conn) NetConn() net.Conn { return c.netConn }

// LocalAddr returns the address of the TCP connection.
func (c *Conn) LocalAddr() net.Addr { return c.netConn.LocalAddr() }

// RemoteAddr returns the address of the TCP connection's peer, which may be a
// proxy in front of the client: see ParseForwarded.
func (c *Conn) RemoteAddr() net.Addr { return c.netConn.RemoteAddr() }

// BytesRead returns the number of payload bytes from the peer that Read has
// returned or WriteTo has written.
func (c *Conn) BytesRead() int64 { return c.bytesRead.Load() }

// BytesWritten returns the number of payload bytes that were sent to the peer.
func (c *Conn) BytesWritten() int64 { return c.bytesWritten.Load() }

// CountInto makes c count its payload bytes in the given counters, which
// BytesRead and BytesWritten return from then on. It must be called before the
// first byte is read or written.
func (c *Conn) CountInto(read, written *atomic.Int64) { c.bytesRead, c.bytesWritten = read, written }

// SetDeadline sets the read and the write deadline; the zero Time is none. When
// a deadline passes, a running Read, WriteTo, Write or ReadFrom returns an error
// whose Timeout method returns true, and c can be used again once the deadline
// has been moved (but see Conn on writing under TLS, and Config.Compression on
// reading). During and after Close it does nothing and returns nil.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline is SetDeadline for Read and WriteTo only.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.isClosing.Load() {
		return nil
	}
	c.readBy = t
	return c.conn.SetReadDeadline(t)
}

// SetWriteDeadline is SetDeadline for Write and ReadFrom only.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.isClosing.Load() {
		return nil
	}
	return c.conn.SetWriteDeadline(t)
}

// restoreReadDeadline sets the program's deadline again after one of our own.
func (c *Conn) restoreReadDeadline() {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if !c.isClosing.Load() {
		c.conn.SetReadDeadline(c.readBy)
	}
}
