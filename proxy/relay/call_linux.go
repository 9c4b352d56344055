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

// call is one dial. It tries the addresses of its backend in turn, and tells
// the task once: Connected or Failed.
type call struct {
	seat   *loopSeat
	dial   Dial
	until  int64 // since start; 0: as long as it takes
	alarm  alarm
	side   *Side            // that is being tried
	to     netip.AddrPort   // where
	rest   []netip.AddrPort // where else
	err    error            // that tells most of the backend, of those that failed
	cancel context.CancelFunc
	over   bool
}

var (
	errAborted = context.Canceled
	errLoop    = errors.New("relay: a Dial with a Func needs the stream runner")
)

// callsKept bounds the calls that a loop keeps to use again.
const callsKept = 64

func (l *loop) begin(s *loopSeat, d Dial) {
	var c *call
	if n := len(l.calls); n > 0 {
		c, l.calls = l.calls[n-1], l.calls[:n-1]
	} else {
		c = new(call)
	}
	c.seat, c.dial = s, d
	s.call = c
	if d.Timeout > 0 {
		c.until = l.now + int64(d.Timeout)
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

// tryNext tries the next address; the last one's failure is the dial's.
func (c *call) tryNext(l *loop) {
	if c.dial.Network != "unix" {
		c.to, c.rest = c.rest[0], c.rest[1:]
	}
	c.try(l)
}

func (c *call) try(l *loop) {
	fd, in, e := c.connect()
	if fd >= 0 {
		c.side = &Side{remote: c.to, socket: socket{fd: fd, slot: noSlot, home: l, seat: c.seat, use: calling}}
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
		l.alarms.set(&c.alarm, l.now+int64(busyRetry), c)
	default:
		c.failed(l, os.NewSyscallError(in, e))
	}
}

// wait gives each address that is left an equal part of the time that is.
func (c *call) wait(l *loop) {
	if c.until == 0 {
		return
	}
	left := (c.until - l.now) / int64(len(c.rest)+1)
	l.alarms.set(&c.alarm, l.now+max(left, 0), c)
}

func (c *call) ring(l *loop) {
	switch {
	case c.until != 0 && l.now >= c.until:
		c.rest = nil
		c.failed(l, context.DeadlineExceeded)
	case c.side == nil: // it was to be tried again
		c.try(l)
	default:
		c.failed(l, context.DeadlineExceeded)
	}
}

func (c *call) ready(l *loop, events uint32) {
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

func (c *call) connected(l *loop) {
	s := c.side
	if c.dial.Network != "unix" && s.isItself() {
		s.release(true) // or its port would stay in TIME_WAIT
		c.side = nil
		c.failed(l, os.NewSyscallError("connect", unix.ECONNREFUSED))
		return
	}
	s.use = unused
	s.last.Store(l.now)
	l.young.add(l, s, c.dial.Sock)
	l.tell(c.seat, Event{Kind: Connected, Side: s})
	c.end(l)
}

// failed goes on with the next address, if there is one.
func (c *call) failed(l *loop, err error) {
	c.drop()
	c.err = telling(c.err, err)
	if len(c.rest) > 0 {
		c.tryNext(l)
		return
	}
	c.fail(l, c.err)
}

func (c *call) fail(l *loop, err error) {
	var op *net.OpError
	if !errors.As(err, &op) {
		err = &net.OpError{Op: "dial", Net: c.dial.Network, Addr: dialled(c.dial.Network + " " + c.dial.Addr), Err: err}
	}
	l.tell(c.seat, Event{Kind: Failed, Err: err})
	c.end(l)
}

func (c *call) abort(l *loop) {
	c.drop()
	if c.cancel != nil {
		c.cancel()
	}
	c.fail(l, errAborted)
}

// end is the last that is done with a call.
func (c *call) end(l *loop) {
	c.seat.call = nil
	l.alarms.drop(&c.alarm)
	switch {
	case c.cancel != nil:
		c.over = true // a lookup may still know it
	case len(l.calls) < callsKept:
		*c = call{}
		l.calls = append(l.calls, c)
	}
}

func (c *call) drop() {
	if c.side != nil {
		c.side.release(false)
		c.side = nil
	}
}
