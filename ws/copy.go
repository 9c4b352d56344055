package ws

import (
	"io"
	"net"
)

// WriteTo copies payload from the peer to dst until the peer's Close, and then
// returns nil, as io.Copy does after io.EOF. io.Copy(dst, c) uses it. If the
// connection ends without a Close frame, WriteTo returns a *CloseError (see
// ErrNoCloseFrame) once all payload has been written. n is the number of bytes
// written to dst.
//
// The payload of one read is unmasked in place and written together, with
// writev where dst is a TCP or Unix socket. While the peer is idle c has no
// buffer, if its connection is a plain socket on Unix.
//
// WriteTo returns early when the read deadline passes (and can be called
// again), when c is closed, and when dst.Write fails. Payload that dst.Write
// did not take then is lost, as with io.Copy.
func (c *Conn) WriteTo(dst io.Writer) (n int64, err error) {
	c.readLock <- struct{}{}
	defer c.unlockRead()
	for err == nil {
		var m int64
		m, err = c.copyOnce(dst)
		c.bytesRead.Add(m)
		n += m
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// CanIdle reports whether a WriteTo that SetReadDeadline has ended leaves no
// payload in c, so that a program with a poller of its own needs no goroutine
// until NetConn is readable. It is false where c may buffer bytes that the
// socket does not show (TLS, compression) and on Windows.
func (c *Conn) CanIdle() bool { return c.rawConn != nil && c.inflate == nil }

// copyOnce copies to dst the payload that one read of the connection brings.
func (c *Conn) copyOnce(dst io.Writer) (n int64, err error) {
	if len(c.buffered) > 0 {
		m, err := dst.Write(c.buffered)
		c.readBuffered(c.buffered)
		return int64(m), err
	}
	if c.readErr != nil {
		return 0, c.readErr
	}
	if c.inflate != nil {
		return c.copyInflated(dst)
	}
	b, got, err := c.readBlock()
	defer b.release()
	if b != nil {
		vectored := takesVectors(dst)
		chunk := b.buf[headroom : headroom+got]
		for len(chunk) > 0 && err == nil {
			var found framePart
			found, chunk, err = c.nextPart(chunk)
			b.gather(found.data, vectored)
		}
		c.flush() // pongs first: dst may block
		var werr error
		if n, werr = b.writeTo(dst); werr != nil {
			return n, werr
		}
	}
	if err != nil {
		err = c.readError(err)
	}
	return n, err
}

// copyInflated is copyOnce where messages may be compressed: the inflated bytes
// need a block of their own, which is borrowed when there are some.
func (c *Conn) copyInflated(dst io.Writer) (n int64, err error) {
	if err = c.inflate.awaitPayload(); err == nil {
		b := borrow()
		defer b.release()
		var got int
		got, err = c.inflate.read(b.buf)
		b.gather(b.buf[:got], false)
		var werr error
		if n, werr = b.writeTo(dst); werr != nil {
			return n, werr
		}
	}
	if err != nil {
		err = c.readError(err)
	}
	return n, err
}

// smallSpan is the length up to which moving a span is cheaper than another
// element for writev.
const smallSpan = 2 << 10

// gather adds a span of b to those that writeTo will write. A small one is moved
// to the end of the span before it, which also bounds the vector that package
// net keeps with each socket.
func (b *block) gather(span []byte, vectored bool) {
	last := len(b.vec) - 1
	switch {
	case len(span) == 0:
	case last >= 0 && (!vectored || len(span) <= smallSpan):
		b.vec[last] = append(b.vec[last], span...)
	default:
		b.vec = append(b.vec, span)
	}
}

// writeTo writes the gathered spans to dst.
func (b *block) writeTo(dst io.Writer) (n int64, err error) {
	if len(b.vec) > 1 {
		b.bufs = b.vec
		return b.bufs.WriteTo(dst)
	}
	if len(b.vec) == 0 {
		return 0, nil
	}
	m, err := dst.Write(b.vec[0])
	if err == nil && m < len(b.vec[0]) {
		err = io.ErrShortWrite
	}
	return int64(m), err
}

func takesVectors(dst io.Writer) bool {
	switch dst.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// ReadFrom copies src to the peer until src returns io.EOF, and then returns
// nil; c stays open, and no Close frame is sent. io.Copy(c, src) uses it. Each
// read of src is sent at once as one message in one frame, of at most 32 KiB.
// While src is idle c has no buffer, if src is a plain socket on Unix.
//
// It returns early with an error of src.Read (such as a deadline), when the
// write deadline passes, and when c is closed. n is the number of bytes sent.
func (c *Conn) ReadFrom(src io.Reader) (n int64, err error) {
	t := newBlockReader(src, c.maxSend())
	for err == nil {
		var m int64
		m, err = c.sendFrom(t)
		n += m
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadFromOnce is one iteration of ReadFrom: one read of src, one frame. At the
// end of src it returns io.EOF. Unlike ReadFrom it must not be called by two
// goroutines at a time.
func (c *Conn) ReadFromOnce(src io.Reader) (n int64, err error) {
	t := c.once
	if t == nil || t.src != src {
		t = newBlockReader(src, c.maxSend())
		if t.raw != nil {
			c.once = t // calls after the first do not allocate
		}
	}
	return c.sendFrom(t)
}

func (c *Conn) sendFrom(t *blockReader) (int64, error) {
	b, n, err := t.read()
	defer b.release()
	if n <= 0 {
		return 0, err
	}
	accepted, werr := c.send(b, n)
	if !accepted {
		n = 0
	}
	if werr != nil {
		err = werr
	}
	return int64(n), err
}
