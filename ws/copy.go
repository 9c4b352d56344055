package ws

import (
	"io"
	"net"
)

// WriteTo copies payload from the peer to dst until the peer's Close, for
// which it returns nil, as io.Copy does for io.EOF. io.Copy(dst, c) uses it.
// For an end without a Close frame, before which all has been written too, it
// returns a *CloseError with ErrNoClose, ErrTruncated or ErrTLSTruncated.
//
// The bytes of one read are unmasked where they lie and written together, with
// writev where dst is a TCP or Unix socket. While nothing comes no buffer is
// held, if the connection is a plain socket on Unix.
//
// It ends early by SetReadDeadline (and can be called again), by CloseNow, or
// by whatever makes dst.Write fail: bytes that were on their way to dst then
// are gone, as with io.Copy.
func (c *Conn) WriteTo(dst io.Writer) (n int64, err error) {
	c.turn <- struct{}{}
	defer c.endTurn()
	for err == nil {
		var m int64
		m, err = c.forward(dst)
		c.in.Add(m)
		n += m
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// CanIdle says that a WriteTo which was ended by SetReadDeadline has left
// nothing behind: a copier that has its own way to wait for NetConn to be
// readable needs no goroutine until then. It is false where bytes may be held
// that the socket does not show, or must not be left alone: under TLS, with
// compression, or on Windows.
func (c *Conn) CanIdle() bool { return c.raw != nil && c.unpack == nil }

func (c *Conn) forward(dst io.Writer) (n int64, err error) {
	if len(c.kept) > 0 {
		m, err := dst.Write(c.kept)
		c.takeKept(c.kept)
		return int64(m), err
	}
	if c.ended != nil {
		return 0, c.ended
	}
	if c.unpack != nil {
		return c.forwardUnpacked(dst)
	}
	b, got, err := c.pullBlock()
	defer b.release()
	if b != nil {
		vectored := takesVectors(dst)
		chunk := b.buf[headroom : headroom+got]
		for len(chunk) > 0 && err == nil {
			var found piece
			found, chunk, err = c.span(chunk)
			b.gather(found.data, vectored)
		}
		c.flush() // pongs first: dst may block
		var werr error
		if n, werr = b.deliver(dst); werr != nil {
			return n, werr
		}
	}
	if err != nil {
		err = c.endRead(err)
	}
	return n, err
}

// forwardUnpacked is forward where messages may be compressed: the expanded
// bytes need a block of their own, borrowed when there are some.
func (c *Conn) forwardUnpacked(dst io.Writer) (n int64, err error) {
	if err = c.unpack.ready(); err == nil {
		b := borrow()
		defer b.release()
		var got int
		got, err = c.unpack.read(b.buf)
		b.gather(b.buf[:got], false)
		var werr error
		if n, werr = b.deliver(dst); werr != nil {
			return n, werr
		}
	}
	if err != nil {
		err = c.endRead(err)
	}
	return n, err
}

// smallSpan is cheaper to move than to give to writev as a part of its own.
const smallSpan = 2 << 10

// gather adds a span of b to those that will be written. Small ones are moved
// down to the end of the one before, which also bounds the vector that package
// net keeps with each socket for ever.
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

// deliver writes the gathered spans.
func (b *block) deliver(dst io.Writer) (n int64, err error) {
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

// ReadFrom copies src to the peer until src ends; c stays open. io.Copy(c, src)
// uses it. What one read of src brings is one final frame of at most 32 KiB,
// written at once with its header in front. While src is idle no buffer is
// held, if src is a plain socket on Unix.
//
// It ends early by a deadline of src, by SetWriteDeadline, or by CloseNow; n
// counts what was sent.
func (c *Conn) ReadFrom(src io.Reader) (n int64, err error) {
	t := newTap(src, c.maxSend())
	for err == nil {
		var m int64
		m, err = c.fetch(t)
		n += m
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadFromOnce is one step of ReadFrom: one read of src, one frame. The end of
// src is io.EOF here. Only one may run at a time.
func (c *Conn) ReadFromOnce(src io.Reader) (n int64, err error) {
	t := c.source
	if t == nil || t.src != src {
		t = newTap(src, c.maxSend())
		if t.raw != nil {
			c.source = t // a step after the first makes no garbage
		}
	}
	return c.fetch(t)
}

func (c *Conn) fetch(t *tap) (int64, error) {
	b, n, err := t.fill()
	defer b.release()
	if n <= 0 {
		return 0, err
	}
	taken, werr := c.send(b, n)
	if !taken {
		n = 0
	}
	if werr != nil {
		err = werr
	}
	return int64(n), err
}
