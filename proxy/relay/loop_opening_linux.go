package relay

import (
	"net"
	"os"
)

// openingConn returns the side's connection for the opening. It must be called in a
// step of the task, that is, on the side's loop.
func (s *Side) openingConn() *openingConn {
	more := s.more()
	if more.opening == nil {
		c := &openingConn{side: s, task: s.task}
		more.opening = c
		s.use = opening
		if s.fd >= 0 && s.path == nil {
			keepUrgent(uintptr(s.fd))
		}
		if s.fd < 0 || s.loop.arm(s) != 0 {
			c.end()
		}
	}
	return more.opening
}

// armOpening asks epoll for what a goroutine waits for, if one still uses the side. A
// descriptor that is already ready is reported again.
func (s *Side) armOpening() {
	if s.use == opening && s.fd >= 0 {
		s.interest = 0
		s.loop.arm(s)
	}
}

// closeEnded closes a side whose user has closed its connection, once its task is done:
// until then the task may ask for its address.
func (s *Side) closeEnded() {
	if s.fd >= 0 && s.task.done && s.connSide != nil && s.opening != nil && s.opening.isClosed() {
		s.loop.closeSide(s, false)
	}
}

// endOpening is called when the relay begins.
func (s *Side) endOpening() {
	switch {
	case s.framed != nil:
		s.beginFrames()
		if s.opening != nil {
			s.readBefore = s.opening.received
		}
	case s.opening != nil:
		s.readBefore = s.opening.received - int64(len(s.early))
		s.opening = nil
	}
	if s.isWrapped() {
		s.beginWrapped()
	}
}

// received returns how many bytes were read from the side's socket; negative if
// unknown.
func (s *Side) received() int64 {
	switch {
	case s.connSide == nil:
		return s.In()
	case s.readBefore < 0:
		return -1
	case s.framed != nil:
		return s.readBefore + s.framed.read
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
