package relay

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// openingConn is a raw side as a net.Conn, for work in goroutines: the opening of its
// session (a PROXY header, a ClientHello, the handshakes of TLS and of frames), and the
// closing handshake of frames. They wait until the loop reports that the descriptor is
// ready. In between the loop reads and writes the raw side: bytes that the opening read
// but does not need go to Side.Unread, or stay with its Frames.
//
// A layer over it that has to stay makes the side a net.Conn for good: Conn is set, and
// does everything.
type openingConn struct {
	net.Conn // nil: the side is raw

	side     *Side
	over     *loopTLSConn // TLS over it; nil: there is none
	task     *loopTask    // the task of the side
	received int64        // bytes received

	mu      sync.Mutex // held during calls, so that the descriptor is not closed meanwhile
	closed  bool
	in, out openingHalf
}

// openingHalf is one direction: reading or writing.
type openingHalf struct {
	by      time.Time
	waiting chan struct{} // wakes a waiting goroutine; nil: none has waited
}

func (h *openingHalf) wake() {
	if h.waiting == nil {
		return
	}
	select {
	case h.waiting <- struct{}{}:
	default:
	}
}

// onReady is called by the loop.
func (c *openingConn) onReady(events uint32) {
	const lost = unix.EPOLLHUP | unix.EPOLLERR
	c.mu.Lock()
	defer c.mu.Unlock()
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|lost) != 0 {
		c.in.wake()
	}
	if events&(unix.EPOLLOUT|lost) != 0 {
		c.out.wake()
	}
}

func (c *openingConn) Read(p []byte) (n int, err error) {
	if c.Conn != nil {
		return c.Conn.Read(p)
	}
	for len(p) > 0 {
		n, e, err := c.try(&c.in, func(fd int32) (int, unix.Errno) { return recv(fd, p) })
		switch {
		case err != nil:
			return 0, c.error("read", err)
		case e == unix.EAGAIN:
			c.wait(&c.in)
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
	return c.write(p, true)
}

// WriteNow writes what fits, and never waits.
func (c *openingConn) WriteNow(p []byte) (done int, err error) { return c.write(p, false) }

func (c *openingConn) write(p []byte, all bool) (done int, err error) {
	for done < len(p) {
		n, e, err := c.try(&c.out, func(fd int32) (int, unix.Errno) { return send(fd, p[done:], false) })
		switch {
		case err != nil:
			return done, c.error("write", err)
		case e == unix.EAGAIN && !all:
			return done, nil
		case e == unix.EAGAIN:
			c.Post(c.side.armOpening)
			c.wait(&c.out)
		case e != 0:
			return done, c.error("write", os.NewSyscallError("write", e))
		}
		done += n
	}
	return done, nil
}

// try makes a system call that does not block, unless the connection is closed or the
// half's deadline has passed. After EAGAIN the caller may wait: no readiness from now
// on is missed.
func (c *openingConn) try(h *openingHalf, call func(fd int32) (int, unix.Errno)) (n int, e unix.Errno, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, 0, net.ErrClosed
	case !h.by.IsZero() && !time.Now().Before(h.by):
		return 0, 0, os.ErrDeadlineExceeded
	}
	if n, e = call(c.side.fd); e == unix.EAGAIN && h.waiting == nil {
		h.waiting = make(chan struct{}, 1)
	}
	return n, e, nil
}

// wait waits until the descriptor may be ready, the deadline passes or changes, or the
// connection is closed.
func (c *openingConn) wait(h *openingHalf) {
	c.mu.Lock()
	waiting, by := h.waiting, h.by
	c.mu.Unlock()
	var expired <-chan time.Time
	if !by.IsZero() {
		timer := time.NewTimer(time.Until(by))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-waiting:
	case <-expired:
	}
}

func (c *openingConn) error(op string, err error) error {
	remote := c.RemoteAddr()
	return &net.OpError{Op: op, Net: remote.Network(), Source: c.LocalAddr(), Addr: remote, Err: err}
}

// CloseWrite ends our half of the stream.
func (c *openingConn) CloseWrite() error { return c.shutdown(unix.SHUT_WR) }

// CloseRead ends what can be read.
func (c *openingConn) CloseRead() error { return c.shutdown(unix.SHUT_RD) }

func (c *openingConn) shutdown(how int) error {
	if half, ok := c.Conn.(interface {
		CloseRead() error
		CloseWrite() error
	}); ok {
		if how == unix.SHUT_RD {
			return half.CloseRead()
		}
		return half.CloseWrite()
	}
	return c.Control(func(fd uintptr) { shutdown(int32(fd), how) })
}

// Control calls f with the descriptor, which is not closed meanwhile.
func (c *openingConn) Control(f func(fd uintptr)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.side.fd < 0 {
		return net.ErrClosed
	}
	f(uintptr(c.side.fd))
	return nil
}

// Post calls f on the thread of the loop that has the side's task.
func (c *openingConn) Post(f func()) {
	c.task.loop.Load().inbox.post(message{task: c.task, do: func(*loop) { f() }}, nil)
}

// Close ends all use of the connection. The side closes the descriptor, at the latest
// when its task is done.
func (c *openingConn) Close() error {
	if c.Conn != nil {
		return c.Conn.Close()
	}
	if c.end() {
		c.Post(c.side.closeEnded)
	}
	return nil
}

// end is Close without closing the descriptor, and reports whether it was the first.
func (c *openingConn) end() (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first = !c.closed
	c.closed = true
	c.in.wake()
	c.out.wake()
	return first
}

// rest releases what only a waiting goroutine needs, since none waits for now.
func (c *openingConn) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in, c.out = openingHalf{}, openingHalf{}
}

func (c *openingConn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *openingConn) LocalAddr() net.Addr {
	switch {
	case c.Conn != nil:
		return c.Conn.LocalAddr()
	case c.side.path != nil:
		return &net.UnixAddr{Net: "unix", Name: *c.side.path}
	}
	return c.tcpAddr(getsockname)
}

// RemoteAddr is the peer's own address, also where a PROXY header names another.
func (c *openingConn) RemoteAddr() net.Addr {
	switch {
	case c.Conn != nil:
		return c.Conn.RemoteAddr()
	case c.side.path != nil:
		return &net.UnixAddr{Net: "unix"}
	}
	return c.tcpAddr(getpeername)
}

func (c *openingConn) tcpAddr(of func(fd int32, at *unix.RawSockaddrAny) unix.Errno) net.Addr {
	var at unix.RawSockaddrAny
	var addr netip.AddrPort
	c.Control(func(fd uintptr) {
		if of(int32(fd), &at) == 0 {
			addr = addrPortOf(&at)
		}
	})
	return net.TCPAddrFromAddrPort(addr)
}

// NetConn returns the connection that has replaced it, or nil.
func (c *openingConn) NetConn() net.Conn { return c.Conn }

func (c *openingConn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *openingConn) SetReadDeadline(t time.Time) error {
	if c.Conn != nil {
		return c.Conn.SetReadDeadline(t)
	}
	c.set(&c.in, t)
	return nil
}

func (c *openingConn) SetWriteDeadline(t time.Time) error {
	if c.Conn != nil {
		return c.Conn.SetWriteDeadline(t)
	}
	c.set(&c.out, t)
	return nil
}

// set sets a half's deadline, and wakes a waiting goroutine.
func (c *openingConn) set(h *openingHalf, by time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.by = by
	h.wake()
}
