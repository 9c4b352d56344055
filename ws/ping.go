package ws

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// deadAfter is how many pings in a row may be missed.
const deadAfter = 2

// pings is what a Conn knows of the liveness of its peer.
type pings struct {
	clock       *clock // nil: no pings of our own accord
	slot        int
	pulseSource syscall.RawConn // the TCP connection's; nil: it does not tell

	pmu      sync.Mutex
	last     uint64 // the number of the last ping, which is its payload
	lastSent time.Time
	rtt      time.Duration
	waiters  []pingWaiter
	missed   int
	pending  bool   // a ping of ours has been sent by the clock
	received uint64 // of the last pulse
	acked    uint64
}

type pingWaiter struct {
	number uint64
	done   chan struct{}
}

// Ping sends a ping and waits for its pong. Somebody must be reading from c
// meanwhile, as pongs come with everything else.
func (c *Conn) Ping(ctx context.Context) error {
	w := pingWaiter{done: make(chan struct{})}
	c.pmu.Lock()
	w.number = c.nextPing()
	c.waiters = append(c.waiters, w)
	c.pmu.Unlock()
	defer c.forgetPing(w.number)
	c.flush()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ws: ping: %w", ctx.Err())
	case <-c.over:
	}
	return fmt.Errorf("ws: ping: %w", net.ErrClosed)
}

// RTT returns the time that the last pong took, or 0 if there was none yet.
func (c *Conn) RTT() time.Duration {
	c.pmu.Lock()
	defer c.pmu.Unlock()
	return c.rtt
}

// nextPing queues a ping. pmu is held.
func (c *Conn) nextPing() uint64 {
	c.last++
	c.lastSent = time.Now()
	c.enqueue(opPing, binary.BigEndian.AppendUint64(nil, c.last))
	return c.last
}

func (c *Conn) forgetPing(number uint64) {
	c.pmu.Lock()
	defer c.pmu.Unlock()
	for i, w := range c.waiters {
		if w.number == number {
			c.waiters = append(c.waiters[:i], c.waiters[i+1:]...)
			return
		}
	}
}

// pong takes a pong's payload. One answers all earlier pings too, as a peer
// may answer the newest only (RFC 6455, section 5.5.3); one that we did not
// ask for means nothing.
func (c *Conn) pong(payload []byte) {
	if len(payload) != 8 {
		return
	}
	number := binary.BigEndian.Uint64(payload)
	c.pmu.Lock()
	defer c.pmu.Unlock()
	if number == 0 || number > c.last {
		return
	}
	if number == c.last {
		c.rtt = time.Since(c.lastSent)
	}
	for i, w := range c.waiters {
		if w.number <= number && w.done != nil {
			close(w.done)
			c.waiters[i].done = nil
		}
	}
}

// beat is the clock's visit: it counts the ping of the last visit as missed if
// there has been no sign of life since, and sends the next. It never waits.
// After the peer's last byte there is nothing to judge, and no ping either: to
// a peer that has closed it would bring a reset, and lose what it had sent.
func (c *Conn) beat() {
	p, known := pulseOf(c.pulseSource)
	if c.isOver.Load() || p.ended {
		return
	}
	life := c.alive.Swap(false) || c.unjudged(p, known)
	// Our own pings are acknowledged by a kernel whose program hangs, so
	// acknowledgements count only while data stand in their way.
	writing := !c.wmu.TryLock()
	if !writing {
		c.wmu.Unlock()
	}
	c.pmu.Lock()
	if known {
		life = life || p.received != c.received || writing && p.acked != c.acked
		c.received, c.acked = p.received, p.acked
	}
	switch {
	case life:
		c.missed = 0
	case c.pending:
		c.missed++
	}
	dead := c.missed >= deadAfter
	if !dead {
		c.pending = true
		c.nextPing()
	}
	c.pmu.Unlock()
	if dead {
		c.end.CompareAndSwap(nil, &CloseError{Code: Abnormal, Err: ErrUnresponsive})
		cutOff(c.bottom) // the one who reads or writes is told, and closes
		return
	}
	c.flush()
}

// unjudged says that pongs may be there which nobody has looked at, because
// our own reader does not read: the silence is ours. One that is parked, or a
// program that reads now and then, leaves them in the socket, where they show.
func (c *Conn) unjudged(p pulse, known bool) bool {
	return c.readerBusy() || p.unread > 0 || !known && !c.waiting.Load()
}

// readerBusy says that the reader is elsewhere, with what has come.
func (c *Conn) readerBusy() bool { return len(c.turn) > 0 && !c.waiting.Load() }

// A pulse is what the kernel knows of the peer. It shows life that no read or
// write does: bytes that came while our reader is busy elsewhere, and bytes
// that were taken inside one long write.
type pulse struct {
	received uint64 // bytes that have come, read or not
	acked    uint64 // bytes of ours that have arrived
	unread   int    // bytes that have come and have not been read
	unsent   int    // bytes that are written and have not arrived
	ended    bool   // the peer has ended its stream; perhaps not all is read
}
