package relay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// loopDial is one dial. It tries the addresses of its backend one after another
// and notifies the task once: Connected or Failed.
type loopDial struct {
	task      *loopTask
	dial      Dial
	deadline  int64 // since start; 0: none
	timer     timer
	side      *Side            // of the address being tried
	to        netip.AddrPort   // that address
	remaining []netip.AddrPort // the addresses to try after it
	err       error            // the failure so far that says most about the backend
	cancel    context.CancelFunc
	over      bool
}

var (
	errAborted = context.Canceled
	errLoop    = errors.New("relay: a Dial with a Func needs the stream runner")
)

// maxFreeDials bounds the dials that a loop keeps for reuse.
const maxFreeDials = 64

func (l *loop) startDial(s *loopTask, d Dial) {
	var c *loopDial
	if n := len(l.freeDials); n > 0 {
		c, l.freeDials = l.freeDials[n-1], l.freeDials[:n-1]
	} else {
		c = new(loopDial)
	}
	c.task, c.dial = s, d
	s.dial = c
	if d.Timeout > 0 {
		c.deadline = l.now + int64(d.Timeout)
	}
	switch {
	case d.Func != nil:
		c.fail(l, errLoop)
	case d.Network == "unix":
		c.tryNext(l)
	default:
		to, err := netip.ParseAddrPort(d.Addr)
		if err != nil || to.Addr().Zone() != "" {
			c.lookUp(l)
			return
		}
		c.to = to
		c.try(l)
	}
}

// tryNext tries the next address; if the last one fails, the dial fails.
func (c *loopDial) tryNext(l *loop) {
	if c.dial.Network != "unix" {
		c.to, c.remaining = c.remaining[0], c.remaining[1:]
	}
	c.try(l)
}

func (c *loopDial) try(l *loop) {
	fd, in, e := c.connect()
	if fd >= 0 {
		c.side = &Side{remote: c.to, socket: socket{fd: fd, slot: noSlot, loop: l, task: c.task, use: dialing}}
		if c.dial.Network == "unix" {
			path := c.dial.Addr
			c.side.path = &path
		}
		if e == 0 || e == unix.EINPROGRESS {
			if ee := l.arm(c.side); ee != 0 {
				in, e = "epoll_ctl", ee
			}
		}
	}
	switch {
	case e == 0:
		c.connected(l)
	case e == unix.EINPROGRESS:
		c.wait(l)
	case e == unix.EAGAIN && c.dial.Network == "unix":
		c.drop()
		l.timers.set(&c.timer, l.now+int64(busyRetry), c)
	default:
		c.failed(l, os.NewSyscallError(in, e))
	}
}

// wait gives each remaining address an equal part of the remaining time.
func (c *loopDial) wait(l *loop) {
	if c.deadline == 0 {
		return
	}
	part := (c.deadline - l.now) / int64(len(c.remaining)+1)
	l.timers.set(&c.timer, l.now+max(part, 0), c)
}

func (c *loopDial) onTimer(l *loop) {
	switch {
	case c.deadline != 0 && l.now >= c.deadline:
		c.remaining = nil
		c.failed(l, context.DeadlineExceeded)
	case c.side == nil: // a Unix socket whose backlog was full
		c.try(l)
	default:
		c.failed(l, context.DeadlineExceeded)
	}
}

func (c *loopDial) onReady(l *loop, events uint32) {
	if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		e, _ := unix.GetsockoptInt(int(c.side.fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if e == 0 {
			e = int(unix.ECONNRESET)
		}
		c.failed(l, os.NewSyscallError("connect", syscall.Errno(e)))
		return
	}
	if events&unix.EPOLLOUT == 0 {
		return
	}
	c.connected(l)
}

func (c *loopDial) connected(l *loop) {
	s := c.side
	if c.dial.Network != "unix" && s.isItself() {
		s.release(true) // or its port would stay in TIME_WAIT
		c.side = nil
		c.failed(l, os.NewSyscallError("connect", unix.ECONNREFUSED))
		return
	}
	if c.dial.Secure != nil {
		c.secure(l)
		return
	}
	c.done(l)
}

// done notifies the task of a connection that it can use.
func (c *loopDial) done(l *loop) {
	s := c.side
	s.last.Store(l.now)
	if s.isRaw() {
		s.use = unused
		l.recent.add(l, s, c.dial.Sock)
	}
	l.notify(c.task, Event{Kind: Connected, Side: s})
	c.end(l)
}

// failed continues with the next address, if there is one.
func (c *loopDial) failed(l *loop, err error) {
	c.drop()
	c.err = preferError(c.err, err)
	if len(c.remaining) > 0 {
		c.tryNext(l)
		return
	}
	c.fail(l, c.err)
}

func (c *loopDial) fail(l *loop, err error) {
	var op *net.OpError
	if !errors.As(err, &op) {
		err = &net.OpError{Op: "dial", Net: c.dial.Network, Addr: dialled(c.dial.Network + " " + c.dial.Addr), Err: err}
	}
	l.notify(c.task, Event{Kind: Failed, Err: err})
	c.end(l)
}

func (c *loopDial) abort(l *loop) {
	c.drop()
	if c.cancel != nil {
		c.cancel()
	}
	c.fail(l, errAborted)
}

// end releases a finished dial.
func (c *loopDial) end(l *loop) {
	c.task.dial = nil
	l.timers.stop(&c.timer)
	switch {
	case c.cancel != nil:
		c.over = true // its lookup still refers to it
	case len(l.freeDials) < maxFreeDials:
		*c = loopDial{}
		l.freeDials = append(l.freeDials, c)
	}
}

func (c *loopDial) drop() {
	if c.side != nil {
		c.side.release(true) // it may have been connected just now
		c.side = nil
	}
}
