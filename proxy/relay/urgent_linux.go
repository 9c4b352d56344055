package relay

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// atMark reports whether the next byte of a socket is, or will be, its urgent one.
func atMark(fd int32) bool {
	var at int32
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCATMARK, uintptr(unsafe.Pointer(&at)))
	return e == 0 && at != 0
}

// pollNow returns which of the events a socket has now.
func pollNow(fd int32, events int16) int16 {
	p := unix.PollFd{Fd: fd, Events: events}
	var zero unix.Timespec
	n, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&zero)), 0, 0, 0)
	if e != 0 {
		return events // a read gets the error
	}
	if n == 0 {
		return 0
	}
	return p.Revents
}

// hasUrgent reports whether a socket has an unread urgent byte.
func hasUrgent(fd int32) bool { return pollNow(fd, unix.POLLPRI)&unix.POLLPRI != 0 }

// urgentAhead returns how many bytes of a socket precede its urgent byte, if it has
// one. From then on that byte stays in the stream, as an ordinary one, even if
// another urgent byte makes the kernel forget it.
//
// It asks several times. The mark arrives before the bytes, so it does not mean that
// the urgent byte has arrived: the count may end at the last byte that has. But if the
// count is the same before and after POLLPRI, it ends at the urgent byte.
func urgentAhead(fd int32) (ahead int64, ok bool) {
	for range 3 {
		switch {
		case !hasUrgent(fd):
			return 0, false
		case atMark(fd):
			setInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1)
			return 0, true
		}
		// The count ends at the byte only while that is not inline. If another arrives
		// meanwhile, this one is dropped only when reading gets there.
		setInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 0)
		before, there, after := unread(fd), hasUrgent(fd), unread(fd)
		setInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1)
		if there && before == after {
			return int64(before), true
		}
	}
	return 0, false
}

// unread returns how many bytes of a socket can be read.
func unread(fd int32) (n int32) {
	unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCINQ, uintptr(unsafe.Pointer(&n)))
	return n
}

// marks are the positions of a side's urgent bytes in its stream, counted as in
// Side.In.
type marks []int64

// next records another mark, if there is one, and returns how much may be read at
// once, and whether that is an urgent byte.
func (m *marks) next(fd int32, in int64) (most int, urgent bool) {
	if ahead, ok := urgentAhead(fd); ok && (len(*m) == 0 || (*m)[len(*m)-1] < in+ahead) {
		*m = append(*m, in+ahead)
	}
	for len(*m) > 0 && (*m)[0] < in {
		*m = (*m)[1:]
	}
	switch {
	case len(*m) == 0:
		return bufferSize, false
	case (*m)[0] == in:
		return 1, true
	}
	return int(min((*m)[0]-in, bufferSize)), false
}

// expect is called before each read while there may be urgent data. It returns how much
// may be read at once, whether that is an urgent byte, and whether there is nothing to
// read: the first byte to arrive may then be urgent, and a read without another check
// would treat it as an ordinary one.
func (m *marks) expect(fd int32, in int64) (most int, urgent, empty bool) {
	p := pollNow(fd, unix.POLLIN|unix.POLLPRI|unix.POLLRDHUP)
	if p&unix.POLLPRI != 0 || len(*m) > 0 {
		most, urgent = m.next(fd, in)
		return most, urgent, p == 0
	}
	return bufferSize, false, p == 0
}

// findUrgent is called before each read of a side that may have urgent data, and when
// epoll reports some.
func (l *loop) findUrgent(s *Side) (most int, empty bool) {
	m := l.urgent[s]
	most, s.isUrgent, empty = m.expect(s.fd, s.In())
	if s.urgent = len(m) > 0; !s.urgent {
		delete(l.urgent, s)
		return most, empty
	}
	if l.urgent == nil {
		l.urgent = map[*Side]marks{}
	}
	l.urgent[s] = m
	s.dir.noSplice = true // more may follow, and splice passes over them
	return most, empty
}

// expectUrgent is findUrgent for the stream runner, which has no epoll of its own and
// polls before each read. The poll replaces the read that would return EAGAIN, and
// costs less.
func (r *socketReader) expectUrgent(fd int32) (most int, empty bool) {
	most, r.side.isUrgent, empty = r.marks.expect(fd, r.side.In())
	r.side.urgent = r.side.urgent || len(r.marks) > 0
	return most, empty
}

// readOnce reads once, without waiting.
func readOnce(fd int32, b []byte) (int, error) {
	n, e := recv(fd, b)
	if e != 0 {
		return 0, e
	}
	return n, nil
}
