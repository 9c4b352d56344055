package abort

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Close closes c with a reset, which the peer is sent at once.
func Close(c Conn) error {
	spare := -1
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { spare, _ = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
		}
	}
	c.SetLinger(0) // in case there is no spare descriptor
	err := c.Close()
	if spare >= 0 { // only now: a reader of c would see it as a reset by the peer
		Socket(spare)
		unix.Close(spare)
	}
	return err
}

// Socket has the kernel reset a connection at once. SO_LINGER has it do so at the close of the last copy of the
// descriptor, and each process that is being started has a copy, from its fork to its exec.
func Socket(fd int) {
	to := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	if _, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to)), unsafe.Sizeof(to)); e != 0 {
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // not every system implements this Linux feature
	}
}
