package ws

import (
	"net"
	"sync"
)

const (
	headroom = 16       // in front of a payload: its header, and three held bytes of text
	bigSize  = 32 << 10 // for bytes that are there already; more falls out of the first cache
	waitSize = 1 << 10  // a block to wait with, where readiness cannot be seen
	maxFrame = bigSize - headroom
)

// A block is a borrowed buffer. Nothing holds one while it waits for a peer:
// thousands of idle sessions share the few blocks of those that are busy.
type block struct {
	buf  []byte
	vec  [][]byte // the spans of one read, and room for writev to consume them
	bufs net.Buffers
	pool *sync.Pool
}

var bigBlocks, waitBlocks sync.Pool

func init() {
	bigBlocks.New = func() any { return &block{buf: make([]byte, bigSize), pool: &bigBlocks} }
	waitBlocks.New = func() any { return &block{buf: make([]byte, headroom+waitSize), pool: &waitBlocks} }
}

func borrow() *block { return bigBlocks.Get().(*block) }

// release gives b back; a nil b is fine.
func (b *block) release() {
	if b == nil {
		return
	}
	clear(b.vec[:cap(b.vec)])
	b.vec = b.vec[:0]
	b.pool.Put(b)
}
