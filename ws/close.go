package ws

import (
	"cmp"
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
	// echoDelay is how long the echo of a peer's Close is delayed when the
	// program does not close: time for what it still writes to the peer. The
	// delay starts again whenever something was written, within CloseTimeout.
	echoDelay = time.Second
	// lingerTime is how long the socket stays open after the last frame, for
	// the peer to read it. Closing a socket that still receives resets the
	// connection, and the reset destroys a Close frame in flight.
	lingerTime = time.Second
	// sendTime is the time that a CloseWith which does not wait has to send its frame:
	// after a deadline in the past the frame would not even be tried.
	sendTime = 50 * time.Millisecond
)

// closeState is the part of a Conn that ends it.
type closeState struct {
	closeErr      atomic.Pointer[CloseError]
	isClosing     atomic.Bool // CloseWith owns the deadlines
	closeOnce     sync.Once   // of CloseNow
	echoMu        sync.Mutex
	echoTimer     *time.Timer
	echoProgress  int64 // bytes written when the timer was set; for closeTimeoutExpired, bytes received and acknowledged
	echoDeadline  time.Time
	closeTimedOut atomic.Bool // the peer did not answer our Close, and the socket was shut down

	// encodeErr is set once data for text frames turns out not to be UTF-8.
	encodeErr atomic.Pointer[CloseError]
}

// CloseError returns how c ended, or nil if it has not ended. Its code is that
// of the first Close frame that either side sent, or AbnormalClosure.
func (c *Conn) CloseError() *CloseError { return c.closeErr.Load() }

// Close is CloseWith(NormalClosure, ""): an exchange of Close frames, which
// may take up to CloseTimeout.
func (c *Conn) Close() error { return c.CloseWith(NormalClosure, "") }

// CloseWith performs the closing handshake of RFC 6455, section 7. It sends a
// Close frame behind what is being written (with the peer's code instead of
// code, if the peer closed first), waits for the peer's Close, and closes the
// TCP connection once the peer has read everything. Payload that still arrives
// goes to a reader that waits for it, and is discarded if there is none. All of
// it takes one round trip with a peer that answers, and never longer than
// CloseTimeout. The TCP connection is closed when CloseWith returns, also with
// an error, and no goroutine of c is left.
//
// NoStatus sends an empty Close frame. The reason is UTF-8 and is cut to 123
// bytes. With a code that must not be sent (section 7.4.2) or a reason that is
// not UTF-8, CloseWith returns an error and leaves the connection open. After
// Close, CloseWith or CloseNow it returns an error that is net.ErrClosed.
func (c *Conn) CloseWith(code CloseCode, reason string) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	if end := c.closeErr.Load(); end != nil && errors.Is(end.Err, syscall.ECONNRESET) && !c.isClosing.Load() {
		c.CloseNow() // the peer has reset the connection: a Close frame would not arrive
		return fmt.Errorf("ws: close: %w", end.Err)
	}
	by := time.Now().Add(cmp.Or(c.settings.closeTimeout, sendTime))
	if !c.beginClosing(by) {
		return fmt.Errorf("ws: close: %w", net.ErrClosed)
	}
	defer c.CloseNow()
	if !c.awaitDetach(by) {
		return errors.New("ws: close: the event loop has not detached the connection")
	}
	if err := c.sendClose(code, reason); err != nil {
		return fmt.Errorf("ws: close: %w", err)
	}
	if c.settings.closeTimeout == 0 {
		return nil
	}
	if err := c.awaitCloseFrame(by); err != nil {
		return fmt.Errorf("ws: close: %w", err)
	}
	if c.isTLS || !errors.Is(c.closeErr.Load().Err, io.ErrUnexpectedEOF) {
		c.linger(by) // otherwise the peer has sent its FIN, and no reset can destroy our frame
	}
	return nil
}

// checkClose returns why a Close frame with code and reason must not be sent, or nil.
func checkClose(code CloseCode, reason string) error {
	if code != NoStatus && !code.legal() {
		return fmt.Errorf("ws: close: code %d must not be sent", code)
	}
	if !utf8.ValidString(reason) {
		return errors.New("ws: close: the reason is not UTF-8")
	}
	return nil
}

// CloseWrite sends a Close frame with NormalClosure and returns; Read and
// WriteTo continue until the peer's Close. It is the nearest thing to the
// half-close of TCP: the peer receives all that was written, but a WebSocket
// peer answers with its own Close at once. On a server, a peer that has neither
// sent nor acknowledged anything for CloseTimeout is disconnected. The program
// still has to call Close or CloseNow; after those the error is net.ErrClosed.
func (c *Conn) CloseWrite() error { return c.CloseWriteWith(NormalClosure, "") }

// CloseWriteWith is CloseWrite with another code and a reason, as in CloseWith.
func (c *Conn) CloseWriteWith(code CloseCode, reason string) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	if c.isClosing.Load() {
		return fmt.Errorf("ws: close: %w", net.ErrClosed)
	}
	err := c.sendClose(code, reason)
	c.startCloseTimeout()
	return err
}

// startCloseTimeout gives the client CloseTimeout to answer our Close.
func (c *Conn) startCloseTimeout() {
	c.echoMu.Lock()
	defer c.echoMu.Unlock()
	if !c.client && c.echoTimer == nil && !c.isReadDone.Load() && !c.isClosing.Load() {
		c.echoTimer = c.afterFunc(c.settings.closeTimeout, c.closeTimeoutExpired)
	}
}

