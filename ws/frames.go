package ws

import (
	"net"
	"time"
)

// Frames is a Conn for an event loop, which reads and writes its socket and needs
// no goroutine for it: Frames parses and makes frames in the loop's buffers. It is for a
// server's Conn over a loopConn, of which CanLoop is true.
//
// All methods but AppendHeader are called on the thread of the loop, and none waits. Between
// Attach and Detach only these, RTT, Ping and the methods that return what is known may be
// called of the Conn, and CloseWith, which waits for Detach.
type Frames struct {
	c     *Conn
	host  FramesHost
	block block  // of what is being sent
	out   []byte // what sendFrame has made of it
}

// FramesHost is what a Frames needs of its loop.
type FramesHost interface {
	// Wake has the loop send what HasControl reports. It is called by any goroutine.
	Wake()
	// Blocked reports whether bytes that Unframe has returned wait to be taken, and
	// whether frames wait for the peer to take them. It is called on the loop's thread.
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

// controllerOf is the controller of a connection that is not one over another; nil if it
// has none.
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

// Moved says that the Pending's connection has been replaced, by one that is no
// loop's.
func (p *Pending) Moved(conn net.Conn) { p.conn = conn }

// Moved says that the Conn's connection has been replaced, by one that is no loop's. No
// call may be under way on the Conn.
func (c *Conn) Moved(conn net.Conn) {
	c.conn, c.netConn = conn, netConnOf(conn)
	c.blocks = newBlockReader(conn, maxFrame)
	c.rawConn = c.blocks.raw
	c.controller = controllerOf(c.netConn)
	c.loop.Store(nil)
}

// Frames returns the Conn for a loop.
func (c *Conn) Frames() *Frames { return &Frames{c: c} }

// Attach begins: the loop reads and writes the socket from now on.
func (f *Frames) Attach(host FramesHost) {
	c := f.c
	c.readLock <- struct{}{}
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	f.host, c.frames = host, f
}

// Detach ends it. unsent is the rest of what Frame and AppendControl have returned, and
// frames of AppendHeader's, which the Conn sends before anything else.
func (f *Frames) Detach(unsent []byte) {
	c := f.c
	c.writeMu.Lock()
	c.unsent = append(append([]byte(nil), unsent...), c.unsent...)
	c.frames = nil
	c.writeMu.Unlock()
	c.unlockRead()
}

// Early puts bytes that were read before Attach into b, and returns their payload, a
// part of b. more says that there may be more of them. The error is that of Unframe.
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

// Unframe returns the payload of the next bytes of the socket, a part of b, which it
// changes. Behind an error, which may come with payload before it, there is no more:
// io.EOF is for the peer's Close, other errors are those of WriteTo.
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

// join moves the shorter of two parts of b to the longer one: b[begin:end], and b[at:to]
// behind it.
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

// Ended is the error of a Conn whose socket has ended: by io.EOF, or by an error of a
// read.
func (f *Frames) Ended(by error) error { return f.c.readError(by) }

// Frame makes frames of b[FrameHeadroom:FrameHeadroom+n] in place, of at most 32 KiB,
// and returns what is to be sent of them now, a part of b: nothing if n bytes of text
// end within their first code point. After an error nothing more can be sent.
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

// CanSplice reports whether what is sent goes into frames as it is, so that it can be
// sent behind AppendHeader's header.
func (f *Frames) CanSplice() bool { return f.c.encoding == Binary }

// AppendHeader appends the header of one final frame of n bytes, at most 32 KiB, which
// count as written: the caller sends them behind it. It may be called by any goroutine, but not
// beside Frame or AppendControl. After an error nothing more can be sent.
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

// AppendControl appends the control frames that are to be sent, and what Attach has
// found unsent, before the next frame: together less than 16 KiB. last says that the
// stream ends behind them, as a server ends it behind the answer to the peer's Close
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
