package relay

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of the loops. None of them blocks (recv and send use MSG_DONTWAIT),
// so they are raw: informing Go's scheduler of each would cost as much as a short read.

func recv(fd int32, b []byte) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

// send writes what fits, with urgent as urgent data. Only EAGAIN says that no
// more fits, and that EPOLLOUT will follow when it does.
func send(fd int32, b []byte, urgent bool) (int, unix.Errno) {
	flags := uintptr(unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL)
	if urgent {
		flags |= unix.MSG_OOB
	}
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		switch {
		case e == 0:
			return int(n), 0
		case e != unix.EINTR:
			return 0, e
		}
	}
}

// writePipe writes a few bytes to a pipe: all of them, or none with EAGAIN.
func writePipe(fd int, b []byte) unix.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return e
}

// splicePipes moves up to most bytes from one pipe to another, as far as there is room.
func splicePipes(from, to, most int) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(most), unix.SPLICE_F_NONBLOCK)
	return int(n), e
}

func acceptFrom(fd int32, from *unix.RawSockaddrAny) (int32, unix.Errno) {
	size := uint32(unix.SizeofSockaddrAny)
	n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)), unix.SOCK_CLOEXEC, 0, 0)
	return int32(n), e
}

func newSocket(family int) (int32, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return int32(n), e
}

// connect is for sockets that do not block.
func connect(fd int32, to unsafe.Pointer, size uintptr) unix.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(to), size)
	return e
}

func bind(fd int32, to unsafe.Pointer, size uintptr) unix.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(to), size)
	return e
}

func setInt(fd int32, level, option int, value int32) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&value)), 4, 0)
	return e
}

func shutdown(fd int32, how int) { unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), uintptr(how), 0) }

func closeFD(fd int32) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

func epollCtl(epfd, op int, fd int32, ev *unix.EpollEvent) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	return e
}

func getsockname(fd int32, at *unix.RawSockaddrAny) unix.Errno {
	size := uint32(unix.SizeofSockaddrAny)
	_, _, e := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(at)), uintptr(unsafe.Pointer(&size)))
	return e
}

// unsentOf returns how many bytes the other end has not acknowledged. It is 0 for a
// socket that was reset, for which SIOCOUTQ keeps a number.
func unsentOf(fd int32) int {
	var n int32
	if _, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n))); e != 0 {
		return 0
	}
	if n > 0 && isClosed(fd) {
		return 0
	}
	return int(n)
}

// epollPoll returns the events that are ready, without waiting.
func epollPoll(epfd int, events []unix.EpollEvent) int {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

func getpeername(fd int32, at *unix.RawSockaddrAny) unix.Errno {
	size := uint32(unix.SizeofSockaddrAny)
	_, _, e := unix.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd), uintptr(unsafe.Pointer(at)), uintptr(unsafe.Pointer(&size)))
	return e
}

// isClosed reports whether a TCP connection is closed in both directions: it was reset,
// or both sides have ended theirs.
func isClosed(fd int32) bool {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == tcpClose
}

// tcpStateOf asks the kernel about a socket that was read to its end. read is how many
// bytes were read from it in total, negative if unknown. Asking may clear the pending
// error, as reads and writes do.
func tcpStateOf(fd int32, read int64) (d tcpState) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if d.closed = err == nil && info.State == tcpClose; !d.closed {
		return d
	}
	// The kernel counts a FIN as a byte received.
	switch received := int64(info.Bytes_received); {
	case read >= 0 && received == read:
		d.fin = finMissing
	case read >= 0 && received == read+1:
		d.fin = finReceived
	default:
		e, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		d.pendingError = err == nil && e != 0
	}
	return d
}

// readSoFar returns how many bytes were read from an established TCP socket; negative
// if unknown.
func readSoFar(fd int32) int64 {
	received := int64(-1)
	for range 4 {
		queued := unread(fd)
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.State != tcpEstablished {
			return -1
		}
		last := received
		if received = int64(info.Bytes_received); received == last { // otherwise more arrived between the two
			return received - int64(queued)
		}
	}
	return -1
}

const (
	tcpEstablished = 1
	tcpClose       = 7
)
