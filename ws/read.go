package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
)

// reading is the part of a Conn that belongs to whoever has the turn.
type reading struct {
	turn   chan struct{}
	tap    *tap
	early  []byte // came with the handshake
	kept   []byte // payload that came while nobody but Hold read
	parser parser
	base64 *base64Reader // nil unless that subprotocol was agreed
	unpack *unpacker     // nil unless permessage-deflate was
	peer   *CloseError   // the peer's Close frame
	ended  error         // why nothing more will be read

	over   chan struct{} // closed when ended is set, or by CloseNow
	isOver atomic.Bool
	heard  atomic.Bool // the peer's Close has come

	alive   atomic.Bool // bytes have come or gone since the last beat
	waiting atomic.Bool // the reader stands at the socket
}

// Read reads payload into p, in which it is also parsed: a small p makes small
// reads of the connection. It returns io.EOF after the peer's Close, whatever
// its code, and a *CloseError when the peer broke the protocol or the
// connection was lost, or when what c is to send cannot be text.
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.turn <- struct{}{}
	defer c.endTurn()
	if n = c.takeKept(p); n > 0 {
		c.in.Add(int64(n))
		return n, nil
	}
	if c.unpack != nil {
		if n, err = c.unpack.read(p); err != nil {
			err = c.endRead(err)
		}
		c.in.Add(int64(n))
		return n, err
	}
	for c.ended == nil {
		got, err := c.pull(p)
		out, chunk := p[:0], p[:got]
		for len(chunk) > 0 && err == nil {
			var found piece
			found, chunk, err = c.span(chunk)
			out = append(out, found.data...) // moves it to the front of p
		}
		c.flush()
		if err != nil {
			err = c.endRead(err)
		}
		if len(out) > 0 {
			c.in.Add(int64(len(out)))
			return len(out), nil // an error comes again with the next Read
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, c.ended
}

func (c *Conn) endTurn() { <-c.turn }

// pull reads raw bytes into p.
func (c *Conn) pull(p []byte) (int, error) {
	if n := c.takeEarly(p); n > 0 {
		return n, nil
	}
	c.waiting.Store(true)
	n, err := c.conn.Read(p)
	c.waiting.Store(false)
	if n > 0 {
		c.alive.Store(true)
		err = nil // it comes again
	}
	return n, err
}

// pullBlock is pull into a borrowed block, after its headroom.
func (c *Conn) pullBlock() (b *block, n int, err error) {
	if len(c.early) > 0 {
		b = borrow()
		return b, c.takeEarly(b.buf[headroom:]), nil
	}
	c.waiting.Store(true)
	b, n, err = c.tap.fill()
	c.waiting.Store(false)
	if n > 0 {
		c.alive.Store(true)
		err = nil
	}
	return b, n, err
}

func (c *Conn) takeEarly(p []byte) int {
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n
}

// span takes the next piece from the front of chunk, in place, and sees to it
// if it is a control frame: it has no data then. The error is io.EOF for the
// peer's Close.
func (c *Conn) span(chunk []byte) (found piece, rest []byte, err error) {
	found, rest, bad := c.parser.next(chunk)
	switch {
	case bad != nil:
	case found.op == opPing:
		c.enqueue(opPong, found.data)
		found.data = nil
	case found.op == opPong:
		c.pong(found.data)
		found.data = nil
	case found.op == opClose:
		if c.peer, bad = parseClose(found.data); bad == nil {
			return piece{}, nil, io.EOF
		}
	case found.op == opText && c.base64 != nil && !c.parser.deflated:
		found.data, bad = c.base64.decode(found.data, found.last)
	}
	if bad != nil {
		return piece{}, nil, bad
	}
	return found, rest, nil
}

// endRead makes of err what the reader is told, and keeps it unless it was a
// deadline. It is called when all that came before has been delivered.
func (c *Conn) endRead(err error) error {
	var bad *CloseError
	switch {
	case c.ended != nil:
		return c.ended
	case errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.Is(err, io.EOF) && c.peer != nil:
		c.heard.Store(true)
		c.end.CompareAndSwap(nil, c.peer)
		c.echoSoon()
		err = io.EOF
	case errors.As(err, &bad):
		c.fail(bad)
		c.flush()
		err = bad
	default:
		err = c.lost(err)
	}
	if bad := c.unsendable.Load(); bad != nil {
		err = bad // it ends us, and not what the peer made of it
	}
	c.ended = err
	c.endOver()
	return err
}

func (c *Conn) endOver() {
	if !c.isOver.Swap(true) {
		close(c.over)
	}
}

// lost is the end of a TCP connection that no Close frame announced.
func (c *Conn) lost(err error) error {
	eof := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) // which is TLS's
	if eof {
		err = c.unannounced()
	}
	end := &CloseError{Code: Abnormal, Err: err}
	if c.end.CompareAndSwap(nil, end) {
		return end
	}
	switch first := c.end.Load(); {
	case first.Code == Abnormal:
		return first
	case eof && !c.gaveUp.Load() && !c.isClosing.Load():
		return end // behind a Close of ours, which it does not answer
	}
	return fmt.Errorf("ws: read: %w", net.ErrClosed) // we had closed it ourselves
}

// unannounced says where in the stream the peer has ended it.
func (c *Conn) unannounced() error {
	switch {
	case c.parser.inside():
		return ErrTruncated
	case cutUnderTLS(c.conn):
		return ErrTLSTruncated
	}
	return ErrNoClose
}
