package ws

import (
	"net"
	"sync"
)

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
