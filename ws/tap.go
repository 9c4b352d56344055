package ws

import (
	"io"
	"net"
	"reflect"
	"syscall"
)

// A tap reads from a connection into a block that it borrows only once there
// is something to read, so that an idle session holds none.
type tap struct {
	src io.Reader
	max int // bytes a read

	// A plain socket says when it is readable. The function that it calls then
	// is made once: a closure for each read would be garbage.
	raw syscall.RawConn
	try func(fd uintptr) bool
	got *block
	n   int
	err error

	// Anything else (TLS, a wrapper, Windows) blocks in Read, and waits with a
	// small block. A read that fills it is followed by one with a big block.
	more bool
}

func newTap(src io.Reader, max int) *tap {
	t := &tap{src: src, max: max, raw: rawOf(src)}
	if t.raw != nil {
		t.try = t.tryRead
	}
	return t
}

// fill waits and returns a block with n bytes after its headroom. The caller
// releases it, also when there is an error; it may be nil then.
func (t *tap) fill() (b *block, n int, err error) {
	if t.raw != nil {
		err = t.raw.Read(t.try)
		b, n = t.got, t.n
		if err == nil {
			err = t.err
		}
		t.got, t.n, t.err = nil, 0, nil
		return b, n, err
	}
	if t.more {
		b = borrow()
	} else {
		b = waitBlocks.Get().(*block)
	}
	p := b.buf[headroom:min(len(b.buf), headroom+t.max)]
	n, err = t.src.Read(p)
	t.more = n == len(p)
	return b, n, err
}

// tryRead is called by the poller; false means "call again when it is readable".
func (t *tap) tryRead(fd uintptr) bool {
	b := borrow()
	n, err := readNow(fd, b.buf[headroom:headroom+t.max])
	if err == errWouldBlock {
		b.release()
		return false
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	t.got, t.n, t.err = b, n, err
	return true
}

// rawOf returns the raw side of v if v is a plain socket: a connection of
// package net itself. A wrapper may embed one and offer SyscallConn while it
// has bytes of its own to give first, so it is not asked; but io.Copy hides a
// TCPConn in an unexported type of package net, which is why this looks at the
// package and not for *net.TCPConn.
func rawOf(v any) syscall.RawConn {
	sc, ok := v.(syscall.Conn)
	if !ok || !canReadNow {
		return nil
	}
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() != "net" {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// bottomOf returns the connection under TLS.
func bottomOf(c net.Conn) net.Conn {
	for {
		t, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = t.NetConn()
	}
}
