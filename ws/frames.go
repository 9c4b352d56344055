package ws

import (
	"net"
	"time"
)

// Frames is a Conn for an event loop, which reads and writes its socket and needs
// no goroutine for it: Frames parses and makes frames in the loop's buffers. It
// is for a server's Conn over a connection of the loop, if CanLoop is true. Such a
// connection was given to Listener.Handshake, and has these methods beside those of
// net.Conn:
//
//	Control(f func(fd uintptr)) error     // as in syscall.RawConn
//	Post(f func())                        // calls f on the loop's thread
//	WriteNow(p []byte) (n int, err error) // writes what fits, without waiting
//
// All methods except AppendHeader are called on the loop's thread, and none
// blocks. Between Attach and Detach, only these may be called of the Conn: RTT,
// Ping, methods that return known values, and CloseWith, which waits for Detach.
type Frames struct {
	c     *Conn
	host  FramesHost
	block block  // the payload being sent
	out   []byte // its frame, as built by sendFrame
}

// FramesHost is the interface of a loop for its Frames.
type FramesHost interface {
	// Wake makes the loop send what HasControl reports. It is called by any goroutine.
	Wake()
	// Blocked reports whether data that Unframe returned waits for the other side to take
	// it, and whether frames wait for the peer to take them. It is called on the loop's
	// thread.
	Blocked() (in, out bool)
}

// A loopConn is a net.Conn whose descriptor belongs to an event loop. A Conn over one
// uses no goroutine of its own: its timers run on the loop's thread.
type loopConn interface {
	net.Conn
	controller
	// Post calls f on the thread of the loop.
	Post(f func())
	// WriteNow writes what fits, without waiting: n < len(p) without an error says
	// that no more did.
	WriteNow(p []byte) (n int, err error)
}

// controller is what can be asked about a socket: see syscall.RawConn.
type controller interface {
	Control(f func(fd uintptr)) error
}

// controllerOf returns the controller of a connection that wraps no other, or else nil.
func controllerOf(c net.Conn) controller {
	if l, ok := c.(loopConn); ok {
		return l
	}
	if raw := rawConnOf(c); raw != nil {
		return raw
	}
	return nil
}

// FrameHeadroom is how many bytes Frame needs before a payload.
const FrameHeadroom = headroom

// run calls f on the thread of the loop that has the connection, or else here.
func (c *Conn) run(f func()) {
	if l := c.loop.Load(); l != nil {
		(*l).Post(f)
		return
	}
	f()
}

// afterFunc is time.AfterFunc for a function of the Conn.
func (c *Conn) afterFunc(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { c.run(f) })
}

// CanLoop reports whether Frames can handle what was negotiated: not compression,
// base64 or the replacement of invalid text, each of which changes the data.
func (p *Pending) CanLoop() bool {
	encoding := p.Encoding()
	return !p.negotiated.deflate && (encoding == Binary || encoding == Text && !p.listener.settings.replaceInvalid)
}

// Moved replaces the Pending's connection by one that does not belong to a loop.
func (p *Pending) Moved(conn net.Conn) { p.conn = conn }

// Moved replaces the Conn's connection by one that does not belong to a loop. No
// call may be in progress on the Conn.
func (c *Conn) Moved(conn net.Conn) {
	c.conn, c.netConn = conn, netConnOf(conn)
	c.blocks = newBlockReader(conn, maxFrame)
	c.rawConn = c.blocks.raw
	c.controller = controllerOf(c.netConn)
	c.loop.Store(nil)
}

// Frames returns the Conn for a loop.
func (c *Conn) Frames() *Frames { return &Frames{c: c} }

// Attach attaches the Conn to a loop, which reads and writes the socket from now
// on.
func (f *Frames) Attach(host FramesHost) {
	c := f.c
	c.readLock <- struct{}{}
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	f.host, c.frames = host, f
}

// Detach returns the socket to the Conn. unsent is the rest of what Frame and
// AppendControl returned, and frames with headers of AppendHeader; the Conn sends
// it before anything else.
func (f *Frames) Detach(unsent []byte) {
	c := f.c
	c.writeMu.Lock()
	c.unsent = append(append([]byte(nil), unsent...), c.unsent...)
	c.frames = nil
	c.writeMu.Unlock()
	c.unlockRead()
}