// closeTimeoutExpired disconnects a client that does not answer our Close. Bytes
// that it still sends do not extend its time where the Close was for an error.
func (c *Conn) closeTimeoutExpired() {
	c.echoMu.Lock()
	defer c.echoMu.Unlock()
	if c.isReadDone.Load() || c.isClosing.Load() {
		return
	}
	p, _ := readTCPInfo(c.controller)
	n := int64(p.received + p.acked)
	alive := n != c.echoProgress || c.isReaderBusy()
	if c.encodeErr.Load() != nil {
		n = int64(p.acked)
		alive = n != c.echoProgress && p.unacked > 0 // our Close has not arrived yet
	}
	if alive {
		c.echoProgress = n
		c.echoTimer.Reset(c.settings.closeTimeout)
		return
	}
	c.closeTimedOut.Store(true)
	shutdownConn(c.netConn) // the reader gets an error, and its program closes
}

// beginClosing replaces the program's deadlines; the new one also ends a blocked write.
// It returns false if c is closing already.
func (c *Conn) beginClosing(by time.Time) bool {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.isClosing.Swap(true) {
		return false
	}
	c.conn.SetDeadline(by)
	return true
}

// fail queues the Close frame for a protocol error ("Fail the WebSocket
// Connection", RFC 6455, section 7.1.7).
func (c *Conn) fail(bad *CloseError) {
	c.closeErr.CompareAndSwap(nil, bad)
	c.enqueueControl(opClose, closePayload(bad.Code, bad.Reason))
}

// sendClose sends our Close frame, if none was sent, and waits until the kernel
// has it.
func (c *Conn) sendClose(code CloseCode, reason string) error {
	c.writeMu.Lock()
	defer c.unlockWriter()
	if c.npartial > 0 && !c.closeSent && c.writeUnsent() == nil {
		c.sendPartialRune() // which closes with 1007, unless invalid bytes are replaced
	}
	if !c.closeErr.CompareAndSwap(nil, &CloseError{Code: code, Reason: reason}) {
		if first := c.closeErr.Load(); first.ByPeer {
			code, reason = first.Code, ""
		}
	}
	c.enqueueControl(opClose, closePayload(code, reason))
	return c.writeUnsent()
}

// startEchoTimer answers the peer's Close by a timer in case the program does not.
func (c *Conn) startEchoTimer() {
	c.echoMu.Lock()
	defer c.echoMu.Unlock()
	if c.echoTimer != nil {
		return // CloseWrite has sent our Close and set the timer
	}
	c.echoProgress, c.echoDeadline = c.bytesWritten.Load(), time.Now().Add(c.settings.closeTimeout-echoDelay)
	c.echoTimer = c.afterFunc(echoDelay, c.echoCloseFrame)
}

func (c *Conn) echoCloseFrame() {
	c.echoMu.Lock()
	defer c.echoMu.Unlock()
	if n := c.bytesWritten.Load(); n != c.echoProgress && time.Now().Before(c.echoDeadline) {
		c.echoProgress = n
		c.echoTimer.Reset(echoDelay)
		return
	}
	c.enqueueControl(opClose, closePayload(c.closeErr.Load().Code, ""))
	c.flush()
}

// awaitDetach waits until no event loop has the connection.
func (c *Conn) awaitDetach(by time.Time) bool {
	c.writeMu.Lock()
	attached := c.frames != nil
	c.writeMu.Unlock()
	if !attached {
		return true
	}
	select {
	case c.readLock <- struct{}{}: // held from Attach to Detach
		c.unlockRead()
		return true
	case <-time.After(time.Until(by)):
		return false
	}
}

// awaitCloseFrame waits for the peer's Close, and reads until it comes if no
// other goroutine is reading.
func (c *Conn) awaitCloseFrame(by time.Time) error {
	if c.isReadDone.Load() {
		return nil
	}
	select {
	case <-c.readDone:
	case <-time.After(time.Until(by)):
		return errors.New("the peer did not answer")
	case c.readLock <- struct{}{}:
		defer c.unlockRead()
		for c.readErr == nil {
			if _, err := c.copyOnce(io.Discard); err != nil && c.readErr == nil {
				return errors.New("the peer did not answer")
			}
		}
	}
	return nil
}

// linger waits for the peer to end the TCP connection. In an orderly close the
// server ends its side first (RFC 6455, section 7.1.1); after an error both do.
func (c *Conn) linger(by time.Time) {
	first := !c.client || !c.closeReceived.Load()
	if first {
		halfClose(c.conn)
	}
	limit := time.Now().Add(lingerTime)
	if limit.After(by) {
		limit = by
	}
	discard(c.netConn, limit)
	if !first {
		halfClose(c.conn)
	}
}

// CloseNow closes the TCP connection without a Close frame and without waiting.
// Every call that is running on c returns. It may be called at any time, also
// during and after CloseWith; calls after the first return nil.
func (c *Conn) CloseNow() error {
	var err error
	c.closeOnce.Do(func() {
		c.closeErr.CompareAndSwap(nil, &CloseError{Code: AbnormalClosure, Err: net.ErrClosed})
		removeFromPingWheel(c)
		c.deadlines.Lock()
		c.isClosing.Store(true)
		c.deadlines.Unlock()
		c.controlMu.Lock()
		c.closed = true
		c.controlMu.Unlock()
		err = c.netConn.Close()
		c.flushers.Wait()
		c.stopTimers()
		c.markReadDone()
		if c.listener != nil {
			c.listener.untrack(c)
		}
	})
	return err
}

func (c *Conn) stopTimers() {
	c.echoMu.Lock()
	defer c.echoMu.Unlock()
	if c.echoTimer != nil {
		c.echoTimer.Stop()
	}
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	c.npartial = 0
	c.resetPartialTimer()
}
