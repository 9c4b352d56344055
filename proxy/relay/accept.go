package relay

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// After a failed accept (descriptors, buffers: it is the process that lacks
// something, not the client) the next try waits so long, doubling.
const (
	firstBackoff = 5 * time.Millisecond
	lastBackoff  = time.Second
)

// Serve accepts in one goroutine, so that the order in a queue is the order
// of arrival.
func (r *Stream) Serve(l *Listener, accept func(*Side)) {
	l.serving.Add(1)
	go r.acceptAll(l, accept)
}

func (r *Stream) acceptAll(l *Listener, accept func(*Side)) {
	defer l.serving.Done()
	backoff := firstBackoff
	for {
		if !l.waitShare() {
			return
		}
		c, err := l.Accept()
		if err == nil {
			backoff = firstBackoff
			accept(NewSide(c))
			continue
		}
		l.Share.Give()
		select {
		case <-l.closing:
			return
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			return // closed by somebody else
		}
		if clientWentAway(err) {
			continue
		}
		if backoff == firstBackoff {
			l.trouble(err)
		}
		select {
		case <-l.closing:
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// waitShare takes one session from the budget before there is a client for
// it; meanwhile clients stand in the kernel's backlog. It reports false when
// the listener closes first.
func (l *Listener) waitShare() bool {
	for first := true; ; first = false {
		free := l.Share.Take()
		if free == nil {
			return true
		}
		if first {
			l.trouble(ErrBudget)
		}
		select {
		case <-l.closing:
			return false
		case <-free:
		}
	}
}

// clientWentAway says whether an accept failed for a reason of the client's.
func clientWentAway(err error) bool {
	return errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EINTR)
}
