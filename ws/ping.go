package ws

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"
)

// maxMissedPings is how many pings in a row may go unanswered.
const maxMissedPings = 2

// pingState is the part of a Conn that knows whether its peer is alive.
type pingState struct {
	wheel      *pingWheel // nil: no pings except by Ping
	slot       int
	controller controller // of the TCP connection; nil: it cannot be asked about

	pingMu      sync.Mutex
	lastPing    uint64 // the number of the last ping, which is its payload
	lastPingAt  time.Time
	rtt         time.Duration
	pongWaiters []pongWaiter
	missed      int
	pingSent    bool   // keepalive has sent a ping
	received    uint64 // of the last tcpInfo
	acked       uint64
}

type pongWaiter struct {
	number uint64
	done   chan struct{}
}

// Ping sends a ping and waits for its pong, the end of ctx, or that of c, whose
// error is net.ErrClosed. Another goroutine must be in Read, WriteTo or
// ServeControl meanwhile, as they receive the pong.
func (c *Conn) Ping(ctx context.Context) error {
	w := pongWaiter{done: make(chan struct{})}
	c.pingMu.Lock()
	w.number = c.queuePing()
	c.pongWaiters = append(c.pongWaiters, w)
	c.pingMu.Unlock()
	defer c.forgetPing(w.number)
	c.flush()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ws: ping: %w", ctx.Err())
	case <-c.readDone:
	}
	return fmt.Errorf("ws: ping: %w", net.ErrClosed)
}

// RTT returns the round-trip time of the last ping, or 0 if no pong has come yet.
// The pings of Config.Ping count, too.
func (c *Conn) RTT() time.Duration {
	c.pingMu.Lock()
	defer c.pingMu.Unlock()
	return c.rtt
}

// queuePing queues a ping. pingMu is held.
func (c *Conn) queuePing() uint64 {
	c.lastPing++
	c.lastPingAt = time.Now()
	c.enqueueControl(opPing, binary.BigEndian.AppendUint64(nil, c.lastPing))
	return c.lastPing
}

func (c *Conn) forgetPing(number uint64) {
	c.pingMu.Lock()
	defer c.pingMu.Unlock()
	for i, w := range c.pongWaiters {
		if w.number == number {
			c.pongWaiters = append(c.pongWaiters[:i], c.pongWaiters[i+1:]...)
			return
		}
	}
}

// handlePong handles the payload of a pong. It answers all earlier pings, too, as a
// peer may answer only the newest (RFC 6455, section 5.5.3). Unsolicited pongs are
// ignored.
func (c *Conn) handlePong(payload []byte) {
	if len(payload) != 8 {
		return
	}
	number := binary.BigEndian.Uint64(payload)
	c.pingMu.Lock()
	defer c.pingMu.Unlock()
	if number == 0 || number > c.lastPing {
		return
	}
	if number == c.lastPing {
		c.rtt = time.Since(c.lastPingAt)
	}
	for i, w := range c.pongWaiters {
		if w.number <= number && w.done != nil {
			close(w.done)
			c.pongWaiters[i].done = nil
		}
	}
}

// keepalive is called by the ping wheel every interval. It counts the last ping as
// missed if the peer has shown no activity since, and sends the next one. It never
// waits. After the peer's FIN it sends none: a peer that has closed its socket would
// answer with a reset, which destroys what it had sent.
func (c *Conn) keepalive() {
	p, known := readTCPInfo(c.controller)
	if c.isReadDone.Load() || p.peerFIN {
		return
	}
	alive := c.active.Swap(false) || c.isReaderBehind(p, known)
	// The kernel acknowledges our pings even if the peer's process hangs, so
	// acknowledgements count only while data is queued in front of them.
	writing := c.isWriterBlocked()
	c.pingMu.Lock()
	if known {
		alive = alive || p.received != c.received || writing && p.acked != c.acked
		c.received, c.acked = p.received, p.acked
	}
	switch {
	case alive:
		c.missed = 0
	case c.pingSent:
		c.missed++
	}
	dead := c.missed >= maxMissedPings
	if !dead {
		c.pingSent = true
		c.queuePing()
	}
	c.pingMu.Unlock()
	if dead {
		c.closeErr.CompareAndSwap(nil, &CloseError{Code: AbnormalClosure, Err: ErrUnresponsive})
		shutdownConn(c.netConn) // Read and Write return errors, and the program closes
		return
	}
	c.flush()
}

// isReaderBehind reports whether a pong may have come that has not been read,
// because the program is not reading. Where the kernel can be asked, a reader that
// is parked in a poller shows by unread bytes in the socket.
func (c *Conn) isReaderBehind(p tcpInfo, known bool) bool {
	return c.isReaderBusy() || p.unread > 0 || !known && !c.blockedInRead.Load()
}

// isReaderBusy reports whether the reader is passing on what it has read.
func (c *Conn) isReaderBusy() bool {
	if f := c.frames; f != nil {
		in, _ := f.host.Blocked()
		return in
	}
	return len(c.readLock) > 0 && !c.blockedInRead.Load()
}

// isWriterBlocked reports whether bytes wait for the peer to take them.
func (c *Conn) isWriterBlocked() bool {
	if f := c.frames; f != nil {
		_, out := f.host.Blocked()
		return out
	}
	if !c.writeMu.TryLock() {
		return true
	}
	c.writeMu.Unlock()
	return false
}

// A tcpInfo is what the kernel knows of the peer. It shows activity that no read or
// write returns: bytes that came while the reader is busy, and bytes that were
// acknowledged within one long write.
type tcpInfo struct {
	received uint64 // bytes received, read or not
	acked    uint64 // bytes acknowledged
	unread   int    // bytes received and not read
	unacked  int    // bytes written and not acknowledged
	peerFIN  bool   // the peer's FIN has come; there may be unread bytes before it
}
