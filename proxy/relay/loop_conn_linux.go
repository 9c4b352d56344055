package relay

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// openingConn is a raw side as a net.Conn, for the opening of its session: a PROXY
// header, a ClientHello, TLS's handshake. One goroutine of Loop.Do uses it, and
// waits where the loop tells it that the descriptor is ready. When that goroutine
// has ended, nothing of it remains but this struct, and the side is raw as before:
// what was read and is not for the opening goes to Side.Unread.
//
// A layer over it that has to stay makes the side a net.Conn for good; then
// Conn is set, and does everything.
type openingConn struct {
	net.Conn // nil: the side is raw

	side     *Side
	received int64 // bytes
	busy     bool  // a goroutine of Do uses it; the loop's, as the two below
	closing  bool  // the side is to be closed once that has ended
	reset    bool  // with a reset

	readable, writable signal
	over               chan struct{} // closed: the side is to be closed
	once               sync.Once
	readBy, writeBy    time.Time
}

// signal wakes one goroutine that waits, or the next one that does.
type signal chan struct{}

func (s signal) send() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// onReady is called by the loop.
func (c *openingConn) onReady(events uint32) {
	const lost = unix.EPOLLHUP | unix.EPOLLERR
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|lost) != 0 {
		c.readable.send()
	}
	if events&(unix.EPOLLOUT|lost) != 0 {
		c.writable.send()
	}
}

func (c *openingConn) Read(p []byte) (int, error) {
	if c.Conn != nil {
		return c.Conn.Read(p)
	}
	for len(p) > 0 {
		if err := c.check(c.readBy); err != nil {
			return 0, c.error("read", err)
		}
		n, e := recv(c.side.fd, p)
		switch {
		case e == unix.EAGAIN:
			if err := c.wait(c.readable, c.readBy); err != nil {
				return 0, c.error("read", err)
			}
		case e != 0:
			return 0, c.error("read", os.NewSyscallError("read", e))
		case n == 0:
			return 0, io.EOF
		default:
			c.received += int64(n)
			return n, nil
		}
	}
	return 0, nil
}

func (c *openingConn) Write(p []byte) (done int, err error) {
	if c.Conn != nil {
		return c.Conn.Write(p)
	}
	for done < len(p) {
		if err := c.check(c.writeBy); err != nil {
			return done, c.error("write", err)
		}
		n, e := send(c.side.fd, p[done:], false)
		switch {
		case e == unix.EAGAIN:
			if err := c.wait(c.writable, c.writeBy); err != nil {
				return done, c.error("write", err)
			}
		case e != 0:
			return done, c.error("write", os.NewSyscallError("write", e))
		}
		done += n
	}
	return done, nil
}

// check is the error of a connection that is closed, or whose deadline is over.
func (c *openingConn) check(by time.Time) error {
	select {
	case <-c.over:
		return net.ErrClosed
	default:
	}
	if !by.IsZero() && !time.Now().Before(by) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// wait waits until the loop reports that the descriptor is ready.
func (c *openingConn) wait(ready signal, by time.Time) error {
	var expired <-chan time.Time
	if !by.IsZero() {
		timer := time.NewTimer(time.Until(by))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-ready:
		return nil
	case <-c.over:
		return net.ErrClosed
	case <-expired:
		return os.ErrDeadlineExceeded
	}
}

func (c *openingConn) error(op string, err error) error {
	remote := c.RemoteAddr()
	return &net.OpError{Op: op, Net: remote.Network(), Source: c.LocalAddr(), Addr: remote, Err: err}
}

// CloseWrite ends our half of the stream.
func (c *openingConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	shutdown(c.side.fd, unix.SHUT_WR)
	return nil
}

// Close ends all use of the connection. The descriptor is its side's, which closes
// it.
func (c *openingConn) Close() error {
	if c.Conn != nil {
		return c.Conn.Close()
	}
	c.once.Do(func() { close(c.over) })
	return nil
}

func (c *openingConn) LocalAddr() net.Addr {
	switch {
	case c.Conn != nil:
		return c.Conn.LocalAddr()
	case c.side.path != nil:
		return &net.UnixAddr{Net: "unix", Name: *c.side.path}
	}
	return net.TCPAddrFromAddrPort(c.side.rawLocal())
}

func (c *openingConn) RemoteAddr() net.Addr {
	switch {
	case c.Conn != nil:
		return c.Conn.RemoteAddr()
	case c.side.path != nil:
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(c.side.remote)
}

// NetConn is the connection that has replaced it; nil: none has.
func (c *openingConn) NetConn() net.Conn { return c.Conn }

func (c *openingConn) SetDeadline(t time.Time) error {
	if c.Conn != nil {
		return c.Conn.SetDeadline(t)
	}
	c.readBy, c.writeBy = t, t
	return nil
}

func (c *openingConn) SetReadDeadline(t time.Time) error {
	if c.Conn != nil {
		return c.Conn.SetReadDeadline(t)
	}
	c.readBy = t
	return nil
}

func (c *openingConn) SetWriteDeadline(t time.Time) error {
	if c.Conn != nil {
		return c.Conn.SetWriteDeadline(t)
	}
	c.writeBy = t
	return nil
}
