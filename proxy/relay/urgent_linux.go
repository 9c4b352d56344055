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

// atUrgent says that the next byte which the raw side gives is urgent. It is
// to be asked as long as urgent says so; reads stop before the byte.
//
// It takes both looks, in this order: the mark moves ahead of the bytes, so it
// may stand where an ordinary one will come; but an urgent byte that is there
// is never before it.
func (s *Side) atUrgent() bool {
	if s.urgent = hasUrgent(s.fd); !s.urgent || !atMark(s.fd) {
		return false
	}
	s.flow.plain = true // whoever sends one sends more, and a splice stops at each
	setInt(s.fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1)
	return true
}

// expectUrgent is atUrgent for the stream runner, which hears nothing from
// epoll and asks before each read. That takes the place of the read in vain
// which would find out that there is nothing, and costs less.
func (r *socketReader) expectUrgent(fd int32) (urgent, empty bool) {
	switch p := pollNow(fd, unix.POLLIN|unix.POLLPRI|unix.POLLRDHUP); {
	case p == 0:
		return false, true
	case p&unix.POLLPRI == 0 || !atMark(fd):
		return false, false
	}
	r.side.urgent = true
	return true, false
}

// readOnce reads what there is.
func readOnce(fd int32, b []byte) (int, error) {
	n, e := recv(fd, b)
	if e != 0 {
		return 0, e
	}
	return n, nil
}
