package relay

import (
	"net"
	"os"
)

// openingConn returns the side's connection for the opening. It is called in a
// step of the task, so on the side's loop.
func (s *Side) openingConn() *openingConn {
	more := s.more()
	if more.opening == nil {
		c := &openingConn{side: s, readable: make(signal, 1), writable: make(signal, 1), over: make(chan struct{})}
		more.opening = c
		s.use = opening
		if s.fd >= 0 && s.path == nil {
			keepUrgent(uintptr(s.fd))
		}
		if s.fd < 0 || s.loop.arm(s) != 0 {
			c.Close()
		}
	}
	return more.opening
}

// closeOpening begins to close a side that a goroutine of Do uses, and reports
// whether one does: its descriptor is closed when that goroutine has ended.
func (s *Side) closeOpening(reset bool) bool {
	if s.connSide == nil || s.opening == nil || !s.opening.busy {
		return false
	}
	c := s.opening
	c.closing, c.reset = true, c.reset || reset
	c.Close()
	return true
}

// setOpening says whether a goroutine of Do uses the side. One that is to be closed
// is closed when that has ended.
func (l *loop) setOpening(s *Side, busy bool) {
	if s == nil || s.connSide == nil || s.opening == nil {
		return
	}
	s.opening.busy = busy
	if s.opening.closing && !busy && s.fd >= 0 {
		l.closeSide(s, s.opening.reset)
	}
}

// endOpening is called as the relay begins.
func (s *Side) endOpening() {
	if s.opening != nil {
		s.readBefore = s.opening.received - int64(len(s.early))
		s.opening = nil
	}
	if s.secure != nil {
		s.beginSecure()
	}
}

// received is how many bytes were read of the side's socket; negative if that is
// not known.
func (s *Side) received() int64 {
	if s.connSide == nil {
		return s.In()
	}
	if s.readBefore < 0 {
		return -1
	}
	return s.readBefore + s.In()
}

func (s *Side) rawWriteFirst(b []byte) error {
	if s.fd < 0 {
		return net.ErrClosed
	}
	for len(b) > 0 {
		n, e := send(s.fd, b, false)
		if e != 0 {
			return os.NewSyscallError("write", e)
		}
		b = b[n:]
	}
	return nil
}
