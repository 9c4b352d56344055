package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"
)

const (
	// echoDelay is how long the echo of a peer's Close is put off when the
	// program does not close: time for what is on its way to the peer. It
	// begins anew while something is, within CloseTimeout.
	echoDelay = time.Second
	// lingerTime is how long the connection is kept, after all is said, for
	// the peer to read it. Closing a socket that still receives would reset
	// it, and the reset destroys a Close frame that is on its way.
	lingerTime = time.Second
)

// closing is a Conn's end.
type closing struct {
	end       atomic.Pointer[CloseError]
	isClosing atomic.Bool // deadlines are CloseWith's
	once      sync.Once   // CloseNow
	echoMu    sync.Mutex
	echo      *time.Timer
	echoSeen  int64 // bytes written when it was set; giveUp's are the kernel's
	echoBy    time.Time
	gaveUp    atomic.Bool // the peer did not answer our Close, and was cut off

	// unsendable is set once what is to be sent cannot be text.
	unsendable atomic.Pointer[CloseError]
}

// CloseError says how c ended, or nil if it has not. It is the first Close
// frame of the two sides, or Abnormal.
func (c *Conn) CloseError() *CloseError { return c.end.Load() }

// Close is CloseWith(Normal, "").
func (c *Conn) Close() error { return c.CloseWith(Normal, "") }

// CloseWith ends the connection in an orderly way. It sends a Close frame
// behind what is being written (the echo of the peer's code, if the peer was
// first), waits for the peer's, and closes the TCP connection once the peer
// has read everything. What still comes from the peer goes to whoever reads,
// or else is thrown away. All of it takes no longer than CloseTimeout; with a
// peer that plays by the rules it is a round trip.
//
// The reason is cut to 123 bytes. A code that must not be sent (RFC 6455,
// section 7.4) is an error, and nothing happens. The second call, or one after
// CloseNow, returns net.ErrClosed.
func (c *Conn) CloseWith(code Code, reason string) error {
	if code != NoStatus && !code.legal() {
		return fmt.Errorf("ws: close: code %d must not be sent", code)
	}
	if !utf8.ValidString(reason) {
		return errors.New("ws: close: the reason is not UTF-8")
	}
	if end := c.end.Load(); end != nil && errors.Is(end.Err, syscall.ECONNRESET) && !c.isClosing.Load() {
		c.CloseNow() // nobody is there to be told
		return fmt.Errorf("ws: close: %w", end.Err)
	}
	by := time.Now().Add(c.set.closeTimeout)
	if !c.beginClosing(by) {
		return fmt.Errorf("ws: close: %w", net.ErrClosed)
	}
	defer c.CloseNow()
	if err := c.sendClose(code, reason); err != nil {
		return fmt.Errorf("ws: close: %w", err)
	}
	if err := c.awaitClose(by); err != nil {
		return fmt.Errorf("ws: close: %w", err)
	}
	if c.tls || !errors.Is(c.end.Load().Err, io.ErrUnexpectedEOF) {
		c.linger(by) // else the peer has ended its side, and nothing can destroy the frame
	}
	return nil
}

// CloseWrite sends Close 1000 and returns; reading goes on until the peer's
// Close. It is what comes nearest to the half-close of TCP: the peer gets all
// that was written, but it is expected to end its own side at once. A server
// gives it up after CloseTimeout in which it has neither said nor taken
// anything; for that, one that was last seen alive has another.
func (c *Conn) CloseWrite() error {
	err := c.sendClose(Normal, "")
	c.expectAnswer()
	return err
}

// expectAnswer gives a client CloseTimeout to answer our Close.
func (c *Conn) expectAnswer() {
	c.echoMu.Lock()
	defer c.echoMu.Unlock()
	if !c.client && c.echo == nil && !c.isOver.Load() && !c.isClosing.Load() {
		c.echo = time.AfterFunc(c.set.closeTimeout, c.giveUp)
	}
}

// giveUp ends the connection of a client that does not answer our Close. What
// it still says counts for nothing where the Close was for a failure.
func (c *Conn) giveUp() {
	c.echoMu.Lock()
	defer c.echoMu.Unlock()
	if c.isOver.Load() || c.isClosing.Load() {
		return
	}
	p, _ := pulseOf(c.pulseSource)
	n := int64(p.received + p.acked)
	alive := n != c.echoSeen || c.readerBusy()
	if c.unsendable.Load() != nil {
		n = int64(p.acked)
		alive = n != c.echoSeen && p.unsent > 0 // it has not come to our Close yet
	}
	if alive {
		c.echoSeen = n
		c.echo.Reset(c.set.closeTimeout)
		return
	}
	c.gaveUp.Store(true)
	cutOff(c.bottom) // the one who reads is told, and closes
}

