package relay

import (
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// After an accept that failed because this process is short of descriptors or
// buffers, the next try waits this long, doubling.
const (
	firstBackoff = 5 * time.Millisecond
	lastBackoff  = time.Second
)

// Serve accepts in one goroutine, so that the order in a queue is the order
// of arrival.
func (r *Stream) Serve(l *Listener, accept func(*Side)) {
	l.serving.Add(1)
	l.withFD(l.setInherited) // Go itself sets all but TCP_USER_TIMEOUT
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		l.mu.Lock()
		l.drain = func() { d.SetDeadline(time.Unix(1, 0)) } // wakes Accept
		l.mu.Unlock()
	}
	go r.acceptAll(l, accept)
}

func (r *Stream) acceptAll(l *Listener, accept func(*Side)) {
	defer l.markDone()
	defer l.serving.Done()
	backoff := firstBackoff
	for {
		if !l.waitShare() {
			return
		}
		c, err := l.next()
		if err == nil {
			backoff = firstBackoff
			l.Sock.adjustConn(c)
			accept(NewSide(c))
			continue
		}
		l.Share.Release()
		switch {
		case l.isClosing(), errors.Is(err, net.ErrClosed): // or closed from outside
			return
		case err == errDrained:
			l.closeNoWait()
			return
		case clientAborted(err), l.isDraining() && errors.Is(err, os.ErrDeadlineExceeded):
			continue
		}
		if backoff == firstBackoff {
			l.report(err)
		}
		select {
		case <-l.closing:
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// waitShare acquires a session of the budget before a client is accepted; meanwhile
// clients wait in the kernel's backlog. It reports false if the listener closes first.
func (l *Listener) waitShare() bool {
	for first := true; ; first = false {
		free := l.Share.Acquire()
		if free == nil {
			return true
		}
		if first {
			l.report(ErrBudget)
		}
		select {
		case <-l.closing:
			return false
		case <-free:
		}
	}
}

// next accepts a client. Once the listener drains, it accepts only clients that
// the kernel has already queued.
func (l *Listener) next() (c net.Conn, err error) {
	ours := l.isDraining()
	if ours {
		c, err = l.acceptQueued()
	} else {
		c, err = l.Accept()
	}
	if tcp, ok := c.(*net.TCPConn); ok && err == nil && (ours || l.adopted) {
		tcp.SetKeepAliveConfig(l.Sock.keepAlive()) // Go has set its own
	}
	return c, err
}

// clientAborted reports whether an accept failed because of the client. On Linux accept
// also returns errors of the new connection.
func clientAborted(err error) bool {
	if LackOf(err) != "" {
		return false
	}
	return slices.ContainsFunc(abortErrors, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

var abortErrors = []syscall.Errno{syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.ENETDOWN, syscall.EPROTO,
	syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ETIMEDOUT}
