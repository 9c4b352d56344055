package ws

import (
	"io"
	"net"
	"reflect"
	"sync"
	"syscall"
)

// A blockReader reads from a connection into a block that it borrows once there
// is something to read, so that an idle connection has none.
type blockReader struct {
	src io.Reader
	max int // bytes per read

	// The poller calls tryFunc when a plain socket is readable. It is made
	// once: a closure for each read would be garbage.
	raw     syscall.RawConn
	tryFunc func(fd uintptr) bool
	block   *block
	n       int
	err     error

	// Anything else (TLS, a wrapper, Windows) blocks in Read with a small
	// block. A read that fills it is followed by one with a big block.
	readFull bool
}

func newBlockReader(src io.Reader, max int) *blockReader {
	t := &blockReader{src: src, max: max, raw: rawConnOf(src)}
	if t.raw != nil {
		t.tryFunc = t.tryRead
	}
	return t
}

// read waits for bytes and returns a block with n of them after its headroom. The
// caller releases the block, also after an error, when it may be nil.
func (t *blockReader) read() (b *block, n int, err error) {
	if t.raw != nil {
		err = t.raw.Read(t.tryFunc)
		b, n = t.block, t.n
		if err == nil {
			err = t.err
		}
		t.block, t.n, t.err = nil, 0, nil
		return b, n, err
	}
	if t.readFull {
		b = borrow()
	} else {
		b = smallBlocks.Get().(*block)
	}
	p := b.buf[headroom:min(len(b.buf), headroom+t.max)]
	n, err = t.src.Read(p)
	t.readFull = n == len(p)
	return b, n, err
}

// tryRead is called by the poller; false asks it to call again when
// the socket is readable.
func (t *blockReader) tryRead(fd uintptr) bool {
	b := borrow()
	n, err := readNow(fd, b.buf[headroom:headroom+t.max])
	if err == errWouldBlock {
		b.release()
		return false
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	t.block, t.n, t.err = b, n, err
	return true
}

// rawConnOf returns the syscall.RawConn of v if v is a plain socket: a
// connection of package net itself. A wrapper may embed one and promote its
// SyscallConn while it has buffered bytes to return first, so its SyscallConn
// is not used. io.Copy hides a TCPConn in an unexported type of package net,
// which is why this compares the package and not the type with *net.TCPConn.
func rawConnOf(v any) syscall.RawConn {
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

// netConnOf returns the connection under TLS.
func netConnOf(c net.Conn) net.Conn {
	for {
		t, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		under := t.NetConn()
		if under == nil {
			return c
		}
		c = under
	}
}

const (
	headroom  = 16       // in front of a payload: its header, and up to three bytes of an incomplete code point
	blockSize = 32 << 10 // larger blocks fall out of the level 1 cache
	smallSize = 1 << 10  // a block for a blocking Read, where readiness cannot be polled
	maxFrame  = blockSize - headroom
)

// A block is a buffer from a pool. A connection has none while it waits for
// its peer: thousands of idle connections share the few blocks of busy ones.
type block struct {
	buf  []byte
	vec  [][]byte // the spans of one read; writev consumes them
	bufs net.Buffers
	pool *sync.Pool
}

var bigBlocks, smallBlocks sync.Pool

func init() {
	bigBlocks.New = func() any { return &block{buf: make([]byte, blockSize), pool: &bigBlocks} }
	smallBlocks.New = func() any { return &block{buf: make([]byte, headroom+smallSize), pool: &smallBlocks} }
}

// borrow returns a block of blockSize from the pool.
func borrow() *block { return bigBlocks.Get().(*block) }

// release returns b to its pool; b may be nil.
func (b *block) release() {
	if b == nil {
		return
	}
	clear(b.vec[:cap(b.vec)])
	b.vec = b.vec[:0]
	b.pool.Put(b)
}
