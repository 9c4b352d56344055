package abort

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// closeSocket resets and closes c, if it is a socket. The peer gets it at once.
func closeSocket(c net.Conn) (isSocket bool) {
	spare := -1
	t, isTCP := c.(tcpConn)
	if isTCP {
		t.SetLinger(0) // where there is no descriptor to spare
	} else if _, isUnix := c.(*net.UnixConn); !isUnix {
		return false
	}
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { spare, _ = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
		}
	}
	c.Close()
	if spare >= 0 { // not before: what reads c would meet a reset, and take it for its peer's
		Socket(spare)
		unix.Close(spare)
	}
	return true
}

// Socket has the kernel reset a connection at once. SO_LINGER has it do so at the close of the last copy of the
// descriptor, and each process that is being started has a copy, from its fork to its exec.
func Socket(fd int) {
	to := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	if _, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to)), unsafe.Sizeof(to)); e == 0 {
		return
	}
	if domain, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); domain == unix.AF_UNIX {
		unix.Shutdown(fd, unix.SHUT_RDWR)
		return
	}
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // not every system has this of Linux
}