// beginClosing makes deadlines ours, which also ends a write that is blocked.
func (c *Conn) beginClosing(by time.Time) bool {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.isClosing.Swap(true) {
		return false
	}
	c.conn.SetDeadline(by)
	return true
}

// fail queues the Close frame for what the peer, or the stream, did wrong.
func (c *Conn) fail(bad *CloseError) {
	c.end.CompareAndSwap(nil, bad)
	c.enqueue(opClose, closePayload(bad.Code, bad.Reason))
}

// sendClose sends our Close frame if none was sent, and waits until it is out.
func (c *Conn) sendClose(code Code, reason string) error {
	c.wmu.Lock()
	defer c.unlockWriter()
	if c.nheld > 0 && !c.closeSent && c.settle() == nil {
		c.sendHeld() // which makes it 1007, unless invalid bytes are replaced
	}
	if !c.end.CompareAndSwap(nil, &CloseError{Code: code, Reason: reason}) {
		if first := c.end.Load(); first.Peer {
			code, reason = first.Code, ""
		}
	}
	c.enqueue(opClose, closePayload(code, reason))
	return c.settle()
}

// echoSoon has the peer's Close answered by a timer if the program does not.
func (c *Conn) echoSoon() {
	c.echoMu.Lock()
	defer c.echoMu.Unlock()
	if c.echo != nil {
		return // CloseWrite's: ours is sent
	}
	c.echoSeen, c.echoBy = c.out.Load(), time.Now().Add(c.set.closeTimeout-echoDelay)
	c.echo = time.AfterFunc(echoDelay, c.echoClose)
}

func (c *Conn) echoClose() {
	c.echoMu.Lock()
	defer c.echoMu.Unlock()
	if n := c.out.Load(); n != c.echoSeen && time.Now().Before(c.echoBy) {
		c.echoSeen = n
		c.echo.Reset(echoDelay)
		return
	}
	c.enqueue(opClose, closePayload(c.end.Load().Code, ""))
	c.flush()
}

// awaitClose waits for the peer's Close, and reads for it if nobody else does.
func (c *Conn) awaitClose(by time.Time) error {
	if c.isOver.Load() {
		return nil
	}
	timeout := time.NewTimer(time.Until(by))
	defer timeout.Stop()
	select {
	case <-c.over:
	case <-timeout.C:
		return errors.New("the peer did not answer")
	case c.turn <- struct{}{}:
		defer c.endTurn()
		for c.ended == nil {
			if _, err := c.forward(io.Discard); err != nil && c.ended == nil {
				return errors.New("the peer did not answer")
			}
		}
	}
	return nil
}

// linger waits for the peer to end the TCP connection. In good order the server
// ends its side first (RFC 6455, section 7.1.1); after a failure both do.
func (c *Conn) linger(by time.Time) {
	first := !c.client || !c.heard.Load()
	if first {
		halfClose(c.conn)
	}
	limit := time.Now().Add(lingerTime)
	if limit.After(by) {
		limit = by
	}
	drain(c.bottom, limit)
	if !first {
		halfClose(c.conn)
	}
}

// CloseNow closes the TCP connection, without a Close frame or waiting, and
// ends whatever runs on c. CloseWith does it at its end; it is harmless then.
func (c *Conn) CloseNow() error {
	var err error
	c.once.Do(func() {
		c.end.CompareAndSwap(nil, &CloseError{Code: Abnormal, Err: net.ErrClosed})
		leaveClock(c)
		c.deadlines.Lock()
		c.isClosing.Store(true)
		c.deadlines.Unlock()
		c.cmu.Lock()
		c.gone = true
		c.cmu.Unlock()
		err = c.bottom.Close()
		c.flushers.Wait()
		c.stopTimers()
		c.endOver()
		if c.listener != nil {
			c.listener.forget(c)
		}
	})
	return err
}

func (c *Conn) stopTimers() {
	c.echoMu.Lock()
	defer c.echoMu.Unlock()
	if c.echo != nil {
		c.echo.Stop()
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.nheld = 0
	c.timeHeld()
}