// Early copies bytes that were read before Attach into b, and returns their
// payload, a part of b; more reports whether there may be more of them. Errors
// are as for Unframe.
func (f *Frames) Early(b []byte) (payload []byte, more bool, err error) {
	c := f.c
	switch {
	case len(c.buffered) > 0:
		n := c.readBuffered(b)
		c.bytesRead.Add(int64(n))
		return b[:n], true, nil
	case len(c.early) > 0:
		payload, err = f.Unframe(b[:c.readEarly(b)])
		return payload, true, err
	}
	return nil, false, c.readErr
}

// Unframe returns the payload of the next bytes of the socket, a part of b, and
// modifies b. After an error, which may come with payload before it, there is no
// more: io.EOF means the peer's Close, other errors are as for WriteTo.
func (f *Frames) Unframe(b []byte) (payload []byte, err error) {
	c := f.c
	c.active.Store(true)
	begin, end := 0, 0 // of the payload so far
	for chunk := b; len(chunk) > 0 && err == nil; {
		var found framePart
		found, chunk, err = c.nextPart(chunk)
		if n := len(found.data); n > 0 {
			at := len(b) - len(chunk) - n
			begin, end = join(b, begin, end, at, at+n)
		}
	}
	c.bytesRead.Add(int64(end - begin))
	if err != nil {
		err = c.readError(err)
	}
	return b[begin:end], err
}

// join makes one part of b[begin:end] and b[at:to], which follows it, by moving the
// shorter of them next to the longer one.
func join(b []byte, begin, end, at, to int) (int, int) {
	switch {
	case begin == end:
		return at, to
	case to-at <= end-begin:
		return begin, end + copy(b[end:], b[at:to])
	}
	moved := at - (end - begin)
	copy(b[moved:at], b[begin:end])
	return moved, to
}

// Ended returns the error of a Conn whose socket ended by io.EOF or by the error
// of a read.
func (f *Frames) Ended(by error) error { return f.c.readError(by) }

// Frame makes frames of b[FrameHeadroom:FrameHeadroom+n] in place, with n at most
// 32 KiB, and returns the part of b to send now: nothing if n bytes of text end
// within their first code point. After an error nothing more can be sent.
func (f *Frames) Frame(b []byte, n int) (frames []byte, err error) {
	c := f.c
	if err := c.lockWriter(); err != nil {
		return nil, err
	}
	defer c.unlockWriter()
	c.active.Store(true)
	f.block.buf = b
	if c.encoding == Text {
		_, err = c.sendText(&f.block, n)
	} else {
		_, err = c.sendFrame(&f.block, headroom, n, opBinary)
	}
	frames, f.out, f.block.buf = f.out, nil, nil
	if err == nil {
		c.bytesWritten.Add(int64(n))
	}
	return frames, err
}

// CanSplice reports whether data goes into frames unchanged, so that it can be
// sent after a header of AppendHeader.
func (f *Frames) CanSplice() bool { return f.c.encoding == Binary }

// AppendHeader appends the header of one final frame of n bytes, at most 32 KiB,
// which the caller sends after it and which count as written. It may be called by
// any goroutine, but not at the same time as Frame or AppendControl. After an
// error nothing more can be sent.
func (f *Frames) AppendHeader(b []byte, n int) (header []byte, err error) {
	c := f.c
	if err := c.lockWriter(); err != nil {
		return nil, err
	}
	defer c.unlockWriter()
	c.active.Store(true)
	c.bytesWritten.Add(int64(n))
	var h [headroom]byte
	return append(b, h[putLength(h[:], len(h), n, bitFin|opBinary, 0):]...), nil
}

// HasControl reports whether AppendControl has something to send.
func (f *Frames) HasControl() bool { return f.c.hasQueued.Load() || len(f.c.unsent) > 0 }

// AppendControl appends the control frames to send before the next frame, and
// what Attach found unsent: together less than 16 KiB. last reports whether the
// stream ends after them, as a server's does after the answer to the peer's Close
// (RFC 6455, section 7.1.1).
func (f *Frames) AppendControl(b []byte) (frames []byte, last bool) {
	c := f.c
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	c.dequeueControl()
	b = append(b, c.unsent...)
	c.unsent = nil
	return b, c.closeSent && c.closeReceived.Load() && !c.client
}
