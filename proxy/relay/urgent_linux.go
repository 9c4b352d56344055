package relay

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// atMark says that the next byte of a socket is, or will be, its urgent one.
func atMark(fd int32) bool {
	var at int32
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCATMARK, uintptr(unsafe.Pointer(&at)))
	return e == 0 && at != 0
}

// pollNow says which of some events a socket has now.
func pollNow(fd int32, events int16) int16 {
	p := unix.PollFd{Fd: fd, Events: events}
	var zero unix.Timespec
	n, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&zero)), 0, 0, 0)
	if e != 0 {
		return events // whoever reads is told
	}
	if n == 0 {
		return 0
	}
	return p.Revents
}

// hasUrgent says that a socket has an urgent byte which has not been read.
func hasUrgent(fd int32) bool { return pollNow(fd, unix.POLLPRI)&unix.POLLPRI != 0 }

// urgentAhead says how many bytes of a socket are to be read before its urgent
// one, if it has one. From then on that byte stays in the stream, as an
// ordinary one, also when another makes the kernel forget that it was urgent.
//
// It takes several looks. The mark runs ahead of the bytes, so by itself it
// does not say that an urgent byte is there, and what is counted then ends with
// what has come; but when it has not moved from before POLLPRI to after it, it
// is the urgent byte's.
func urgentAhead(fd int32) (ahead int64, ok bool) {
	for range 3 {
		switch {
		case !hasUrgent(fd):
			return 0, false
		case atMark(fd):
			setInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1)
			return 0, true
		}
		// Only with the byte out of the stream is it counted up to it. It is
		// dropped then if another comes, but not before reading has got there.
		setInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 0)
		before, there, after := unread(fd), hasUrgent(fd), unread(fd)
		setInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1)
		if there && before == after {
			return int64(before), true
		}
	}
	return 0, false
}

// unread is how many bytes of a socket there are to read.
func unread(fd int32) (n int32) {
	unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCINQ, uintptr(unsafe.Pointer(&n)))
	return n
}

// marks are where the urgent bytes that a side has sent stand in what it sends,
// counted as Side.In counts.
type marks []int64

// look takes down another mark, if there is one, and says how much may be read
// at once, and whether that is an urgent byte.
func (m *marks) look(fd int32, in int64) (most int, urgent bool) {
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

// lookUrgent is to be called before each read of a side as long as it may have
// urgent data, and when epoll tells of some.
func (l *loop) findUrgent(s *Side) (most int) {
	m := l.urgent[s]
	most, s.isUrgent = m.look(s.fd, s.In())
	if s.urgent = len(m) > 0; !s.urgent {
		delete(l.urgent, s)
		return most
	}
	if l.urgent == nil {
		l.urgent = map[*Side]marks{}
	}
	l.urgent[s] = m
	s.dir.noSplice = true // whoever sends one sends more, and splices pass over them
	return most
}

// expectUrgent is lookUrgent for the stream runner, which hears nothing from
// epoll and asks before each read. That takes the place of the read in vain
// which would find out that there is nothing, and costs less.
func (r *socketReader) expectUrgent(fd int32) (most int, empty bool) {
	p := pollNow(fd, unix.POLLIN|unix.POLLPRI|unix.POLLRDHUP)
	if p&unix.POLLPRI != 0 || len(r.marks) > 0 {
		r.side.urgent = true
		most, r.side.isUrgent = r.marks.look(fd, r.side.In())
		return most, p == 0
	}
	r.side.isUrgent = false
	return bufferSize, p == 0
}

// readOnce reads what there is.
func readOnce(fd int32, b []byte) (int, error) {
	n, e := recv(fd, b)
	if e != 0 {
		return 0, e
	}
	return n, nil
}
